"""Facts as rows: what each table keeps of one. The caller is within a transaction."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import aiosqlite
import msgspec

from backend.events import (
    CheckpointSaved,
    CycleFinished,
    EventBase,
    GateDecided,
    MatchFinished,
    Promoted,
    ShardAdmitted,
)
from backend.store.journal import Fact
from backend.store.schema import FIELDS

_LEFT_THE_WINDOW: Final = (
    "INSERT INTO shards (name, sha256, state, games, positions, truncated,"
    " white_wins, draws, black_wins, plies, at)"
    " VALUES (?, '', 'retired', ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET state = 'retired'"
)
"""Of an admission from the journal: the shard left the window, and its file was removed."""


async def insert(db: aiosqlite.Connection, facts: Iterable[Fact]) -> None:
    """Makes their rows; twice is once.

    Shards go together, for an old run has told of hundreds of thousands: a call for each of them
    takes fifteen times as long.
    """
    shards = []
    for fact in facts:
        match fact:
            case CheckpointSaved():
                own = {"name": fact.name, "state": "present"}
                await _insert(db, "REPLACE", "checkpoints", own, fact)
            case MatchFinished():
                await _insert(db, "IGNORE", "matches", {"match": fact.match}, fact)
                await _insert_pairs(db, fact)
            case GateDecided():
                await _insert(db, "IGNORE", "decisions", {"cycle": fact.cycle}, fact)
            case CycleFinished():
                await _insert(db, "IGNORE", "cycles", {"cycle": fact.cycle}, fact)
            case Promoted():
                # One that is known is history: a damaged journal may end with an older one.
                if await _insert(db, "IGNORE", "promotions", {}, fact):
                    await put(db, "best", fact.name)
            case ShardAdmitted():
                shards.append((fact.name, *counts(fact), fact.at))
            case _:
                pass  # Orders of a person: the journal keeps them, no table needs them.
    await db.executemany(_LEFT_THE_WINDOW, shards)


async def _insert(
    db: aiosqlite.Connection,
    conflict: str,
    table: str,
    own: Mapping[str, str | int],
    fact: EventBase,
) -> bool:
    """False when it was there before and is left as it was."""
    fields = {name: getattr(fact, name) for name in FIELDS[table]}
    row = {**own, **fields, "at": fact.at, "body": msgspec.json.encode(fact).decode()}
    places = ", ".join("?" * len(row))
    cursor = await db.execute(
        f"INSERT OR {conflict} INTO {table} ({', '.join(row)}) VALUES ({places})",
        tuple(row.values()),
    )
    return cursor.rowcount > 0


async def _insert_pairs(db: aiosqlite.Connection, match: MatchFinished) -> None:
    names = (match.candidate, match.candidate_budget, match.opponent, match.opponent_budget)
    rows = [
        (match.match, *names, *divmod(kind, 3), pairs)
        for kind, pairs in enumerate(match.results)
        if pairs
    ]
    await db.executemany(
        "INSERT OR IGNORE INTO pairs (match, player, budget, opponent, opponent_budget,"
        " as_white, as_black, pairs) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


async def put(db: aiosqlite.Connection, key: str, value: str) -> None:
    """A value of the table `meta`."""
    await db.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


async def one(db: aiosqlite.Connection, query: str, *values: str) -> Any:
    """The first column of the first row; None without a row."""
    async with db.execute(query, values) as cursor:
        row = await cursor.fetchone()
    return None if row is None else row[0]


def counts(shard: ShardAdmitted) -> tuple[int, ...]:
    """As the columns of the table `shards` have them, from `games` on."""
    return (
        shard.games,
        shard.positions,
        shard.truncated,
        shard.white_wins,
        shard.draws,
        shard.black_wins,
        shard.plies,
    )
