"""How long a run will still take, from what it took so far. Pure functions of the state."""

from typing import Final

from backend.state import RunState

MIN_SHARE: Final = 0.05
"""Below this share of a first cycle, a forecast would be a guess."""
NUM_CYCLES: Final = 3
"""The last cycles are averaged: later ones resemble the next one most."""


def cycle_progress(state: RunState) -> float:
    """Share of the present cycle's steps that are made (0 to 1)."""
    if not state.steps_per_cycle:
        return 0.0
    made = state.step - state.cycle_start_step
    return min(1.0, max(0.0, made / state.steps_per_cycle))


def cycle_seconds(state: RunState) -> float | None:
    """Expected length of a cycle; None when it is too early to say."""
    done = [cycle.seconds for cycle in state.cycles_done[-NUM_CYCLES:]]
    if done:
        return sum(done) / len(done)
    share = cycle_progress(state)
    if share < MIN_SHARE:
        return None
    return max(0.0, state.now - state.cycle_started_at) / share


def seconds_left(state: RunState) -> float | None:
    """Until the last cycle that was asked for; None without such, or when too early to say."""
    length = cycle_seconds(state)
    if not state.cycles or length is None:
        return None
    elapsed = max(0.0, state.now - state.cycle_started_at)
    remaining = state.cycles - state.cycle
    return max(0.0, remaining * length - min(elapsed, length)) if remaining > 0 else 0.0


def duration(seconds: float | None) -> str:
    """8 s, 3 min, 2 h 05 min, 4 d 3 h; a dash for None."""
    if seconds is None:
        return "—"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
