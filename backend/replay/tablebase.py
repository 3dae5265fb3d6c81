"""Syzygy tables: what perfect play makes of a position with few men, under the fifty-move rule.

Self-play ends games by them and the referee probes them again. A table speaks of a position whose
halfmove clock is 0, so it is asked only right after a capture or a pawn move. A win that the fifty
moves would spoil ("cursed") is a draw. Tables know no castling.
"""

from pathlib import Path
from typing import Final

import chess

from backend.config import SelfPlayConfig
from backend.errors import ConfigError
from backend.replay.records import BLACK_WON, DRAW, WHITE_WON
from backend.tables import open_tables as open_directory

_WIN: Final = 2


class Tablebase:
    """The tables of one directory; they stay open for as long as this lives."""

    def __init__(self, path: Path, max_men: int) -> None:
        """ConfigError when there are no tables. `max_men` counts both kings."""
        self.max_men = max_men
        try:
            self._tables = open_directory(str(path), dtz=False)
        except OSError as error:
            raise ConfigError(f"syzygy_path = {str(path)!r}: {error.strerror}") from error
        if not self._tables.wdl:
            raise ConfigError(f"syzygy_path = {str(path)!r}: there is no .rtbw table in it")

    def close(self) -> None:
        self._tables.close()

    def result(self, board: chess.Board) -> int | None:
        """WHITE_WON, DRAW or BLACK_WON; None when no table may speak of this position."""
        if (
            chess.popcount(board.occupied) > self.max_men
            or board.halfmove_clock != 0
            or board.clean_castling_rights()
        ):
            return None
        wdl = self._tables.get_wdl(board)
        if wdl is None:
            return None
        if abs(wdl) < _WIN:
            return DRAW
        return WHITE_WON if (wdl > 0) == (board.turn == chess.WHITE) else BLACK_WON


def open_tables(config: SelfPlayConfig) -> Tablebase | None:
    """The tables that self-play is told to use; None without."""
    if not config.syzygy_path:
        return None
    return Tablebase(Path(config.syzygy_path), config.syzygy_men)
