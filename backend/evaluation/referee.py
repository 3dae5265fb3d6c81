"""How a game ended, by python-chess alone: the players' own rules have no say in it."""

from typing import Final, NamedTuple

import chess


class Verdict(NamedTuple):
    """An ended game."""

    result: int
    """1 White won, 0 draw, -1 Black won."""
    termination: str
    """checkmate, stalemate, insufficient, fifty-moves, threefold."""


CHECKMATE: Final = "checkmate"
STALEMATE: Final = "stalemate"
INSUFFICIENT: Final = "insufficient"
FIFTY_MOVES: Final = "fifty-moves"
THREEFOLD: Final = "threefold"
PLY_LIMIT: Final = "ply-limit"


def verdict(board: chess.Board) -> Verdict | None:
    """The result of the final position, or None while the game goes on.

    Draws by fifty moves and by threefold repetition count as soon as they stand on the board.
    """
    if board.is_checkmate():
        return Verdict(-1 if board.turn == chess.WHITE else 1, CHECKMATE)
    if not any(board.generate_legal_moves()):
        return Verdict(0, STALEMATE)
    if board.is_insufficient_material():
        return Verdict(0, INSUFFICIENT)
    if board.halfmove_clock >= 100:
        return Verdict(0, FIFTY_MOVES)
    if board.halfmove_clock >= 8 and board.is_repetition(3):
        return Verdict(0, THREEFOLD)
    return None
