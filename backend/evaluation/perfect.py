"""Positions with few men as a suite: a move is right when it keeps what perfect play makes of them.

Syzygy tables know win, draw or loss for each move. The halfmove clock is left out of account, as
the tables do, and so is how fast a win is: a player that shuffles in a won position scores.
"""

from collections.abc import Iterator
from pathlib import Path

import chess

from backend.errors import ConfigError
from backend.evaluation.epd import EpdFault, Task
from backend.replay.boards import board_from_position
from backend.replay.book import read_book
from backend.tables import Tables, open_tables


def tablebase_tasks(path: Path, tables: Path) -> Iterator[Task | EpdFault]:
    """A task for each position of an EPD or FEN file; a fault where the tables do not know it.

    ConfigError when the file or the tables cannot be used.
    """
    try:
        known = open_tables(str(tables), dtz=False)
    except OSError as error:
        raise ConfigError(f"tables {tables}: {error.strerror}") from error
    with known:
        if not known.wdl:
            raise ConfigError(f"tables {tables}: there is no .rtbw table")
        for number, (start, _) in enumerate(read_book(path, 0), 1):
            board = chess.Board(board_from_position(start).fen())
            points = _points(board, known)
            if points is None:
                yield EpdFault(line=number, reason="no table knows this position")
                continue
            yield Task(
                name=f"position {number}",
                board=board,
                points=points,
                otherwise=0.0,
                theme="",
            )


def _points(board: chess.Board, tables: Tables) -> dict[chess.Move, float] | None:
    """1 for each move that keeps the result, 0 for the others; None where a table is missing."""
    before = tables.get_wdl(board)
    if before is None or board.castling_rights:
        return None
    points = {}
    for move in board.legal_moves:
        board.push(move)
        after = -2 if board.is_checkmate() else _wdl(board, tables)
        board.pop()
        if after is None:
            return None
        points[move] = float(_sign(-after) == _sign(before))
    return points


def _wdl(board: chess.Board, tables: Tables) -> int | None:
    return 0 if board.is_insufficient_material() else tables.get_wdl(board)


def _sign(wdl: int) -> int:
    """Cursed wins and blessed losses are draws by the fifty-move rule."""
    return (wdl > 1) - (wdl < -1)
