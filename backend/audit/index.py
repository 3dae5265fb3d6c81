"""What the database of a run says of its files, read in short questions.

A run at work changes while it is looked at, so whoever finds a file wanting asks again for its row
before complaining: it may have left the window meanwhile.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from backend.events import CycleFinished, GateDecided, MatchFinished, Promoted
from backend.store.reading import read_only
from backend.store.schema import MIGRATIONS


class ShardRow(NamedTuple):
    sha256: str
    state: str
    games: int
    positions: int
    plies: int


class GameRow(NamedTuple):
    id: str
    result: int
    outcome: int
    plies: int


class CheckpointRow(NamedTuple):
    state: str
    sha256: str
    """Of the manifest."""
    step: int


@dataclass(frozen=True, kw_only=True)
class Index:
    """The rows as of one instant; games are asked for shard by shard."""

    shards: dict[str, ShardRow]
    checkpoints: dict[str, CheckpointRow]
    meta: dict[str, str]
    matches: dict[str, MatchFinished]
    decisions: dict[int, GateDecided]
    promotions: list[Promoted]
    cycles: dict[int, CycleFinished]

    @property
    def best(self) -> str:
        return self.meta.get("best", "")

    @property
    def pgn_bytes(self) -> int:
        return int(self.meta.get("pgn_bytes", "0"))


def faults_of_database(database: Path) -> list[str]:
    """What SQLite itself finds: a sentence each."""
    with read_only(database) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            return [
                f"version {version} was made by a newer Matrix0; this one knows versions up to "
                f"{len(MIGRATIONS)}"
            ]
        found = [f"damaged: {text}" for (text,) in connection.execute("PRAGMA integrity_check(20)")]
        if found == ["damaged: ok"]:
            found = []
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            found.append(f"row {row} of {table} refers to nothing in {parent}")
        return found


def read_index(database: Path) -> Index:
    """Raises RunDirectoryError without a database; sqlite3.DatabaseError for an unsound one."""
    with read_only(database) as db:
        db.execute("BEGIN")  # All of it as of one instant.
        shards = {
            name: ShardRow(*row)
            for name, *row in db.execute(
                "SELECT name, sha256, state, games, positions, plies FROM shards ORDER BY seq"
            )
        }
        checkpoints = {
            name: CheckpointRow(*row)
            for name, *row in db.execute(
                "SELECT name, state, coalesce(sha256, ''), coalesce(step, -1) FROM checkpoints"
            )
        }
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        matches = [
            msgspec.json.decode(body, type=MatchFinished)
            for (body,) in db.execute("SELECT body FROM matches ORDER BY at")
        ]
        decisions = [
            msgspec.json.decode(body, type=GateDecided)
            for (body,) in db.execute("SELECT body FROM decisions")
        ]
        promotions = [
            msgspec.json.decode(body, type=Promoted)
            for (body,) in db.execute("SELECT body FROM promotions ORDER BY seq")
        ]
        cycles = [
            msgspec.json.decode(body, type=CycleFinished)
            for (body,) in db.execute("SELECT body FROM cycles ORDER BY cycle")
        ]
    return Index(
        shards=shards,
        checkpoints=checkpoints,
        meta=meta,
        matches={match.match: match for match in matches},
        decisions={decision.cycle: decision for decision in decisions},
        promotions=promotions,
        cycles={cycle.cycle: cycle for cycle in cycles},
    )


def shard_state(database: Path, name: str) -> str:
    """As of now; empty without a row."""
    return _state(database, "SELECT state FROM shards WHERE name = ?", name)


def checkpoint_state(database: Path, name: str) -> str:
    return _state(database, "SELECT state FROM checkpoints WHERE name = ?", name)


def _state(database: Path, query: str, name: str) -> str:
    with read_only(database) as db:
        row = db.execute(query, (name,)).fetchone()
    return "" if row is None else str(row[0])


def games_of(database: Path, stem: str) -> list[GameRow]:
    """The rows of the games of one shard, by their number in it."""
    with read_only(database) as db:
        # Ids begin with '<stem>:', and ';' comes after ':'.
        query = "SELECT id, result, outcome, plies FROM games WHERE id >= ? AND id < ?"
        rows = [GameRow(*row) for row in db.execute(query, (f"{stem}:", f"{stem};"))]
    return sorted(rows, key=lambda row: int(row.id.rpartition(":")[2]))


Unsound = sqlite3.DatabaseError
"""What reading a damaged database raises."""
