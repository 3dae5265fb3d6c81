"""The start of a supervisor that nobody watches: until all its workers are up, or it has ended."""

import time
from collections.abc import Callable
from typing import Final

from backend.dialogue import Dialogue
from backend.errors import RunDirectoryError
from backend.rundir import RunDirectory
from backend.state import RunState

POLL_S: Final = 0.05
_BEGINNINGS: Final = frozenset({"", "starting", "loading", "compiling", "tuning"})
"""Phases of a worker that has not begun its work."""


def await_start(run: RunDirectory, ended: Callable[[], int | None]) -> RunState | None:
    """The state with all workers up, or that of a run that has stopped before or has given one up;
    None when the supervisor ended without a word. A first start compiles for a minute, so nothing
    limits this.

    `ended` gives the exit status of the supervisor's process, None while it lives.
    """
    while ended() is None:
        try:
            with Dialogue(run) as supervisor:
                return _listen(supervisor)
        except RunDirectoryError:  # It opens its socket when it is ready to, or ends.
            time.sleep(POLL_S)
    return None


def is_up(state: RunState) -> bool:
    """Whether every worker is at its work, or waits for some."""
    workers = state.workers.values()
    return bool(workers) and all(
        w.state in ("running", "paused") and w.phase not in _BEGINNINGS for w in workers
    )


def given_up(state: RunState) -> list[str]:
    """Workers that are not started again until a person wants it."""
    return [name for name, worker in state.workers.items() if worker.state == "failed"]


def _listen(supervisor: Dialogue) -> RunState:
    if not _is_decided(supervisor.state):
        for _ in supervisor.events():
            if _is_decided(supervisor.state):
                break
    return supervisor.state


def _is_decided(state: RunState) -> bool:
    return is_up(state) or state.phase == "stopped" or bool(given_up(state))
