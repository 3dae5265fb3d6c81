"""The curves of a run from its database."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from backend.event_base import EventBase
from backend.store.schema import VERSION_1
from tui.history import History

NAMES = ("policy_loss",)


class Database:
    """A run's database that the test writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        for statement in VERSION_1:
            self._connection.execute(statement)

    def points(self, steps: range, value: float) -> None:
        rows = [("policy_loss", step, value, 1000.0 + step) for step in steps]
        self._connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", rows)

    def forget_after(self, step: int) -> None:
        self._connection.execute("DELETE FROM metrics WHERE step > ?", (step,))

    def shard(self, name: str, games: int, at: float) -> None:
        self._connection.execute(
            "INSERT INTO shards (name, sha256, state, games, positions, truncated, white_wins,"
            " draws, black_wins, plies, at) VALUES (?, '', 'admitted', ?, 0, 0, 0, 0, 0, 0, ?)",
            (name, games, at),
        )

    def games(self, shard: str, games: list[tuple[str, int, int, int]]) -> None:
        self.shard(shard, len(games), 0.0)
        (seq,) = self._connection.execute("SELECT max(seq) FROM shards").fetchone()
        rows = [(id, seq, *facts) for id, *facts in games]
        self._connection.executemany("INSERT INTO games VALUES (?, ?, ?, ?, ?)", rows)

    def events(self, *events: EventBase) -> None:
        rows = [(e.at, type(e).__name__, msgspec.json.encode(e).decode()) for e in events]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO events (at, kind, body) VALUES (?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "matrix0.db")
    yield made
    made.close()


def test_without_a_database_there_is_no_history(tmp_path: Path) -> None:
    history = History(tmp_path / "matrix0.db")
    assert not history.take(history.read(NAMES))
    assert history.is_empty
    (tmp_path / "matrix0.db").write_bytes(b"")
    assert not history.take(history.read(NAMES))


def test_only_what_is_new_is_read_again(database: Database) -> None:
    database.points(range(10, 110, 10), 2.0)
    history = History(database.path)
    assert history.take(history.read(NAMES))
    assert not history.take(history.read(NAMES))
    database.points(range(110, 130, 10), 3.0)
    found = history.read(NAMES)
    assert found is not None
    assert found.tracks["policy_loss"][0].steps.tolist() == [110.0, 120.0]
    assert history.take(found)
    track = history.track("policy_loss")
    assert track is not None
    assert track.steps.tolist() == list(range(10, 130, 10))
    assert track.series.values.tolist() == [2.0] * 10 + [3.0] * 2


def test_steps_that_the_trainer_takes_again_replace_those_of_before(database: Database) -> None:
    history = History(database.path)
    database.points(range(10, 110, 10), 2.0)
    history.follow(100)
    history.take(history.read(NAMES))
    stale = history.read(NAMES)
    database.forget_after(50)
    history.follow(60)
    assert not history.take(stale)
    database.points(range(60, 130, 10), 1.0)
    assert history.take(history.read(NAMES))
    track = history.track("policy_loss")
    assert track is not None
    assert track.steps.tolist() == list(range(10, 130, 10))
    assert track.series.values[6:].tolist() == [1.0] * 6


def test_a_step_is_placed_on_the_time_and_on_the_games_of_its_reading(database: Database) -> None:
    database.points(range(0, 110, 10), 2.0)
    database.shard("a", 8, 1020.0)
    database.shard("b", 4, 1060.0)
    history = History(database.path)
    history.take(history.read(NAMES))
    steps = np.array([20.0, 60.0])
    assert history.placed(steps, "step", "time").tolist() == [1020.0, 1060.0]
    assert history.placed(steps, "step", "games").tolist() == [8.0, 12.0]
    assert history.placed(np.array([1030.0]), "time", "step").tolist() == [30.0]
