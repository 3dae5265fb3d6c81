"""What a network is shown, and when: weights of the sources, and phases that change them by step.

Settings only: the draws are made in `backend/replay/mixture.py`. Imports no torch.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from backend.ranges import require

SELF_PLAY: Final = "selfplay"
"""The source of the run's own games; all others are imported."""

_SOURCE: Final = re.compile(r"\w[\w .,()+-]{0,99}")
_RANGES: Final = {"ply": math.inf, "pieces": 32, "rating": math.inf}
"""What a phase bounds by min_… and max_…, and the most that a minimum may be."""


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """A phase of the curriculum: what is drawn, until which step."""

    name: str = ""
    """For people; empty: its number."""
    until_step: int = 0
    """Optimiser step of the run at which the next phase begins; 0, in the last alone: never."""
    mix: dict[str, float] = field(default_factory=dict)
    """Weights of the sources, as in [training.mix]; empty: those."""
    min_ply: int = 0
    """Positions before this ply of their game are left out."""
    max_ply: int = 0
    """Positions after this ply are left out; 0: none."""
    min_pieces: int = 0
    """Positions with fewer pieces, kings and pawns included, are left out."""
    max_pieces: int = 0
    """Positions with more pieces are left out; 0: none."""
    stage: Literal["any", "opening", "middlegame", "endgame"] = "any"
    """Of the game, read from the board; any: all three."""
    themes: str = ""
    """Of puzzles and test suites, with blanks between; one of them must fit. Empty: all; positions
    of which nobody knows a theme are never left out for it."""
    min_rating: int = 0
    """Games and puzzles below this rating are left out, not those whose rating nobody knows."""
    max_rating: int = 0
    """The same above this one; 0: none."""
    learning_rate_factor: float = 1.0
    """By this the scheduled learning rate is multiplied in this phase."""

    def __post_init__(self) -> None:
        require(self.until_step >= 0, "until_step", self.until_step, "must not be negative")
        check_mix(self.mix)
        for name in (f"{end}_{what}" for what in _RANGES for end in ("min", "max")):
            require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        for what, most in _RANGES.items():
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            require(low <= most, f"min_{what}", low, f"must be at most {most}")
            require(not high or low <= high, f"min_{what}", low, f"is above max_{what} = {high}")
        factor = self.learning_rate_factor
        require(factor > 0, "learning_rate_factor", factor, "must be > 0")

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves positions out."""
        ends = (getattr(self, f"{end}_{what}") for what in _RANGES for end in ("min", "max"))
        return any(ends) or self.stage != "any" or bool(self.themes)


def check_mix(mix: Mapping[str, float]) -> None:
    """ValueError unless these can be weights of sources; none at all are fine."""
    for name, weight in mix.items():
        rule = "is no name of a source"
        require(_SOURCE.fullmatch(name) is not None, "mix", name, rule)
        require(
            math.isfinite(weight) and weight >= 0, "mix", {name: weight}, "must not be negative"
        )
    require(not mix or sum(mix.values()) > 0, "mix", dict(mix), "needs a weight above 0")


def check_phases(phases: Sequence[PhaseConfig]) -> None:
    """ValueError unless each phase ends after the one before; only the last may have no end."""
    before = 0
    for number, phase in enumerate(phases, 1):
        key = f"curriculum phase {number}: until_step"
        is_last = number == len(phases)
        if phase.until_step == 0:
            require(is_last, key, 0, "means that it never ends: only the last phase may have that")
        else:
            rule = f"must be above {before}, where the phase before ends"
            require(phase.until_step > before, key, phase.until_step, rule)
        before = phase.until_step


def phase_number(phases: Sequence[PhaseConfig], step: int) -> int:
    """Index of the phase of the step after `step` steps; after the last's end still the last.

    -1 without a curriculum.
    """
    for number, phase in enumerate(phases):
        if step < phase.until_step or phase.until_step == 0:
            return number
    return len(phases) - 1


def rate_factor(phases: Sequence[PhaseConfig], step: int) -> float:
    """Of the learning rate in the step after `step` steps."""
    number = phase_number(phases, step)
    return 1.0 if number < 0 else phases[number].learning_rate_factor


def phase_name(phases: Sequence[PhaseConfig], number: int) -> str:
    """What people call it."""
    return phases[number].name or f"phase {number + 1}"
