"""Moves as text, in the notation of the UCI protocol.

A castling is `e1g1` (the king's way) when the king stands on the e-file and the rook in the corner;
any other castling, which only Chess960 has, is king takes rook: `f1g1`.
"""

import numpy as np

from model.rules.fen import to_fen
from model.rules.movegen import MAX_LEGAL_MOVES, legal_moves
from model.rules.position import KINGS, WHITE, Position, black_to_move, occupied_squares

_FILES = "abcdefgh"
_PROMOTIONS = ("", "n", "b", "r", "q")


def square_name(square: int) -> str:
    """`e4` for 28."""
    return f"{_FILES[square % 8]}{square // 8 + 1}"


def is_castling(pos: Position, move: int) -> bool:
    """Whether a legal move is king takes own rook."""
    origin, target = int(move) & 63, int(move) >> 6 & 63
    own = int(pos[WHITE])
    if black_to_move(pos):
        own ^= int(occupied_squares(pos))
    return bool(int(pos[KINGS]) >> origin & 1 and own >> target & 1)


def move_to_uci(pos: Position, move: int) -> str:
    """The UCI text of a legal move."""
    origin, target = int(move) & 63, int(move) >> 6 & 63
    if is_castling(pos, move) and origin % 8 == 4 and target % 8 in (0, 7):
        target = origin + 2 if target > origin else origin - 2
    return square_name(origin) + square_name(target) + _PROMOTIONS[int(move) >> 12]


def uci_to_move(pos: Position, text: str) -> int:
    """The legal move that `text` names; ValueError if there is none.

    Castling is also understood as king takes rook (`e1h1`) where `e1g1` would do.
    """
    moves = np.empty(MAX_LEGAL_MOVES, np.uint16)
    for move in moves[: legal_moves(pos, moves)]:
        plain = square_name(int(move) & 63) + square_name(int(move) >> 6 & 63)
        if text in (move_to_uci(pos, move), plain + _PROMOTIONS[int(move) >> 12]):
            return int(move)
    raise ValueError(f"illegal move {text!r} in {to_fen(pos)!r}")
