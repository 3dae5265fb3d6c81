"""How far the run is and when it will be done, from the state alone."""

from dataclasses import dataclass
from statistics import median

from backend.state import RunState


@dataclass(frozen=True)
class Progress:
    step: int
    target: int
    """Step at which the run ends, or the cycle if the run has no end; 0 when it is not known."""
    frac: float
    """Done, 0 to 1; of the same stretch as `target`."""
    eta_s: float | None
    """Seconds to go; None until one cycle, or two per cent of the first, have been seen."""
    whole_run: bool


def cycle_start_step(state: RunState) -> int:
    """The step at which the running cycle began."""
    return max(state.cycle_start_step, min(state.cycle * state.steps_per_cycle, state.step))


def next_evaluation(state: RunState) -> int:
    """The step at which the running cycle's candidate is saved; 0 when it is not known."""
    return cycle_start_step(state) + state.steps_per_cycle if state.steps_per_cycle else 0


def progress(state: RunState, now: float) -> Progress:
    per_cycle = state.steps_per_cycle
    if not per_cycle:
        return Progress(state.step, 0, 0.0, None, state.cycles > 0)
    begin = cycle_start_step(state)
    in_cycle = min(max(state.step - begin, 0), per_cycle) / per_cycle
    cycle_s = _cycle_seconds(state, now, in_cycle)
    if not state.cycles:
        eta_s = None if cycle_s is None else cycle_s * (1 - in_cycle)
        return Progress(state.step, begin + per_cycle, in_cycle, eta_s, False)
    left = max(state.cycles - state.cycle, 0)
    to_go = max(left - in_cycle, 0.0) if left else 0.0
    target = begin + left * per_cycle
    frac = 1 - to_go / state.cycles
    if left:
        # The steps may be done while the last match is still being played.
        frac = min(frac, 0.99)
    return Progress(state.step, target, frac, None if cycle_s is None else cycle_s * to_go, True)


def _cycle_seconds(state: RunState, now: float, in_cycle: float) -> float | None:
    """How long a cycle takes: the median of the last five, else the first one extrapolated."""
    if state.cycles_done:
        return median(c.seconds for c in state.cycles_done[-5:])
    elapsed = now - state.cycle_started_at
    if state.cycle or in_cycle < 0.02 or elapsed <= 0:
        return None
    return elapsed / in_cycle
