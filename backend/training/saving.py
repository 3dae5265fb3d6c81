"""When the trainer saves what a crash would cost."""

import time

from backend.training.config import TrainingConfig


class SaveClock:
    """Counts seconds and steps since the last checkpoint."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self.saved(0)

    def saved(self, step: int) -> None:
        """There is a checkpoint of this step now."""
        self._step = step
        self._at = time.monotonic()

    def is_due(self, step: int) -> bool:
        """Whether a crash would now cost more than checkpoint_every_s or _steps allow."""
        every_s, every_steps = self._config.checkpoint_every_s, self._config.checkpoint_every_steps
        is_late = 0 < every_s <= time.monotonic() - self._at
        return step > self._step and (is_late or 0 < every_steps <= step - self._step)
