"""The run's database: one connection, one writer, every row derivable from files and journal.

Only the holder of the run's lock opens it for writing; everybody else reads (`reading.py`). Rows
are an index of what the files say, so a lost row is found again at the next start, and a lost
database is made anew (`backend/recovery.py`).
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import aiosqlite
import msgspec

from backend.commit import NotCommittedError
from backend.curves import Curve, stride_of
from backend.disk import writing_to
from backend.errors import Matrix0Error, RunDirectoryError
from backend.events import (
    CheckpointSaved,
    CycleFinished,
    Event,
    GateDecided,
    MatchFinished,
    PauseChanged,
    Promoted,
    ShardAdmitted,
    TrainingStep,
)
from backend.store import seal
from backend.store.facts import counts, insert, one, put
from backend.store.journal import Fact
from backend.store.migration import migrate
from backend.store.rows import GameRow, ShardRow

PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA fullfsync = 1",
    "PRAGMA checkpoint_fullfsync = 1",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)
SEAL_AFTER: Final = 256
"""So many transactions stay in the write-ahead log before they move into the sealed main file."""
MAX_EVENTS: Final = 100_000
"""Older rows of the event log are removed at start."""


_THINNED: Final = (
    "SELECT CAST(step AS REAL), value FROM (SELECT step, value, row_number() OVER (ORDER BY step)"
    " AS place FROM metrics WHERE name = ?) WHERE (place - 1) % ? = 0 ORDER BY step"
)
"""Every so many points of a curve, from its first on."""

_T = TypeVar("_T")


class DamagedDatabaseError(Matrix0Error):
    """The file is not a sound database; it is set aside and made anew."""


class Store:
    """Use `await Store.open(path)` and `await store.close()`. Any task may await its methods."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._db = connection
        self._path = path
        self._writing = asyncio.Lock()
        self._unsealed = 0
        """Transactions since the main file was sealed."""

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Opens or creates the database at the newest version.

        Raises DamagedDatabaseError when it is unsound, RunDirectoryError when it is too new for us.
        """
        is_sealed = await asyncio.to_thread(seal.fits, path)
        if is_sealed is False:
            raise DamagedDatabaseError(f"{path}: not what Matrix0 has last written")
        connection = await aiosqlite.connect(path, isolation_level=None)
        try:
            for pragma in PRAGMAS:
                await connection.execute(pragma)
            # The seal vouches for the main file, which is then a page away from the newest state.
            check = "quick_check(1)" if is_sealed else "integrity_check(1)"
            verdict = await one(connection, f"PRAGMA {check}")
            if verdict != "ok":
                raise DamagedDatabaseError(f"{path}: {verdict}")
            await migrate(connection, path)
            await connection.execute(
                "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", (MAX_EVENTS,)
            )
        except sqlite3.DatabaseError as error:
            await connection.close()
            if isinstance(error, sqlite3.OperationalError):
                hint = "; another program holds it" if "locked" in str(error) else ""
                raise RunDirectoryError(f"{path}: {error}{hint}") from error
            raise DamagedDatabaseError(f"{path}: {error}") from error
        except Matrix0Error:
            await connection.close()
            raise
        store = cls(connection, path)
        if not is_sealed:
            await store.seal()
        return store

    async def close(self) -> None:
        """Seals what is there; without room for that it stays in the write-ahead log."""
        try:
            with contextlib.suppress(RunDirectoryError, NotCommittedError):
                await self.seal()
        finally:
            await self._db.close()

    @property
    def is_sealing_due(self) -> bool:
        return self._unsealed >= SEAL_AFTER

    async def seal(self) -> None:
        """Moves the write-ahead log into the main file, as far as readers allow, and seals it.

        RunDirectoryError or an error of the commit when the disk takes it no more.
        """
        async with self._writing:
            with writing_to(self._path):
                await asyncio.to_thread(seal.break_seal, self._path)
                await self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                await asyncio.to_thread(seal.set_seal, self._path)
            self._unsealed = 0

    # Facts ----------------------------------------------------------------------------------------

    async def admit(
        self, shard: ShardAdmitted, sha256: str, games: Sequence[GameRow], pgn_bytes: int
    ) -> bool:
        """Counts a shard and its games, once; False when it had been counted before."""
        async with self._transaction():
            cursor = await self._db.execute(
                "INSERT INTO shards (name, sha256, state, games, positions, truncated, white_wins,"
                " draws, black_wins, plies, at) VALUES (?, ?, 'admitted', ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (name) DO NOTHING",
                (shard.name, sha256, *counts(shard), shard.at),
            )
            if cursor.rowcount == 0:
                return False
            seq = cursor.lastrowid
            await self._db.executemany(
                "INSERT INTO games (id, shard, result, outcome, plies) VALUES (?, ?, ?, ?, ?)",
                [(game.id, seq, game.result, game.outcome, game.plies) for game in games],
            )
            await put(self._db, "pgn_bytes", str(pgn_bytes))
        return True

    async def reject(self, name: str, reason: str, at: float) -> None:
        async with self._transaction():
            await self._db.execute(
                "INSERT INTO shards (name, sha256, state, games, positions, truncated, white_wins,"
                " draws, black_wins, plies, at, reason)"
                " VALUES (?, '', 'rejected', 0, 0, 0, 0, 0, 0, 0, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET state = 'rejected', reason = excluded.reason",
                (name, at, reason),
            )

    async def set_shard_state(self, names: Iterable[str], state: str) -> None:
        async with self._transaction():
            await self._db.executemany(
                "UPDATE shards SET state = ? WHERE name = ?", [(state, name) for name in names]
            )

    async def set_checkpoint_state(self, name: str, state: str) -> None:
        async with self._transaction():
            await self._db.execute("UPDATE checkpoints SET state = ? WHERE name = ?", (state, name))

    async def record(self, fact: Fact) -> None:
        """Makes the row of a checkpoint, match, decision, promotion or cycle; twice is once."""
        await self.record_all([fact])

    async def record_all(self, facts: Iterable[Fact]) -> None:
        """The same for many, in one transaction."""
        async with self._transaction():
            await insert(self._db, facts)

    async def log(self, points: Sequence[TrainingStep], events: Sequence[Event]) -> None:
        """One transaction for a batch of curve points and of events for the log."""
        rows = [
            (name, point.step, value, point.at)
            for point in points
            for name, value in point.metrics.items()
        ]
        lines = [(e.at, type(e).__name__, msgspec.json.encode(e).decode()) for e in events]
        async with self._transaction():
            await self._db.executemany(
                "INSERT OR REPLACE INTO metrics (name, step, value, at) VALUES (?, ?, ?, ?)", rows
            )
            await self._db.executemany(
                "INSERT INTO events (at, kind, body) VALUES (?, ?, ?)", lines
            )

    async def forget_metrics_after(self, step: int) -> None:
        """Removes the points of steps that were lost with the trainer and will be taken again."""
        async with self._transaction():
            await self._db.execute("DELETE FROM metrics WHERE step > ?", (step,))

    # Questions ------------------------------------------------------------------------------------

    async def best(self) -> str:
        """Name of the best network; empty before the first promotion."""
        return await self._get("best", "")

    async def pgn_bytes(self) -> int | None:
        """Length of games/selfplay.pgn that rows vouch for; None in a database just made."""
        text = await self._get("pgn_bytes", "")
        return int(text) if text else None

    async def set_pgn_bytes(self, length: int) -> None:
        async with self._transaction():
            await put(self._db, "pgn_bytes", str(length))

    async def shards(self) -> list[ShardRow]:
        """All that were ever seen, in the order of admission."""
        rows = await self._db.execute_fetchall(
            "SELECT seq, name, sha256, state, positions FROM shards ORDER BY seq"
        )
        return [
            ShardRow(seq=seq, name=name, sha256=sha256, state=state, positions=positions)
            for seq, name, sha256, state, positions in rows
        ]

    async def admissions(self, names: Iterable[str] | None = None) -> list[ShardAdmitted]:
        """The admission of every shard that was ever admitted, or of the named ones."""
        # Games of a shard that was damaged later were played all the same, and are in the PGN file.
        rows = await self._db.execute_fetchall(
            "SELECT name, games, positions, truncated, white_wins, draws, black_wins, plies, at"
            " FROM shards WHERE state <> 'rejected' OR games > 0 ORDER BY seq"
        )
        wanted = None if names is None else frozenset(names)
        return [
            ShardAdmitted(
                name=name,
                games=games,
                positions=positions,
                truncated=truncated,
                white_wins=white_wins,
                draws=draws,
                black_wins=black_wins,
                plies=plies,
                at=at,
            )
            for name, games, positions, truncated, white_wins, draws, black_wins, plies, at in rows
            if wanted is None or name in wanted
        ]

    async def checkpoint_states(self) -> dict[str, str]:
        return dict(await self._pairs("SELECT name, state FROM checkpoints"))

    async def checkpoints(self) -> list[CheckpointSaved]:
        """Those whose directory is there, oldest first."""
        return await self._bodies(
            "SELECT body FROM checkpoints WHERE state = 'present' ORDER BY step", CheckpointSaved
        )

    async def matches(self) -> list[MatchFinished]:
        return await self._bodies("SELECT body FROM matches ORDER BY at", MatchFinished)

    async def decisions(self) -> list[GateDecided]:
        return await self._bodies("SELECT body FROM decisions ORDER BY cycle", GateDecided)

    async def promotions(self) -> list[Promoted]:
        return await self._bodies("SELECT body FROM promotions ORDER BY seq", Promoted)

    async def cycles(self) -> list[CycleFinished]:
        return await self._bodies("SELECT body FROM cycles ORDER BY cycle", CycleFinished)

    async def curves(self) -> list[Curve]:
        """All curves in the order in which they began, each with as many points as are shown.

        The database thins them: of a long run they are millions of readings.
        """
        query = (
            "SELECT name, count(*), max(step) FROM metrics GROUP BY name ORDER BY min(step), name"
        )
        found = []
        for name, seen, last_step in await self._db.execute_fetchall(query):
            points = await self._db.execute_fetchall(_THINNED, (name, stride_of(seen)))
            found.append(Curve(name, tuple((x, y) for x, y in points), seen, last_step))
        return found

    async def seconds_at_work(self, since: float) -> float:
        """How long the run worked after `since`: not while it was paused, nor between two starts.

        An end by force leaves no mark, so a start ends with the last event before the next one.
        """
        rows = await self._db.execute_fetchall(
            "SELECT at, kind, CASE kind WHEN 'PauseChanged' THEN body END FROM events"
            " WHERE at >= ? ORDER BY seq",
            (since,),
        )
        seconds, before, is_paused, has_stopped = 0.0, 0.0, False, False
        for at, kind, body in rows:
            if kind == "RunStarted":
                is_paused = has_stopped = False
            elif before and not is_paused and not has_stopped:
                seconds += max(0.0, at - before)
            has_stopped |= kind == "RunStopped"  # Matches by hand may follow, hours later.
            before = max(before, at)
            if body is not None:
                is_paused = msgspec.json.decode(body, type=PauseChanged).paused
        return seconds

    # Within a transaction -------------------------------------------------------------------------

    async def _get(self, key: str, default: str) -> str:
        value = await one(self._db, "SELECT value FROM meta WHERE key = ?", key)
        return default if value is None else str(value)

    async def _pairs(self, query: str) -> list[tuple[str, str]]:
        return [(left, right) for left, right in await self._db.execute_fetchall(query)]

    async def _bodies(self, query: str, kind: type[_T]) -> list[_T]:
        rows = await self._db.execute_fetchall(query)
        return [msgspec.json.decode(body, type=kind) for (body,) in rows]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """All or nothing; RunDirectoryError when the disk takes it no more."""
        async with self._writing:
            with writing_to(self._path):
                try:
                    await self._db.execute("BEGIN IMMEDIATE")
                    yield
                    await self._db.execute("COMMIT")
                except BaseException:
                    # Whoever is cancelled does not know how far SQLite's thread has come, and on a
                    # full disk SQLite ends some by itself: then there is nothing to roll back.
                    with contextlib.suppress(sqlite3.OperationalError):
                        await self._db.execute("ROLLBACK")
                    raise
            self._unsealed += 1
