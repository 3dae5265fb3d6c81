"""Whether every head can learn: one batch, shown again and again, must be learned by heart.

A loss that stays where guessing leaves it, or a head that no gradient reaches, is a fault of the
program or of its settings, never of the data.

    first loss ──────────────┬─────────────── floor
                    half of the way: it learns
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.config import Config
from backend.replay.batch import Batch
from backend.replay.sampler import Sampler
from backend.replay.window import Window
from backend.ssl_readings import GUESSING
from backend.training.trainer import Trainer
from model.net import Head

ENOUGH: Final = 0.5
"""A head learns when its loss goes this share of the way from the first one to its floor."""
AT_FLOOR: Final = 0.01
"""A loss that is no further above its floor has nothing left to learn."""
ENDS_FRAC: Final = 0.1
"""Of the steps: the rate rises over the first of them, losses are means over the last of them."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one head made of the batch."""

    head: Head
    first: float
    """Loss before the first step."""
    last: float
    """Mean loss of the last tenth of the steps."""
    floor: float
    """Where the loss cannot fall below: the targets' entropy for distributions, else 0."""
    guess: float | None
    """What it costs to know how frequent each answer is and nothing more; None: nobody knows."""
    is_asked: bool
    """Whether the batch has anything for the head to learn."""
    has_gradient: bool
    """Whether the weights of the head ever had one that is not 0."""

    @property
    def way(self) -> float:
        """How far the loss came from the first one to its floor; 1 is all of it."""
        return (self.first - self.last) / max(self.first - self.floor, AT_FLOOR)

    @property
    def fault(self) -> str:
        """Why it does not learn; empty when it does, or is not asked."""
        if not self.is_asked:
            return ""
        if not self.has_gradient:
            return "no gradient reaches its weights"
        left = self.last - self.floor
        if left <= AT_FLOOR:
            return ""
        if self.guess is not None and left >= GUESSING * (self.guess - self.floor):
            return f"no better than guessing, which costs {self.guess:.4f}"
        if self.way < ENOUGH:
            return f"only {self.way:.0%} of the way to its floor"
        return ""


class _Bounds(NamedTuple):
    floor: float
    guess: float


def for_overfitting(config: Config, steps: int) -> Config:
    """The settings without what hinders learning by heart: decay, smoothing, dropped layers."""
    training = replace(
        config.training,
        schedule="constant",
        warmup_steps=max(1, round(ENDS_FRAC * steps)),
        weight_decay=0.0,
        policy_smoothing=0.0,
        drop_path=0.0,
    )
    ssl = replace(config.ssl, warmup_steps=0, decay_steps=0)
    return replace(config, training=training, ssl=ssl)


def distinct_batch(window: Window, sampler: Sampler, size: int, rng: np.random.Generator) -> Batch:
    """Up to `size` positions of the window, no two alike.

    Two answers to the same question could not both be learned.
    """
    rows = rng.permutation(window.num_positions)[: 4 * size]
    _, first = np.unique(window.column("positions")[rows], axis=0, return_index=True)
    return sampler.gather(rows[np.sort(first)][:size])


def overfit(
    trainer: Trainer,
    batch: Batch,
    steps: int,
    *,
    on_step: Callable[[int, Mapping[str, float]], None],
    should_stop: Callable[[], bool],
) -> list[Lesson]:
    """Takes `steps` steps, all on `batch`; what each head made of it.

    The masks of the piece task are drawn anew in each step.
    """
    examples = trainer.objective.prepare(batch)
    heads = trainer.objective.heads
    bounds = _bounds(trainer, batch)
    losses: dict[Head, list[float]] = {head: [] for head in heads}
    have_gradient: set[Head] = set()
    metrics: dict[str, float] = {}
    for step in range(1, steps + 1):
        metrics = trainer.step(examples)
        for head in heads:
            losses[head].append(metrics[f"{head}_loss"])
        have_gradient |= _heads_with_gradient(trainer)
        on_step(step, metrics)
        if should_stop():
            break
    lessons = []
    for head, curve in losses.items():
        last = curve[-max(1, round(ENDS_FRAC * len(curve))) :]
        floor, guess = bounds.get(head, (0.0, metrics.get(f"{head}_guess")))
        lessons.append(
            Lesson(
                head=head,
                first=curve[0],
                last=sum(last) / len(last),
                floor=floor,
                guess=guess,
                is_asked=examples.weights[head] > 0,
                has_gradient=head in have_gradient,
            )
        )
    return lessons


def _heads_with_gradient(trainer: Trainer) -> set[Head]:
    """Those whose weights the last step moved by a gradient that is not 0."""
    found = set()
    for name, weight in trainer.net.named_parameters():
        head = trainer.net.head_of(name)
        if head is not None and weight.grad is not None and bool(weight.grad.any()):
            found.add(head)
    return found


def _bounds(trainer: Trainer, batch: Batch) -> dict[Head, _Bounds]:
    """Of the heads that answer with a distribution; each as the mean over the batch."""
    found: dict[Head, _Bounds] = {
        "policy": _of_moves(batch.policy_prob, batch.num_moves, batch.policy_weight)
    }
    if trainer.net.config.value_head == "wdl" and trainer.config.value_loss in (
        "auto",
        "cross_entropy",
    ):
        found["value"] = _of_results(batch.wdl_target, batch.value_weight)
    if batch.future is not None:
        future = batch.future
        found["reply"] = _of_moves(future.reply_prob, future.reply_num_moves, future.reply_weight)
        found["short_value"] = _of_results(future.short_wdl, future.short_weight)
    return found


def _of_moves(
    prob_BK: NDArray[np.float32], num_moves_B: NDArray[np.int64], weight_B: NDArray[np.float32]
) -> _Bounds:
    """Guessing: every legal move alike."""
    return _Bounds(
        _mean(_entropy(prob_BK), weight_B), _mean(np.log(np.maximum(num_moves_B, 1)), weight_B)
    )


def _of_results(wdl_B3: NDArray[np.float32], weight_B: NDArray[np.float32]) -> _Bounds:
    """Guessing: the mean result for everybody."""
    mean_3 = np.array([_mean(column_B, weight_B) for column_B in wdl_B3.T])
    return _Bounds(_mean(_entropy(wdl_B3), weight_B), float(_entropy(mean_3)))


def _entropy(prob: NDArray[np.floating]) -> NDArray[np.float64]:
    """Along the last axis, nats."""
    positive = np.where(prob > 0, prob, 1.0).astype(np.float64)
    found: NDArray[np.float64] = -(positive * np.log(positive)).sum(axis=-1)
    return found


def _mean(values_B: NDArray[np.floating], weight_B: NDArray[np.float32]) -> float:
    """Weighted; 0 where nothing has weight."""
    total = float(weight_B.sum(dtype=np.float64))
    return float((values_B * weight_B).sum(dtype=np.float64)) / total if total > 0 else 0.0
