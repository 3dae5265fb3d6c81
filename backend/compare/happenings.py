"""What happened in a run that its curves do not tell: promotions, matches lost, faults, starts."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

import msgspec
import numpy as np

from backend import events as e
from backend import wording
from backend.store.reading import Floats, read_only

Kind = Literal["best", "decision", "checkpoint", "alert", "missing", "run"]
"""missing: a step with a value that is not a number."""
NOT_TAKEN: Final = re.compile(r"step (\d+) was not taken")
"""How a trainer says that a loss or gradient was not finite."""
MAX_HAPPENINGS: Final = 400
"""The newest of a run."""
_KINDS: Final[dict[str, type[e.EventBase]]] = {
    kind.__name__: kind
    for kind in (
        e.Promoted,
        e.GateDecided,
        e.Alert,
        e.WorkerExited,
        e.WorkerGivenUp,
        e.RunStarted,
        e.RunStopped,
        e.PauseChanged,
        e.ShardRejected,
    )
}


@dataclass(frozen=True, kw_only=True)
class Happening:
    at: float
    """Wall clock, seconds since 1970."""
    step: float
    """Of the trainer then, or of the network that it is about."""
    kind: Kind
    text: str
    """One harmless line."""


def read_happenings(database: Path, steps: Floats, at: Floats) -> list[Happening]:
    """Oldest first. `steps` and `at` are readings of any curve: they say which step was when."""
    names = ", ".join(f"'{name}'" for name in _KINDS)
    with read_only(database) as connection:
        query = f"SELECT kind, body FROM events WHERE kind IN ({names}) ORDER BY seq DESC LIMIT ?"
        rows = connection.execute(query, (MAX_HAPPENINGS,)).fetchall()

    def step_at(when: float) -> float:
        return float(np.interp(when, at, steps, left=0.0)) if steps.size else 0.0

    found = []
    for kind, body in reversed(rows):
        try:
            event = msgspec.json.decode(body, type=_KINDS[kind])
        except msgspec.MsgspecError:
            continue  # Of an earlier version: its other events are still told.
        happening = _told(cast(e.Event, event), step_at)
        if happening is not None:
            found.append(happening)
    return found


def _told(event: e.Event, step_at: Callable[[float], float]) -> Happening | None:
    kind: Kind
    step = step_at(event.at)
    match event:
        case e.Promoted():
            kind, text = "best", f"{wording.network(event.name)} is the best: {event.reason}"
            step = _step_of(event.name, step)
        case e.GateDecided() if not event.promotes:
            elo = wording.elo(event.elo, event.elo_low, event.elo_high)
            kind, text = "decision", f"{wording.network(event.candidate)} {event.verdict}, {elo}"
            step = _step_of(event.candidate, step)
        case e.WorkerExited() if not event.expected:
            lost = NOT_TAKEN.search(event.reason)
            kind, text = "alert", f"{event.worker} ended with {event.code}: {event.reason}"
            if lost:
                kind, step = "missing", float(lost[1])
        case e.WorkerGivenUp():
            kind, text = "alert", f"{event.worker} given up: {event.reason}"
        case e.Alert() if event.level in ("warning", "error"):
            kind, text = "alert", event.text
        case e.ShardRejected():
            kind, text = "alert", f"shard {event.name} refused: {event.reason}"
        case e.RunStarted():
            kind, text = "run", "started"
        case e.RunStopped():
            kind, text = "run", f"stopped: {event.reason}"
        case e.PauseChanged():
            kind, text = "run", "paused" if event.paused else "resumed"
        case _:
            return None
    return Happening(at=event.at, step=step, kind=kind, text=wording.line(text))


def _step_of(name: str, otherwise: float) -> float:
    digits = name.removeprefix("step-")
    return float(digits) if digits != name and digits.isdecimal() else otherwise
