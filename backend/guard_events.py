"""Events about what is done when training goes wrong: every intervention, with before and after."""

from typing import ClassVar, Literal

from backend.event_base import EventBase


class LossSpiked(EventBase, frozen=True, kw_only=True):
    """The loss of one step lies far above those before it; nothing is done yet."""

    worker: str
    step: int
    loss: float
    """Of policy and value together."""
    usual: float
    """Moving average of the steps before."""
    sigmas: float
    """Distance in standard deviations of the steps before."""

    level: ClassVar[Literal["warning"]] = "warning"

    @property
    def sentence(self) -> str:
        return (
            f"{self.worker}: the loss of step {self.step:,} is {self.loss:.3f}, usual are "
            f"{self.usual:.3f}: {self.sigmas:.0f} standard deviations more"
        )


class RolledBack(EventBase, frozen=True, kw_only=True):
    """The trainer has gone back to its last checkpoint and goes on with other data."""

    worker: str
    step: int
    """Optimiser steps that were taken; those after the checkpoint count no more."""
    checkpoint: str
    checkpoint_step: int
    reason: str
    rate_factor: float
    """Of the learning rate, until the next checkpoint."""

    level: ClassVar[Literal["error"]] = "error"

    @property
    def sentence(self) -> str:
        return (
            f"{self.worker}: back from step {self.step:,} to {self.checkpoint}: {self.reason}; "
            f"the learning rate is {self.rate_factor:g} times as high until the next checkpoint, "
            "and the data goes on where it was"
        )


class TrainingHalted(EventBase, frozen=True, kw_only=True):
    """Going back did not help: the trainer waits for a person, and the run is paused."""

    worker: str
    step: int
    reason: str
    evidence: str
    """Folder in quarantine/ with the batch, the weights and the state."""

    level: ClassVar[Literal["error"]] = "error"

    @property
    def sentence(self) -> str:
        return (
            f"{self.worker}: stopped at step {self.step:,}: {self.reason}; batch, weights and "
            f"state are in quarantine/{self.evidence}; the run is paused, resume it to try again"
        )
