"""Games of a person on disk: saved under the time of day, read back with a limit on their size."""

from datetime import date, datetime
from pathlib import Path

from backend.commit import commit_file
from backend.play.game import MAX_PGN_BYTES, Game, read_pgn


def save_game(game: Game, folder: Path, now: datetime) -> Path:
    """The new file. RunDirectoryError when it cannot be written."""
    path = folder / now.strftime("play-%Y%m%d-%H%M%S.pgn")
    commit_file(path, pgn_of(game, now).encode())
    return path


def pgn_of(game: Game, now: datetime) -> str:
    """The game as it would be saved today."""
    return game.to_pgn(date(now.year, now.month, now.day))


def load_game(path: Path) -> Game:
    """The first game of a file. OSError or PgnError when there is none."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return read_pgn(file.read(MAX_PGN_BYTES), path.name)
