"""What a search may cost, and how much of a clock one move gets.

A clock gives a soft and a hard limit. At the soft one the search ends if its most visited move also
has the best value; if not, it may go on until the hard one.
"""

import math
from dataclasses import dataclass
from typing import Final

_HORIZON: Final = 30
"""Moves that a clock must last for when nobody says how many."""
_INCREMENT_FRAC: Final = 0.8
_MOST_FRAC: Final = 0.5
"""Of the time left, for one move."""
_LAST_FRAC: Final = 0.8
"""The same for the last move before the next time control."""
_HARD_FACTOR: Final = 3.0
_LEAST_S: Final = 0.001


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The mover's time."""

    remaining_s: float
    """May be negative: interfaces that allow for delays do that."""
    increment_s: float = 0.0
    moves_to_go: int | None = None
    """Moves until more time is given; None: all that are left."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a search ends; without any it goes on until it is stopped."""

    nodes: int | None = None
    """Positions put into the tree in this search."""
    movetime_s: float | None = None
    clock: Clock | None = None
    depth: int | None = None
    """Mean length of the simulations, plies."""
    mate: int | None = None
    """Stop when a mate in so many moves is proven."""
    infinite: bool = False
    """Whatever else is given, until it is stopped."""
    searchmoves: tuple[str, ...] = ()
    """Moves in UCI notation that are looked at; empty: all."""

    @property
    def is_open(self) -> bool:
        """Only a stop ends the search."""
        ends = (self.nodes, self.movetime_s, self.clock, self.depth, self.mate)
        return self.infinite or all(end is None for end in ends)


@dataclass(frozen=True)
class TimePlan:
    """Seconds from the start of the search."""

    soft_s: float = math.inf
    hard_s: float = math.inf


def plan_time(limits: Limits, overhead_s: float) -> TimePlan:
    """How long to think. `overhead_s` is lost between our clock and the one that counts."""
    plans = [TimePlan()]
    if limits.movetime_s is not None:
        exact = max(_LEAST_S, limits.movetime_s - overhead_s)
        plans.append(TimePlan(exact, exact))
    if limits.clock is not None:
        plans.append(_share_of(limits.clock, overhead_s))
    return TimePlan(min(p.soft_s for p in plans), min(p.hard_s for p in plans))


def _share_of(clock: Clock, overhead_s: float) -> TimePlan:
    usable = max(0.0, clock.remaining_s - overhead_s)
    horizon = max(1, min(_HORIZON, clock.moves_to_go or _HORIZON))
    most = usable * (_LAST_FRAC if clock.moves_to_go == 1 else _MOST_FRAC)
    soft = min(most, usable / horizon + _INCREMENT_FRAC * clock.increment_s)
    return TimePlan(max(_LEAST_S, soft), max(_LEAST_S, min(most, _HARD_FACTOR * soft)))
