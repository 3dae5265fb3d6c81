"""Reading a run's database from other processes: short questions, never a write.

A read-only connection cannot checkpoint the write-ahead log, so the supervisor stays the only
writer. Open, ask, close: a reader that keeps a snapshot open lets the log grow.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from backend.errors import RunDirectoryError
from backend.events import EVENT_TYPES, CycleFinished, Event, EventBase, MatchFinished

Floats = NDArray[np.float64]
_KINDS: Final[dict[str, type[EventBase]]] = {kind.__name__: kind for kind in EVENT_TYPES}


@contextmanager
def read_only(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Raises RunDirectoryError when there is no database."""
    try:
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
    except sqlite3.OperationalError as error:
        raise RunDirectoryError(f"{database}: {error}") from error
    with closing(connection):
        yield connection


@dataclass(frozen=True)
class Admitted:
    """What may be trained on, all of it as of one instant."""

    shards: list[str]
    """File names of the shards whose files are there, oldest first."""
    positions: int
    """Admitted over the whole run, also with shards that have left the window since."""


def admitted(database: Path) -> Admitted:
    """The shards that count now; of a later one its reader is told."""
    with read_only(database) as connection:
        # One statement sees one instant: between two, a shard could be admitted and count twice.
        rows = connection.execute("SELECT name, state, positions FROM shards ORDER BY seq")
        shards, total = [], 0
        for name, state, positions in rows:
            total += positions
            if state == "admitted":
                shards.append(name)
    return Admitted(shards, total)


def best_network(database: Path) -> str:
    """Name of the best checkpoint; empty before the first."""
    with read_only(database) as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'best'").fetchone()
        return "" if row is None else str(row[0])


def curve(database: Path, name: str) -> list[tuple[int, float]]:
    """(step, value) of one metric, by step."""
    with read_only(database) as connection:
        query = "SELECT step, value FROM metrics WHERE name = ? ORDER BY step"
        return [(step, value) for step, value in connection.execute(query, (name,))]


class Reading(NamedTuple):
    """A point of a curve."""

    name: str
    step: int
    value: float
    at: float
    """Seconds since 1970."""


def readings(database: Path) -> list[Reading]:
    """Every point of every curve, by name and step."""
    with read_only(database) as connection:
        query = "SELECT name, step, value, at FROM metrics ORDER BY name, step"
        return [Reading(*row) for row in connection.execute(query)]


class Points(NamedTuple):
    """Readings of one metric, by step."""

    steps: Floats
    values: Floats
    at: Floats
    """Wall clock, seconds since 1970."""


def points(database: Path, name: str, after: int = -1, until: float = np.inf) -> Points:
    """All readings of one metric of steps beyond `after`, made until then."""
    with read_only(database) as connection:
        query = (
            "SELECT step, value, at FROM metrics WHERE name = ? AND step > ? AND at <= ?"
            " ORDER BY step"
        )
        rows = connection.execute(query, (name, after, until)).fetchall()
    table = np.fromiter(chain.from_iterable(rows), np.float64, 3 * len(rows)).reshape(-1, 3)
    return Points(*np.ascontiguousarray(table.T))


def games_so_far(database: Path) -> tuple[Floats, Floats]:
    """(wall clock, games admitted until then) at every admission, in the order of time."""
    with read_only(database) as connection:
        query = "SELECT at, games FROM shards WHERE state <> 'rejected' OR games > 0 ORDER BY at"
        rows = connection.execute(query).fetchall()
    table = np.array(rows, np.float64).reshape(-1, 2)
    return table[:, 0], np.cumsum(table[:, 1])


def events_after(database: Path, seq: int, limit: int) -> list[tuple[int, Event]]:
    """The next `limit` events of the log table behind row `seq`, each with its row."""
    with read_only(database) as connection:
        query = "SELECT seq, kind, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = connection.execute(query, (seq, limit)).fetchall()
    known = [(row, _KINDS[kind], body) for row, kind, body in rows if kind in _KINDS]
    return [(row, cast(Event, msgspec.json.decode(body, type=kind))) for row, kind, body in known]


def recent_games(database: Path, limit: int) -> list[tuple[str, int, int, int]]:
    """(id, result, outcome, plies) of the newest admitted games of self-play, newest first."""
    with read_only(database) as connection:
        query = "SELECT id, result, outcome, plies FROM games ORDER BY shard DESC, id DESC LIMIT ?"
        return connection.execute(query, (limit,)).fetchall()


def matches(database: Path) -> list[MatchFinished]:
    """All finished matches, oldest first."""
    with read_only(database) as connection:
        rows = connection.execute("SELECT body FROM matches ORDER BY at").fetchall()
        return [msgspec.json.decode(body, type=MatchFinished) for (body,) in rows]


def cycles(database: Path) -> list[CycleFinished]:
    """All finished cycles, oldest first."""
    with read_only(database) as connection:
        rows = connection.execute("SELECT body FROM cycles ORDER BY at").fetchall()
        return [msgspec.json.decode(body, type=CycleFinished) for (body,) in rows]


class PoolRow(NamedTuple):
    """The pairs of one match."""

    player: str
    budget: str
    opponent: str
    opponent_budget: str
    results: list[int]
    """Nine counts, as in `MatchFinished.results`."""


def pool(database: Path) -> list[PoolRow]:
    """All matches whose pairs are recorded by colour; none of before version 2."""
    rows: dict[str, PoolRow] = {}
    with read_only(database) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] < 2:
            return []
        query = (
            "SELECT match, player, budget, opponent, opponent_budget, as_white, as_black, pairs"
            " FROM pairs"
        )
        for match, one, budget, other, spent, white, black, pairs in connection.execute(query):
            row = rows.setdefault(match, PoolRow(one, budget, other, spent, [0] * 9))
            row.results[3 * white + black] += pairs
    return list(rows.values())
