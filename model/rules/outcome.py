"""How a game has ended, if it has.

The rules of the game end it by mate, stalemate and insufficient material. Fifty moves and threefold
repetition may be claimed; here both are taken at once, as in all self-play.
"""

from enum import IntEnum

from model.rules.bitboard import DARK_SQUARES, LIGHT_SQUARES, U0, U3, popcount
from model.rules.kernel import kernel
from model.rules.legality import in_check
from model.rules.position import (
    BISHOPS,
    KNIGHTS,
    PAWNS,
    QUEENS,
    ROOKS,
    Position,
    halfmove_clock,
    occupied_squares,
)


class Outcome(IntEnum):
    """Why the game is over; after CHECKMATE the side to move has lost, all others are draws."""

    NONE = 0
    CHECKMATE = 1
    STALEMATE = 2
    INSUFFICIENT = 3
    FIFTY_MOVES = 4
    THREEFOLD = 5


_NONE, _CHECKMATE, _STALEMATE, _INSUFFICIENT, _FIFTY_MOVES, _THREEFOLD = map(int, Outcome)


@kernel
def insufficient_material(pos: Position) -> bool:
    """Whether nobody can mate any more: bare kings, one knight, or bishops on one colour.

    Dead positions with more material (blocked pawns) are not recognised.
    """
    if pos[PAWNS] | pos[ROOKS] | pos[QUEENS] != U0:
        return False
    if pos[KNIGHTS] != U0:
        return bool(popcount(occupied_squares(pos)) <= U3)
    return bool(pos[BISHOPS] & LIGHT_SQUARES == U0 or pos[BISHOPS] & DARK_SQUARES == U0)


@kernel
def outcome(pos: Position, num_legal: int, repetitions: int) -> int:
    """The `Outcome` of a position with `num_legal` legal moves, seen `repetitions` times before.

    Mate and stalemate come first: a mate on the hundredth ply is a mate.
    """
    if num_legal == 0:
        return _CHECKMATE if in_check(pos) else _STALEMATE
    if insufficient_material(pos):
        return _INSUFFICIENT
    if halfmove_clock(pos) >= 100:
        return _FIFTY_MOVES
    return _THREEFOLD if repetitions >= 2 else _NONE
