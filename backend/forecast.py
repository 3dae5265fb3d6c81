"""How far a run is and when it will be done; every front shows this. Pure functions of the state.

A cycle is its steps, up to the candidate's, and then the candidate's matches. The trainer does not
wait for the matches: it makes steps of the next cycle meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from backend.state import RunState

MIN_STEPS_FRAC: Final = 0.05
"""Below this share of a first cycle's steps, a forecast would be a guess."""
MIN_GAMES_FRAC: Final = 0.5
"""Games are played side by side and end late: before this share of them, their pace misleads."""
MEMORY_S: Final = 600.0
"""A forecast of the memory looks back so far, and needs half of it."""
MEMORY_AHEAD_S: Final = 24 * 3600.0
"""It is not given for later."""
NUM_CYCLES: Final = 5
"""The next cycle will take the median of so many last ones."""


@dataclass(frozen=True)
class Progress:
    step: int
    target: int
    """The step of the last candidate that was asked for, or of the next one if the run has no end;
    0 when it is not known or has been passed."""
    frac: float
    """Done, 0 to 1: of the whole run, else of the cycle's steps, else of the match."""
    evaluation: str
    """What its candidate is at, once the cycle's steps are done; empty before."""
    eta_s: float | None
    """Seconds to the end of the run or, if it has none, of the cycle; None when nobody can say.

    In a first cycle it ends with the steps: how long its matches take is seen when they begin."""
    whole_run: bool


def progress(state: RunState, now: float) -> Progress:
    """`now` is the wall clock."""
    whole_run = state.cycles > 0
    to_go = max(0, state.cycles - state.cycle)
    target = candidate_step(state) + max(0, to_go - 1) * state.steps_per_cycle
    if not state.steps_per_cycle or state.step > target:
        target = 0
    frac = steps_frac(state)
    if whole_run:
        # The steps may be done while the last match is still being played.
        frac = min(1 - (to_go - frac) / state.cycles, 0.99) if to_go else 1.0
    elif is_evaluating(state):
        frac = state.match.played / state.match.games if state.match else 0.0
    return Progress(
        step=state.step,
        target=target,
        frac=frac,
        evaluation=_evaluation(state),
        eta_s=run_left_s(state, now) if whole_run else cycle_left_s(state, now),
        whole_run=whole_run,
    )


# Steps --------------------------------------------------------------------------------------------


def candidate_step(state: RunState) -> int:
    """The step at which the running cycle's candidate is saved; 0 when it is not known."""
    return state.cycle_start_step + state.steps_per_cycle if state.steps_per_cycle else 0


def steps_frac(state: RunState) -> float:
    """Share of the running cycle's steps that are made (0 to 1)."""
    if not state.steps_per_cycle:
        return 0.0
    return min(1.0, max(0, state.step - state.cycle_start_step) / state.steps_per_cycle)


def is_evaluating(state: RunState) -> bool:
    """Whether the cycle's steps are done, so that only matches are missing."""
    return steps_frac(state) >= 1.0


def _evaluation(state: RunState) -> str:
    if not is_evaluating(state):
        return ""
    if state.match is None:
        return "evaluation waits"
    return f"evaluating {state.match.played}/{state.match.games}"


# Time ---------------------------------------------------------------------------------------------


def cycle_elapsed_s(state: RunState, now: float) -> float:
    """How long the running cycle was at work, over all starts; pauses do not count."""
    return max(0.0, _running_clock(state, now) - state.cycle_started_at)


def cycle_left_s(state: RunState, now: float) -> float | None:
    """Until the running cycle is decided; None when nobody can say."""
    elapsed_s = cycle_elapsed_s(state, now)
    usual_s = _usual_cycle_s(state)
    if usual_s is not None and elapsed_s < usual_s:
        return usual_s - elapsed_s
    if is_evaluating(state):
        return _evaluation_left_s(state, now)
    frac = steps_frac(state)
    return elapsed_s * (1 - frac) / frac if frac >= MIN_STEPS_FRAC else None


def steps_left_s(state: RunState, now: float) -> float | None:
    """Until the running cycle's steps are made, by its pace so far; None when nobody can say."""
    frac = steps_frac(state)
    if frac < MIN_STEPS_FRAC:
        return None
    # After the steps the clock runs on for the matches: then nothing is left of the steps.
    return cycle_elapsed_s(state, now) * (1 - frac) / frac


def match_left_s(state: RunState, now: float) -> float | None:
    """Until all games of the running match are played; a test may end it earlier."""
    match = state.match
    if match is None or match.played < MIN_GAMES_FRAC * match.games:
        return None
    seconds = max(0.0, _running_clock(state, now) - match.started_at)
    return seconds / match.played * (match.games - match.played)


def run_left_s(state: RunState, now: float) -> float | None:
    """Until the last cycle that was asked for is decided; None when nobody can say."""
    to_go = state.cycles - state.cycle
    if to_go <= 0:
        return 0.0
    left_s = cycle_left_s(state, now)
    if left_s is None:
        return None
    usual_s = _usual_cycle_s(state)
    return left_s + (to_go - 1) * (usual_s or cycle_elapsed_s(state, now) + left_s)


def _usual_cycle_s(state: RunState) -> float | None:
    seconds = [cycle.seconds for cycle in state.cycles_done[-NUM_CYCLES:]]
    return median(seconds) if seconds else None


def _evaluation_left_s(state: RunState, now: float) -> float | None:
    """From the pace of the candidate's games; None before there is one."""
    match = state.match
    if match is None or not state.evaluation_games:
        return None
    ended = [m for m in state.matches if m.candidate == match.candidate]
    games = match.played + sum(m.played for m in ended)
    if games < MIN_GAMES_FRAC * state.evaluation_games:
        return None
    seconds = sum(m.finished.seconds for m in ended if m.finished)
    seconds += max(0.0, _running_clock(state, now) - match.started_at)
    # A match that its test ended early has no games left.
    settled = match.played + sum(m.games for m in ended)
    left = max(state.evaluation_games - settled, match.games - match.played)
    return seconds / games * left


def _running_clock(state: RunState, now: float) -> float:
    return now if state.paused_at is None else state.paused_at


def memory_full_s(state: RunState) -> float | None:
    """Seconds until the device's memory is full at the pace of the last minutes.

    None without a limit, where it does not grow, and where nobody can say. It grows when it does so
    from the first to the second third of these minutes and on to the last: medians, of which the
    lesser counts, so that neither a peak nor one step up is taken for growth.
    """
    if not state.memory_total_mib or not state.memory:
        return None
    newest, used_mib = state.memory[-1]
    recent = [point for point in state.memory if point[0] >= newest - MEMORY_S]
    if newest - recent[0][0] < MEMORY_S / 2:
        return None
    third = len(recent) // 3
    parts = (recent[:third], recent[third : 2 * third], recent[-third:])
    pace = min(_pace(a, b) for a, b in pairwise(parts)) if third else 0.0
    if pace <= 0:
        return None
    left_s = max(0.0, state.memory_total_mib - used_mib) / pace
    return left_s if left_s <= MEMORY_AHEAD_S else None


def _pace(before: Sequence[tuple[float, float]], after: Sequence[tuple[float, float]]) -> float:
    """MiB a second from one part to the next."""
    (a, early), (b, late) = (
        (median(at for at, _ in part), median(mib for _, mib in part)) for part in (before, after)
    )
    return (late - early) / (b - a)
