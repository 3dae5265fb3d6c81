"""The list of the games that a run has stored: self-play as its database counts it, and the games
of its matches as their PGN files hold them.

Bounded: the newest `MAX_SELFPLAY` and `MAX_MATCH_GAMES`. Blocks: ask it on a thread.
"""

import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.errors import RunDirectoryError
from backend.replay.admission import RESULT_TEXT, TERMINATIONS
from backend.store.reading import recent_games
from backend.wording import network

MAX_SELFPLAY: Final = 2_000
MAX_MATCH_GAMES: Final = 4_000
MAX_PGN_BYTES: Final = 64 * 1024 * 1024
"""A larger match file is not listed."""
SELFPLAY: Final = "self-play"
_HEADER: Final = re.compile(rb'^\[(\w+) "((?:[^"\\\n]|\\.){0,200})"\]', re.MULTILINE)
_START: Final = re.compile(rb"^\[Event ", re.MULTILINE)


@dataclass(frozen=True)
class StoredGame:
    """One entry of the list."""

    id: str
    """GameId of self-play; file and number of a match."""
    source: str
    """self-play, or the name of the match."""
    white: str
    black: str
    result: str
    """1-0, 0-1, 1/2-1/2, or * without one."""
    ending: str
    plies: int | None
    """None where it would have to be counted first."""
    pgn: Path | None = None
    offset: int = 0
    """Where the game begins in `pgn`."""

    @property
    def label(self) -> str:
        """Short: worker, shard and number, or who played whom."""
        if self.pgn is not None:
            return f"{network(self.white)} - {network(self.black)}"
        stem, _, number = self.id.rpartition(":")
        worker, _, seq = "-".join(stem.split("-")[1:-1]).rpartition("-")
        return f"{worker} {seq.lstrip('0') or '0'}:{number}"


def stored_games(run_dir: Path) -> list[StoredGame]:
    """Newest first: self-play, then match by match."""
    return [*_selfplay(run_dir), *_matches(run_dir / "games")]


def _selfplay(run_dir: Path) -> list[StoredGame]:
    database = run_dir / "matrix0.db"
    if not database.is_file():
        return []
    try:
        rows = recent_games(database, MAX_SELFPLAY)
    except (RunDirectoryError, sqlite3.OperationalError):
        return []  # A run that has just begun.
    return [
        StoredGame(
            id=id,
            source=SELFPLAY,
            white="",
            black="",
            result=RESULT_TEXT[result],
            ending=TERMINATIONS.get(outcome, ""),
            plies=plies,
        )
        for id, result, outcome, plies in rows
    ]


def _matches(folder: Path) -> list[StoredGame]:
    found: list[StoredGame] = []
    files = [path for path in folder.glob("match-*.pgn") if path.is_file()]
    for path in sorted(files, key=lambda p: p.stat().st_mtime, reverse=True):
        if path.stat().st_size > MAX_PGN_BYTES:
            continue
        data = path.read_bytes()
        starts = [match.start() for match in _START.finditer(data)]
        for number, start in enumerate(starts):
            if len(found) >= MAX_MATCH_GAMES:
                return found
            end = data.find(b"\n\n", start)
            found.append(_entry(path, number, start, data[start : end if end > 0 else None]))
    return found


def _entry(path: Path, number: int, offset: int, header: bytes) -> StoredGame:
    said = {
        name.decode(): text.decode("utf-8", "replace") for name, text in _HEADER.findall(header)
    }
    return StoredGame(
        id=f"{path.stem}:{number}",
        source=path.stem.removeprefix("match-"),
        white=said.get("White", "?"),
        black=said.get("Black", "?"),
        result=said.get("Result", "*"),
        ending=said.get("Termination", ""),
        plies=None,
        pgn=path,
        offset=offset,
    )
