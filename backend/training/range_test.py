"""The learning-rate range test: the rate rises exponentially, the loss tells how much is good.

    loss │ ───────╮                       ╭──
         │         ╰──╮               ╭───╯
         │             ╰─────────────╯ least, smoothed
         └──────────────────┬────────┬────────── rate, logarithmic
                     suggested      ten times as much

Smith (2017), "Cyclical learning rates for training neural networks". A tenth of the rate at which
the smoothed loss is least is the rule of the fast.ai library: where the loss is least, the rate is
about to be too high.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from backend.errors import NonFiniteError
from backend.replay.batch import Batch
from backend.training.trainer import Trainer

RULE: Final = "a tenth of the rate at which the smoothed loss is least"
SMOOTHING: Final = 0.9
"""Decay of the moving average of the loss, over steps."""
TOO_HIGH: Final = 1.5
"""Times the least smoothed loss: beyond it the test ends, the rate is too high."""


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """What a test saw; one entry a step."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    ended: str
    """Why it ended before the highest rate; empty when it did not."""
    is_stopped: bool = False
    """It was asked to: then its end says nothing of the rate."""

    @property
    def suggestion(self) -> float | None:
        """By RULE. None where the loss never fell, or fell to the very end: nothing was found."""
        if not self.smoothed:
            return None
        least = min(range(len(self.smoothed)), key=self.smoothed.__getitem__)
        was_too_high = bool(self.ended) and not self.is_stopped
        if least == 0 or (least == len(self.smoothed) - 1 and not was_too_high):
            return None
        return self.rates[least] / 10

    @property
    def verdict(self) -> str:
        """The suggestion in words, or why there is none."""
        if self.suggestion is not None:
            return f"suggested: {self.suggestion:.1e}, {RULE}"
        if self.smoothed and min(self.smoothed) < self.smoothed[0]:
            if self.is_stopped:
                return "no suggestion: the loss still fell when it was asked to stop"
            return "no suggestion: the loss still fell at the highest rate; raise --to"
        return "no suggestion: the loss never fell; lower --from, or see matrix0 overfit"


def range_test(
    trainer: Trainer,
    draw: Callable[[], Batch],
    *,
    lowest: float,
    highest: float,
    steps: int,
    on_step: Callable[[int, float, float], None],
    should_stop: Callable[[], bool],
) -> RangeTest:
    """Trains `trainer` for up to `steps` steps while its rate rises from `lowest` to `highest`.

    `on_step` gets the number of the step, its rate and the smoothed loss.
    """
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    mean = weight = 0.0
    ended = ""
    is_stopped = False
    for step in range(steps):
        rate = lowest * (highest / lowest) ** (step / max(1, steps - 1))
        # The trainer asks its settings for the rate of every step.
        trainer.config = replace(
            trainer.config, learning_rate=rate, warmup_steps=0, schedule="constant"
        )
        try:
            loss = trainer.step(draw())["loss"]
        except NonFiniteError as error:
            ended = f"at {rate:.1e}: {error}"
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        rates.append(rate)
        losses.append(loss)
        smoothed.append(mean / weight)
        on_step(step + 1, rate, smoothed[-1])
        if smoothed[-1] > TOO_HIGH * min(smoothed):
            ended = f"at {rate:.1e}: the loss is more than {TOO_HIGH:g} times the least"
            break
        if should_stop():
            ended = f"at {rate:.1e}: it was asked to stop"
            is_stopped = True
            break
    return RangeTest(
        rates=tuple(rates),
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        ended=ended,
        is_stopped=is_stopped,
    )
