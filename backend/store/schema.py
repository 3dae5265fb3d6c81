"""The tables of matrix0.db, and the steps that bring an older database to this version.

Where a row is the record of one event, `body` is the event itself, as in journal.jsonl, and the
other columns are its fields for whoever asks with SQL. `docs/data.md` shows the tables.
"""

from collections.abc import Mapping
from typing import Final

_ELO: Final = {"elo": "REAL", "elo_low": "REAL", "elo_high": "REAL"}

_FIELDS_1: Final[Mapping[str, Mapping[str, str]]] = {
    "checkpoints": {"step": "INTEGER", "sha256": "TEXT", "size_mib": "REAL", "reason": "TEXT"},
    "matches": {
        "candidate": "TEXT",
        "opponent": "TEXT",
        "wins": "INTEGER",
        "draws": "INTEGER",
        "losses": "INTEGER",
        "truncated": "INTEGER",
        **_ELO,
        "seconds": "REAL",
    },
    "decisions": {
        "candidate": "TEXT",
        "best": "TEXT",
        "verdict": "TEXT",
        "score": "REAL",
        **_ELO,
        "reason": "TEXT",
    },
    "promotions": {"name": "TEXT", "previous": "TEXT", "reason": "TEXT"},
    "cycles": {
        "step": "INTEGER",
        "games": "INTEGER",
        "positions": "INTEGER",
        "seconds": "REAL",
        "policy_loss": "REAL",
        "value_loss": "REAL",
        "piece_loss": "REAL",
        "verdict": "TEXT",
        **_ELO,
        "random_score": "REAL",
        "greedy_score": "REAL",
    },
}
_FIELDS_2: Final[Mapping[str, Mapping[str, str]]] = {
    "decisions": {"llr": "REAL", "promotes_anyway": "INTEGER"},
    "promotions": {"is_rollback": "INTEGER"},
    "cycles": {"promotes_anyway": "INTEGER"},
}
FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    table: {**fields, **_FIELDS_2.get(table, {})} for table, fields in _FIELDS_1.items()
}
"""Table -> fields of its event that are columns, with their type; all may be NULL."""


def _record(table: str, *own: str) -> str:
    columns = [*own, "at REAL NOT NULL", "body TEXT NOT NULL"]
    columns += [f"{name} {kind}" for name, kind in _FIELDS_1[table].items()]
    return f"CREATE TABLE {table} ({', '.join(columns)}, UNIQUE (at, body)) STRICT"


VERSION_1: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE shards (
        seq INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        sha256 TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('admitted', 'retired', 'rejected', 'missing')),
        games INTEGER NOT NULL,
        positions INTEGER NOT NULL,
        truncated INTEGER NOT NULL,
        white_wins INTEGER NOT NULL,
        draws INTEGER NOT NULL,
        black_wins INTEGER NOT NULL,
        plies INTEGER NOT NULL,
        at REAL NOT NULL,
        reason TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    "CREATE INDEX shards_by_state ON shards (state, seq)",
    """CREATE TABLE games (
        id TEXT PRIMARY KEY,
        shard INTEGER NOT NULL REFERENCES shards (seq),
        result INTEGER NOT NULL CHECK (result IN (-1, 0, 1, 2)),
        outcome INTEGER NOT NULL,
        plies INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE metrics (
        name TEXT NOT NULL,
        step INTEGER NOT NULL,
        value REAL NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (name, step)
    ) STRICT, WITHOUT ROWID""",
    _record(
        "checkpoints",
        "name TEXT PRIMARY KEY",
        "state TEXT NOT NULL CHECK (state IN ('present', 'retired', 'damaged', 'missing'))",
    ),
    _record("matches", "match TEXT PRIMARY KEY"),
    _record("decisions", "cycle INTEGER PRIMARY KEY"),
    _record("promotions", "seq INTEGER PRIMARY KEY"),
    _record("cycles", "cycle INTEGER PRIMARY KEY"),
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT""",
)

VERSION_2: Final = (
    *(
        f"ALTER TABLE {table} ADD COLUMN {name} {kind}"
        for table, fields in _FIELDS_2.items()
        for name, kind in fields.items()
    ),
    """CREATE TABLE pairs (
        match TEXT NOT NULL REFERENCES matches (match),
        player TEXT NOT NULL,
        budget TEXT NOT NULL,
        opponent TEXT NOT NULL,
        opponent_budget TEXT NOT NULL,
        as_white INTEGER NOT NULL CHECK (as_white IN (0, 1, 2)),
        as_black INTEGER NOT NULL CHECK (as_black IN (0, 1, 2)),
        pairs INTEGER NOT NULL,
        PRIMARY KEY (match, as_white, as_black)
    ) STRICT, WITHOUT ROWID""",
)
"""The gate's test, rollbacks, and the pool that ratings are made of."""

MIGRATIONS: Final = (VERSION_1, VERSION_2)
"""Statements that lead from version n to n + 1; a step that was ever released never changes."""
