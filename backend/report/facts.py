"""What a report says, read from the files of a run; nothing is computed that is not kept there."""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess.pgn
import msgspec
import numpy as np
from numpy.typing import NDArray

from backend.config import Config
from backend.errors import ReplayError, RunDirectoryError
from backend.evaluation.pool import rate_run
from backend.evaluation.standings import Standings
from backend.events import CycleFinished, MatchFinished, Promoted, TrainingStep
from backend.presets import PRESETS
from backend.replay.gametext import read_game
from backend.rundir import RunDirectory, differing
from backend.runs import RunView, view
from backend.settings import build_config
from backend.store.reading import cycles, matches, read_only
from backend.wire import decode_event

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps, rising, and values of a curve."""

NUM_GAMES: Final = 6
_TAIL: Final = 64 * 1024
"""Bytes at the end of a PGN file that are looked at for its last games."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    run: RunView
    config: Config
    changed: list[tuple[str, object, object]]
    """Settings in which the run differs from its preset: name, value, value of the preset."""
    version: str
    """Of Matrix0 at the newest start; empty when no start is recorded."""
    games: int
    positions: int
    """Admitted over the whole run."""
    curves: dict[str, Points]
    cycles: list[CycleFinished]
    promotions: list[Promoted]
    matches: list[MatchFinished]
    standings: Standings | None
    samples: list[tuple[str, chess.pgn.Game]]
    """File under games/, and a game of it."""


def gather(run: RunDirectory) -> Facts:
    """Raises RunDirectoryError when the database is missing or cannot be read."""
    config = run.read_config()
    seen = view(run)
    preset = seen.preset if seen.preset in PRESETS else None
    if not run.database.exists() and not run.metrics_file.exists():
        raise RunDirectoryError(f"{run.path}: nothing is recorded yet: this run was never at work")
    if seen.problem:
        raise RunDirectoryError(f"{run.path}: {seen.problem}")
    has_database = run.database.exists()
    played = matches(run.database) if has_database else []
    games, positions = _totals(run.database) if has_database else (0, 0)
    return Facts(
        run=seen,
        config=config,
        changed=differing(config, build_config(preset)),
        version=_last_version(run.database) if has_database else "",
        games=games,
        positions=positions,
        curves=_curves(run.database) if has_database else _imported_curves(run.metrics_file),
        cycles=cycles(run.database) if has_database else [],
        promotions=_promotions(run.database) if has_database else [],
        matches=played,
        standings=rate_run(run.database) if has_database else None,
        samples=_samples(run.games, played),
    )


def _promotions(database: Path) -> list[Promoted]:
    with read_only(database) as connection:
        rows = connection.execute("SELECT body FROM promotions ORDER BY at").fetchall()
        return [msgspec.json.decode(body, type=Promoted) for (body,) in rows]


def _last_version(database: Path) -> str:
    query = "SELECT body FROM events WHERE kind = 'RunStarted' ORDER BY seq DESC LIMIT 1"
    with read_only(database) as connection:
        row = connection.execute(query).fetchone()
    # Not as the event: one of an earlier version may lack what is in it now.
    return str(msgspec.json.decode(row[0]).get("version", "")) if row else ""


def _totals(database: Path) -> tuple[int, int]:
    query = "SELECT coalesce(sum(games), 0), coalesce(sum(positions), 0) FROM shards"
    with read_only(database) as connection:
        games, positions = connection.execute(query).fetchone()
        return games, positions


def _curves(database: Path) -> dict[str, Points]:
    with read_only(database) as connection:
        names = [row[0] for row in connection.execute("SELECT DISTINCT name FROM metrics")]
        return {name: _points(connection, name) for name in names}


def _points(connection: sqlite3.Connection, name: str) -> Points:
    query = "SELECT step, value FROM metrics WHERE name = ? ORDER BY step"
    rows = np.array(connection.execute(query, (name,)).fetchall(), np.float64)
    return rows[:, 0], rows[:, 1]


def _imported_curves(path: Path) -> dict[str, Points]:
    """Of training on imported games."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in path.read_bytes().splitlines():
        event = decode_event(line)
        if isinstance(event, TrainingStep):
            for name, value in event.metrics.items():
                found.setdefault(name, []).append((event.step, value))
    arrays = {name: np.array(points, np.float64) for name, points in found.items()}
    return {name: (points[:, 0], points[:, 1]) for name, points in arrays.items()}


def _samples(folder: Path, played: list[MatchFinished]) -> list[tuple[str, chess.pgn.Game]]:
    """The last games of self-play and of the newest matches, at most one of each match."""
    found: list[tuple[str, chess.pgn.Game]] = []
    files = ["selfplay.pgn", *(match.pgn for match in reversed(played) if match.pgn)]
    for name in dict.fromkeys(files):
        path = folder / Path(name).name
        if len(found) < NUM_GAMES and path.is_file():
            found += [(path.name, game) for game in _last_games(path, 1 + (not found))]
    return found[:NUM_GAMES]


def _last_games(path: Path, number: int) -> list[chess.pgn.Game]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        text = file.read().decode("utf-8", "replace")
    starts = text.split('[Event "')[1:]
    games = []
    for part in starts[-number:]:
        with suppress(ReplayError):  # Cut, or not ours: the page shows another one.
            games.append(read_game(f'[Event "{part}'))
    return [game for game in games if not game.errors]
