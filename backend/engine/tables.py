"""Syzygy tables at the root: only moves that keep the best result are searched.

Where a table of distances (.rtbz) is there too, a winning side keeps only the moves that come
closest to the next capture or pawn move, so that it makes progress. The fifty-move rule counts: a
win that it would spoil is worth less than a win, and more than a draw.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess

from backend.errors import ConfigError
from backend.tables import Tables

MAX_MEN: Final = 7
"""Kings included; there are no larger tables."""
_WIN: Final = 2
_ZEROING: Final = 0
"""Rank of a winning move that captures or moves a pawn, among distances that are above it."""


@dataclass(frozen=True)
class TableVerdict:
    """What the tables say of a position."""

    moves: tuple[str, ...]
    """UCI notation; those that keep the result."""
    wdl: tuple[float, float, float] | None
    """Exact, for the mover; None where the clock of the fifty-move rule leaves it open."""
    hits: int
    """Positions that were looked up."""


class RootTables:
    """The tables of one or several directories; they stay open for as long as this lives."""

    def __init__(self, paths: str) -> None:
        """`paths` are separated as in PATH. ConfigError when there are no tables."""
        parts = [Path(part) for part in paths.split(os.pathsep) if part]
        self._tables = Tables()
        for part in parts:
            try:
                self._tables.add_directory(str(part))
            except OSError as error:
                raise ConfigError(f"SyzygyPath: {str(part)!r}: {error.strerror}") from error
        if not self._tables.wdl:
            raise ConfigError(f"SyzygyPath: there is no .rtbw table in {paths!r}")

    def close(self) -> None:
        self._tables.close()

    def ask(self, board: chess.Board) -> TableVerdict | None:
        """None where a table is missing, or where one side may still castle."""
        if chess.popcount(board.occupied) > MAX_MEN or board.clean_castling_rights():
            return None
        results: dict[chess.Move, int] = {}
        for move in board.legal_moves:
            result = self._result_of(board, move)
            if result is None:
                return None
            results[move] = result
        if not results:
            return None
        best = max(results.values())
        kept = [move for move, result in results.items() if result == best]
        if best == _WIN:
            kept = self._closest(board, kept)
        wdl = {_WIN: (1.0, 0.0, 0.0), 0: (0.0, 1.0, 0.0), -_WIN: (0.0, 0.0, 1.0)}.get(best)
        if abs(best) == 1:
            wdl = (0.0, 1.0, 0.0)
        moves = tuple(move.uci() for move in kept)
        return TableVerdict(moves, wdl if board.halfmove_clock == 0 else None, len(results))

    def _result_of(self, board: chess.Board, move: chess.Move) -> int | None:
        """-2 to 2 for the mover, as the tables count."""
        board.push(move)
        try:
            if board.is_checkmate():
                return _WIN
            found = self._tables.get_wdl(board)
            return None if found is None else -found
        finally:
            board.pop()

    def _closest(self, board: chess.Board, moves: list[chess.Move]) -> list[chess.Move]:
        """Those with the shortest way to a mate, a capture or a pawn move; all without tables."""
        distances: dict[chess.Move, int] = {}
        for move in moves:
            zeroing = board.is_zeroing(move)
            board.push(move)
            mates = board.is_checkmate()
            distance = _ZEROING if zeroing or mates else self._tables.get_dtz(board)
            board.pop()
            if distance is None:
                return moves
            distances[move] = -1 if mates else abs(distance)
        shortest = min(distances.values())
        return [move for move, distance in distances.items() if distance == shortest]
