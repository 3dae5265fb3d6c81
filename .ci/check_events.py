"""Asserts on the JSON lines of a headless run that the loop closed and the network learned.

Reads them on stdin; one event a line, as `matrix0-tui --no-ui --json` prints them.
"""

import argparse
import sys
from collections.abc import Sequence
from statistics import fmean

import matrix0  # noqa: F401  (makes backend importable, installed or not)
from backend.events import Alert, WorkerGivenUp
from backend.fold import fold
from backend.state import RunState
from backend.wire import decode_event

ENDS_FRAC = 0.2
"""Share of a curve that stands for its beginning, and for its end."""

FALLING = ("value_loss", "piece_loss")
"""What must fall in a few hundred steps.

Not the policy loss: its targets come from searches on an untrained value head, whose noise no
network can foretell, so at first the loss is the entropy of moves at random (about 3.3 nats) and
goes up and down by chance. That the policy head learns what can be learned is held by
tests/backend/test_supervised.py and tests/search/test_learning_signal.py.
"""

BETTER_THAN_GUESSING = ("piece", "threat", "pin", "fork", "control")
"""Self-supervised tasks whose loss must end below that of always giving the base rates."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, required=True, help="cycles that must be complete")
    wanted: int = parser.parse_args().cycles
    state = RunState()
    faults: list[str] = []
    for line in sys.stdin.buffer:
        event = decode_event(line)
        state = fold(state, event)
        if isinstance(event, WorkerGivenUp) or (
            isinstance(event, Alert) and event.level == "error"
        ):
            faults.append(f"it reported: {event}")
    faults += _faults(state, wanted)
    for cycle in state.cycles_done:
        print(
            f"cycle {cycle.cycle}: step {cycle.step}, {cycle.games} games, {cycle.positions} "
            f"positions, {cycle.seconds:.0f} s, policy {cycle.policy_loss:.3f}, value "
            f"{cycle.value_loss:.3f}, piece {cycle.piece_loss:.3f}, Elo {cycle.elo:+.0f} "
            f"[{cycle.elo_low:+.0f}, {cycle.elo_high:+.0f}], {cycle.verdict}"
        )
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


def _faults(state: RunState, wanted: int) -> list[str]:
    faults = []
    if len(state.cycles_done) != wanted:
        faults.append(f"{len(state.cycles_done)} cycles are complete, not {wanted}")
    if state.exit_code != 0:
        faults.append(f"the run ended with {state.exit_code!r}: {state.stop_reason}")
    if state.totals.games == 0 or state.totals.rejected_shards:
        faults.append(f"games: {state.totals}")
    if not state.best:
        faults.append("there is no best network")
    for name in FALLING:
        begin, end = _curve(state, name)
        print(f"{name}: {begin:.3f} at the beginning, {end:.3f} at the end")
        if not end < begin:
            faults.append(f"{name} did not fall")
    for task in BETTER_THAN_GUESSING:
        _, loss = _curve(state, f"{task}_loss")
        _, guess = _curve(state, f"{task}_guess")
        print(f"{task}: {loss:.3f} at the end, guessing costs {guess:.3f}")
        if not loss < guess:
            faults.append(f"{task} is not better than guessing")
    return faults


def _curve(state: RunState, name: str) -> tuple[float, float]:
    return _ends([value for _, value in state.metrics.get(name, ())])


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Means over the first and the last few points; NaN, which fails every test, without points."""
    count = max(1, int(len(values) * ENDS_FRAC))
    if not values:
        return float("nan"), float("nan")
    return fmean(values[:count]), fmean(values[-count:])


if __name__ == "__main__":
    sys.exit(main())
