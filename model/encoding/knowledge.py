"""Knowledge planes: what follows from the rules but is not on the board, off by default.

They follow the planes of the board in one table (`model/encoding/planes.py`, `docs/encoding.md`).
History is the one thing that a position does not hold: of it, only how often it occurred before is
known, and given here.

Legend: K knowledge planes, S 64 squares in plane row order.
"""

import numpy as np
from numpy.typing import NDArray

from model.rules.attacks import KING_ATTACKS, KNIGHT_ATTACKS, bishop_attacks, rook_attacks
from model.rules.bitboard import (
    U0,
    U56,
    lowest_square,
    pawn_attacks,
    popcount,
    square_bit,
    without_lowest,
)
from model.rules.kernel import kernel
from model.rules.legality import checkers_of
from model.rules.position import (
    BISHOPS,
    BLACK_TO_MOVE,
    KINGS,
    KNIGHTS,
    PAWNS,
    QUEENS,
    ROOKS,
    STATE,
    WHITE,
    Position,
    ep_field,
    ep_target,
    occupied_squares,
    repetitions,
)

KNOWLEDGE_PLANES = (
    "own attackers",
    "other attackers",
    "checkers",
    "own material",
    "other material",
    "en-passant square",
    "earlier occurrences",
)
MAX_ATTACKERS = 4
"""A plane of attackers is min(n, 4) / 4 on each square."""
MAX_MATERIAL = 39
"""A plane of material is min(n, 39) / 39; a side has 39 at the start, 1 3 3 5 9 a piece."""

_OWN_ATTACKERS, _OTHER_ATTACKERS, _CHECKERS, _OWN_MATERIAL, _OTHER_MATERIAL, _EP, _REPEATED = range(
    7
)


@kernel
def fill_knowledge(pos: Position, turned: bool, planes_KS: NDArray[np.float32]) -> None:
    """Fill float32[7, 64]; `turned` boards are upside down and own is Black."""
    is_black = (pos[STATE] & BLACK_TO_MOVE) != U0
    occupied = occupied_squares(pos)
    own = occupied & ~pos[WHITE] if turned else pos[WHITE]
    flip = U0 if turned else U56
    planes_KS[:] = np.float32(0.0)
    _count_attackers(pos, occupied, own, turned, flip, planes_KS[_OWN_ATTACKERS])
    _count_attackers(pos, occupied, occupied ^ own, not turned, flip, planes_KS[_OTHER_ATTACKERS])

    movers = occupied & ~pos[WHITE] if is_black else pos[WHITE]
    checkers = checkers_of(pos, occupied, occupied ^ movers, movers & pos[KINGS], is_black)
    while checkers != U0:
        planes_KS[_CHECKERS, lowest_square(checkers) ^ flip] = np.float32(1.0)
        checkers = without_lowest(checkers)

    planes_KS[_OWN_MATERIAL, :] = _material(pos, own)
    planes_KS[_OTHER_MATERIAL, :] = _material(pos, occupied ^ own)
    field = ep_field(pos[STATE])
    if field != U0:
        planes_KS[_EP, ep_target(field, is_black) ^ flip] = np.float32(1.0)
    planes_KS[_REPEATED, :] = np.float32(repetitions(pos) / 2)


@kernel
def _count_attackers(
    pos: Position,
    occupied: np.uint64,
    side: np.uint64,
    side_is_black: bool,
    flip: np.uint64,
    plane_S: NDArray[np.float32],
) -> None:
    """How many pieces of `side` attack each square, pinned ones included, X-rays not.

    A piece attacks squares of its own side too: it defends them.
    """
    pieces = side
    while pieces != U0:
        square = lowest_square(pieces)
        piece = square_bit(square)
        pieces = without_lowest(pieces)
        attacked = U0
        if pos[PAWNS] & piece != U0:
            attacked = pawn_attacks(piece, side_is_black)
        elif pos[KNIGHTS] & piece != U0:
            attacked = np.uint64(KNIGHT_ATTACKS[square])
        elif pos[KINGS] & piece != U0:
            attacked = np.uint64(KING_ATTACKS[square])
        if (pos[BISHOPS] | pos[QUEENS]) & piece != U0:
            attacked |= bishop_attacks(square, occupied)
        if (pos[ROOKS] | pos[QUEENS]) & piece != U0:
            attacked |= rook_attacks(square, occupied)
        while attacked != U0:
            plane_S[lowest_square(attacked) ^ flip] += np.float32(1.0)
            attacked = without_lowest(attacked)
    for number in range(64):
        plane_S[number] = min(plane_S[number], np.float32(MAX_ATTACKERS)) / np.float32(
            MAX_ATTACKERS
        )


@kernel
def _material(pos: Position, side: np.uint64) -> np.float32:
    total = (
        popcount(pos[PAWNS] & side)
        + np.uint64(3) * popcount((pos[KNIGHTS] | pos[BISHOPS]) & side)
        + np.uint64(5) * popcount(pos[ROOKS] & side)
        + np.uint64(9) * popcount(pos[QUEENS] & side)
    )
    return np.float32(min(int(total), MAX_MATERIAL) / MAX_MATERIAL)
