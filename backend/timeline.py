"""The past of a run as its database tells it: every event and every point of its curves, in order.

Facts are kept whole, telemetry only as curves: what a replay cannot show was never written down
(heartbeats, boards, progress of matches). The event log holds the newest 100,000 rows; older ones
are told by the tables of checkpoints, matches, decisions, promotions, cycles and shards alone.
"""

import sqlite3
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, cast

import msgspec
import numpy as np

from backend.events import (
    EVENT_TYPES,
    CheckpointRetired,
    CheckpointSaved,
    CycleFinished,
    Event,
    EventBase,
    GateDecided,
    MatchFinished,
    Promoted,
    RunStarted,
    ShardAdmitted,
    TrainingStep,
)
from backend.fold import fold
from backend.state import RunState
from backend.store.reading import Floats, read_only

_KINDS: Final[dict[str, type[EventBase]]] = {kind.__name__: kind for kind in EVENT_TYPES}
_RECORDS: Final[dict[str, type[EventBase]]] = {
    "checkpoints": CheckpointSaved,
    "matches": MatchFinished,
    "decisions": GateDecided,
    "promotions": Promoted,
    "cycles": CycleFinished,
}
"""Tables whose rows are events; some were never in the log, as those of commands by hand."""


@dataclass(frozen=True)
class Timeline:
    events: tuple[Event, ...]
    at: Floats
    """Wall clock of each; never falling."""
    unread: int = 0
    """Rows of an earlier version that could not be understood."""

    @property
    def start(self) -> float:
        return float(self.at[0]) if self.at.size else 0.0

    @property
    def end(self) -> float:
        return float(self.at[-1]) if self.at.size else 0.0

    def number_until(self, at: float) -> int:
        """How many events have happened by then."""
        return int(np.searchsorted(self.at, at, side="right"))


def read_timeline(database: Path) -> Timeline:
    """Raises RunDirectoryError or sqlite3.Error when the database is missing or cannot be read."""
    with read_only(database) as connection:
        logged, unread = _logged(connection)
        recorded, more = _recorded(connection, {(type(e).__name__, e.at) for e in logged})
        points = _points(connection)
    streams = [logged, recorded, points]
    times = [
        np.maximum.accumulate(np.array([e.at for e in stream], np.float64)) for stream in streams
    ]
    events = [event for stream in streams for event in stream]
    at = np.concatenate(times)
    order = np.argsort(at, kind="stable")
    return Timeline(tuple(events[i] for i in order.tolist()), at[order], unread + more)


def _logged(connection: sqlite3.Connection) -> tuple[list[Event], int]:
    found: list[Event] = []
    unread = 0
    for kind, body in connection.execute("SELECT kind, body FROM events ORDER BY seq"):
        event = _decoded(body, _KINDS.get(kind))
        if event is None:
            unread += 1
        else:
            found.append(event)
    return found, unread


def _recorded(
    connection: sqlite3.Connection, known: set[tuple[str, float]]
) -> tuple[list[Event], int]:
    """Facts of the tables that the log does not have."""
    found: list[Event] = []
    unread = 0
    for table, kind in _RECORDS.items():
        for (body,) in connection.execute(f"SELECT body FROM {table}"):
            event = _decoded(body, kind)
            if event is None:
                unread += 1
            elif (kind.__name__, event.at) not in known:
                found.append(event)
    rows = connection.execute(
        "SELECT name, games, positions, truncated, white_wins, draws, black_wins, plies, at"
        " FROM shards WHERE state <> 'rejected' OR games > 0"
    )
    for name, *counts, at in rows:
        if (ShardAdmitted.__name__, at) not in known:
            fields = ("games", "positions", "truncated", "white_wins", "draws", "black_wins")
            numbers = dict(zip((*fields, "plies"), counts, strict=True))
            found.append(ShardAdmitted(name=name, at=at, **numbers))
    return sorted(found, key=lambda event: event.at), unread


def _points(connection: sqlite3.Connection) -> list[Event]:
    rows = connection.execute("SELECT at, step, name, value FROM metrics ORDER BY at, step")
    return [
        TrainingStep(at=at, step=step, metrics={name: value for _, _, name, value in group})
        for (at, step), group in groupby(rows, key=lambda row: row[:2])
    ]


def _decoded(body: str, kind: type[EventBase] | None) -> Event | None:
    if kind is None:
        return None
    try:
        return cast(Event, msgspec.json.decode(body, type=kind))
    except msgspec.MsgspecError:
        return None


class Retelling:
    """The states of a run, one event after the other, forwards and backwards.

    A state is exactly what the run's supervisor had, as far as the database keeps what it was made
    of: a later start begins from what the run had recorded, as `backend/recovery.py` does.
    """

    MOST_KEPT: Final = 64
    """States that are kept to go back to: one of a long run has a megabyte of curves."""

    def __init__(self, timeline: Timeline, first: RunState) -> None:
        self.timeline = timeline
        self.state = first
        self.number = 0
        """Events that `state` is made of."""
        self.every = 512
        """Events between two states that are kept; doubled when there are too many of them."""
        self._kept = [(0, first)]
        self._first = first

    def go(self, number: int, most: int) -> bool:
        """Towards the state after `number` events by folding at most `most`; whether it is there.

        Backwards it begins from the last state that was kept before.
        """
        if number < self.number:
            self.number, self.state = max(
                (kept for kept in self._kept if kept[0] <= number), key=lambda kept: kept[0]
            )
        for _ in range(min(most, number - self.number)):
            event = self.timeline.events[self.number]
            if isinstance(event, RunStarted) and self.number:
                self.state = self._as_found()
            self.state = fold(self.state, event)
            self.number += 1
            if self.number >= self._kept[-1][0] + self.every:
                self._kept.append((self.number, self.state))
                if len(self._kept) > self.MOST_KEPT:
                    self._kept, self.every = self._kept[::2], 2 * self.every
        return self.number == number

    def _as_found(self) -> RunState:
        """What a start finds on disk of the events so far."""
        saved: dict[str, Event] = {}
        admissions: list[Event] = []
        points: list[TrainingStep] = []
        facts: list[Event] = []
        for event in self.timeline.events[: self.number]:
            match event:
                case CheckpointSaved():
                    saved[event.name] = event
                case CheckpointRetired():
                    saved.pop(event.name, None)
                case ShardAdmitted():
                    admissions.append(event)
                case TrainingStep():
                    points.append(event)
                case MatchFinished() | GateDecided() | Promoted() | CycleFinished():
                    facts.append(event)
        newest = max((e.step for e in saved.values() if isinstance(e, CheckpointSaved)), default=0)
        kept = [point for point in points if point.step <= newest]
        kept.sort(key=lambda point: point.step)
        state = self._first
        facts = sorted([*saved.values(), *facts], key=lambda event: event.at)
        for event in (*admissions, *kept, *facts):
            state = fold(state, event)
        return state
