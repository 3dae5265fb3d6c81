"""Syzygy tables that may be damaged: a file that is, is said once, and is as good as absent."""

import struct
import sys
from typing import Final

import chess
import chess.syzygy

from backend.text import clean

_DAMAGE: Final = (
    *(OSError, ValueError, IndexError, KeyError, TypeError),
    *(OverflowError, AssertionError, struct.error),
)
"""What python-chess raises for tables that are none, or cut ones."""


class Tables(chess.syzygy.Tablebase):
    """As python-chess's; its two ways to ask answer `default` where a table is damaged."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def get_wdl(self, board: chess.Board, default: int | None = None) -> int | None:
        try:
            return super().get_wdl(board)
        except _DAMAGE as error:
            self._tell(error)
            return default

    def get_dtz(self, board: chess.Board, default: int | None = None) -> int | None:
        try:
            return super().get_dtz(board)
        except _DAMAGE as error:
            self._tell(error)
            return default

    def _tell(self, error: Exception) -> None:
        text = clean(f"a table is damaged and not used: {error or type(error).__name__}", 300)
        if text not in self._told:
            self._told.add(text)
            print(text, file=sys.stderr)


def open_tables(directory: str, *, dtz: bool) -> Tables:
    """The tables in a directory; OSError when there is none."""
    tables = Tables()
    tables.add_directory(directory, load_dtz=dtz)
    return tables
