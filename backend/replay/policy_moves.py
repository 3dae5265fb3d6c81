"""Policy indices of the moves of a python-chess board, for readers without compiled kernels.

The same numbering as `model/encoding/moves.py`, which draws it; a test compares the two.
"""

from typing import Final

import chess

from model.config import Orientation

_RAYS: Final = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
_KNIGHT_STEPS: Final = ((-2, -1), (-2, 1), (-1, -2), (-1, 2), (1, -2), (1, 2), (2, -1), (2, 1))
_FIRST_KNIGHT: Final = 56
_FIRST_UNDERPROMOTION: Final = 64
_PLANES_A_SQUARE: Final = 73


def policy_index(board: chess.Board, move: chess.Move, orientation: Orientation) -> int:
    """0 to 4671, of a legal move in Chess960 mode."""
    origin, target = move.from_square, _target(board, move)
    is_black = board.turn == chess.BLACK
    if orientation == "mover" and is_black:
        origin, target = origin ^ 56, target ^ 56
    ranks = target // 8 - origin // 8
    files = target % 8 - origin % 8
    if move.promotion is not None and move.promotion != chess.QUEEN:
        side = 0
        if files:
            side = 1 if (files < 0) != (is_black and orientation != "mover") else 2
        offset = _FIRST_UNDERPROMOTION + 3 * (move.promotion - chess.KNIGHT) + side
    elif (ranks, files) in _KNIGHT_STEPS:
        offset = _FIRST_KNIGHT + _KNIGHT_STEPS.index((ranks, files))
    else:
        distance = max(abs(ranks), abs(files))
        offset = 7 * _RAYS.index((ranks // distance, files // distance)) + distance - 1
    return origin * _PLANES_A_SQUARE + offset


def _target(board: chess.Board, move: chess.Move) -> int:
    """Where the piece goes: a king that castles from the e-file goes two steps."""
    origin, target = move.from_square, move.to_square
    if board.piece_type_at(origin) == chess.KING and chess.square_file(origin) == 4:
        if target == origin + 3:
            return origin + 2
        if target == origin - 4:
            return origin - 2
    return target
