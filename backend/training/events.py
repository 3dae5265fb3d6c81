"""Events of training that belong to its curriculum."""

from backend.event_base import EventBase


class PhaseBegan(EventBase, frozen=True, kw_only=True):
    """A phase of the curriculum: at its first step, and at each start of the trainer within it."""

    worker: str
    step: int
    """Optimiser steps taken."""
    number: int
    """From 1."""
    phases: int
    """Of the curriculum."""
    name: str
    until_step: int
    """0: it has no end."""
    mix: dict[str, float]
    """Share of each source in a batch (0 to 1)."""
    learning_rate_factor: float

    @property
    def sentence(self) -> str:
        """For a person: `phase 2 of 3: tactics, up to step 6,000: puzzles 75 %, pgn 25 %`."""
        end = f"up to step {self.until_step:,}" if self.until_step else "without an end"
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.mix.items())
        factor = self.learning_rate_factor
        rate = "" if factor == 1 else f", learning rate x{factor:g}"
        return f"phase {self.number} of {self.phases}: {self.name}, {end}: {shares}{rate}"
