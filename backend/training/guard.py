"""When training has gone wrong, and what is done: skip a step, go back, or stop. Imports no torch.

A step that is not finite was never taken. Three of them within a hundred, a loss that stays far
above what it was, or weights that cannot be saved: back to the last checkpoint, on to other data
(PaLM, section 5.1: the same data did no harm from other weights), with half the learning rate until
the next checkpoint. When that has been done `max_rollbacks` times and no checkpoint came of it, a
person must look.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from backend.training.config import TrainingConfig

Verdict = Literal["skip", "roll_back", "halt"]

WINDOW: Final = 100
"""Steps in which refused ones are counted."""
REFUSED_LIMIT: Final = 3
RATE_FACTOR: Final = 0.5
WARM_STEPS: Final = 100
"""Before so many steps nobody knows what a usual loss is."""
MEMORY: Final = 0.99
"""Decay of the moving averages: a hundred steps."""
LEAST_SIGMA: Final = 0.02
"""Standard deviation that is assumed at least, as a share of the usual loss."""
STAYS: Final = 20
"""Steps in a row far above the usual loss that are no spike any more."""


@dataclass(frozen=True, slots=True)
class Spike:
    """A step whose loss is far above the usual one."""

    loss: float
    usual: float
    sigmas: float
    stays: bool
    """So were the last `STAYS` steps: this is no spike but divergence."""


class LossWatch:
    """Moving average and deviation of the loss; what is far above them does not enter them."""

    def __init__(self, limit_sigmas: float) -> None:
        """`limit_sigmas`: more is far; 0: nothing is."""
        self._limit = limit_sigmas or math.inf
        self.reset()

    def reset(self) -> None:
        """What was usual counts no more."""
        self._mean = self._square = 0.0
        self._steps = self._in_a_row = 0

    def saw(self, loss: float) -> Spike | None:
        """The first of several spikes in a row, and the one that makes them a divergence."""
        weight = max(1.0 - MEMORY, 1.0 / (self._steps + 1))
        if self._steps >= WARM_STEPS:
            usual = self._mean
            deviation = math.sqrt(max(0.0, self._square - usual * usual))
            sigmas = (loss - usual) / max(deviation, LEAST_SIGMA * abs(usual), 1e-9)
            if sigmas > self._limit:
                self._in_a_row += 1
                stays = self._in_a_row >= STAYS
                return Spike(loss, usual, sigmas, stays) if stays or self._in_a_row == 1 else None
        self._in_a_row = 0
        self._steps += 1
        self._mean += weight * (loss - self._mean)
        self._square += weight * (loss * loss - self._square)
        return None


class Guard:
    """Decides for one trainer; whoever runs the trainer does what it says."""

    def __init__(self, config: TrainingConfig) -> None:
        self._max_rollbacks = config.max_rollbacks
        self._attempts: deque[bool] = deque(maxlen=WINDOW)
        self._losses = LossWatch(config.spike_sigmas)
        self._rollbacks = 0

    def took(self, loss: float) -> Spike | None:
        """A step was taken, with this loss of policy and value."""
        self._attempts.append(True)
        return self._losses.saw(loss)

    def refused(self) -> Verdict:
        """A step was not finite, and not taken."""
        self._attempts.append(False)
        return "skip" if self._attempts.count(False) < REFUSED_LIMIT else self.failed()

    def failed(self) -> Verdict:
        """The present weights are not to be gone on from."""
        if self._rollbacks >= self._max_rollbacks:
            return "halt"
        self._rollbacks += 1
        self._forget()
        return "roll_back"

    def saved(self) -> None:
        """There is a new checkpoint: from here on things are well."""
        self._rollbacks = 0

    def resumed(self) -> None:
        """A person wants it to be tried again."""
        self._rollbacks = 0
        self._forget()

    def _forget(self) -> None:
        self._attempts.clear()
        self._losses.reset()
