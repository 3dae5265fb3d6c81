"""Events about what a person changes in a run at work, and about numbers that are none."""

from backend.event_base import EventBase


class NonFinite(EventBase, frozen=True, kw_only=True):
    """A loss, a gradient or a network's output was NaN or infinite; nothing was changed by it."""

    worker: str
    step: int
    """Of the step that was not taken; 0 where it was no step."""
    values: dict[str, str]
    """What was not finite, each with `nan`, `inf` or `-inf`: policy_loss, grad_norm, output, …
    and, as `gradient of <parameter>`, the first weights whose gradients were not."""

    @property
    def sentence(self) -> str:
        """For a person."""
        listed = ", ".join(f"{name} {value}" for name, value in self.values.items())
        when = f"at step {self.step:,} " if self.step else ""
        return f"{self.worker}: not finite {when}({listed})"


class WorkerHeld(EventBase, frozen=True, kw_only=True):
    """A person has paused one worker, or lets it go on."""

    worker: str
    held: bool
    by: str
    """Who asked: the program and its process."""


class WorkerRetired(EventBase, frozen=True, kw_only=True):
    """It has ended for good: the run wants fewer workers. Its finished games are kept."""

    worker: str


class SettingChanged(EventBase, frozen=True, kw_only=True):
    """A setting has another value from now on, in config.toml too."""

    name: str
    """table.key"""
    old: str
    new: str
    """Both as in config.toml."""
    by: str
    """Who asked: the program and its process."""
    step: int
    """Optimiser steps reported by then."""
