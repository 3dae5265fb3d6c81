"""Legal move generation. The masks it relies on are drawn in `legality.py`."""

import numpy as np
from numpy.typing import NDArray

from model.rules.attacks import KING_ATTACKS, KNIGHT_ATTACKS, bishop_attacks, rook_attacks
from model.rules.bitboard import (
    ALL,
    RANK_1,
    RANK_8,
    U0,
    U2,
    U7,
    U8,
    U9,
    U16,
    U56,
    lowest_square,
    pawn_attacks,
    square_bit,
    without_lowest,
)
from model.rules.kernel import kernel
from model.rules.legality import (
    castling_is_legal,
    danger_squares,
    ep_capture_is_legal,
    pawn_targets,
    pins_and_targets,
)
from model.rules.position import (
    BISHOPS,
    BLACK_TO_MOVE,
    KINGS,
    KNIGHTS,
    PAWNS,
    PROMOTION_SHIFT,
    QUEENS,
    ROOKS,
    STATE,
    TO_SHIFT,
    WHITE,
    Position,
    ep_field,
    ep_target,
    has_right,
    occupied_squares,
    rook_file,
)

MAX_LEGAL_MOVES = 256
"""Length of a move buffer. No reachable position has more than 218 legal moves."""


@kernel
def _append(out: NDArray[np.uint16], count: int, origin: np.uint64, targets: np.uint64) -> int:
    """Write one move to each target; returns the new number of moves."""
    while targets != U0:
        out[count] = np.uint16(origin | (lowest_square(targets) << TO_SHIFT))
        targets = without_lowest(targets)
        count += 1
    return count


@kernel
def _append_pawn_moves(
    out: NDArray[np.uint16], count: int, targets: np.uint64, back: np.uint64, forward: bool
) -> int:
    """Write pawn moves that all come from `back` squares below (or, not forward, above)."""
    while targets != U0:
        target = lowest_square(targets)
        targets = without_lowest(targets)
        origin = target - back if forward else target + back
        move = origin | (target << TO_SHIFT)
        if square_bit(target) & (RANK_1 | RANK_8):
            for promotion in range(4, 0, -1):
                out[count] = np.uint16(move | (np.uint64(promotion) << PROMOTION_SHIFT))
                count += 1
        else:
            out[count] = np.uint16(move)
            count += 1
    return count


@kernel
def legal_moves(pos: Position, out: NDArray[np.uint16]) -> int:
    """Write the legal moves into `out` (uint16[256]); returns how many. Their order is fixed."""
    state = pos[STATE]
    is_black = (state & BLACK_TO_MOVE) != U0
    occupied = occupied_squares(pos)
    own = occupied & ~pos[WHITE] if is_black else pos[WHITE]
    them = occupied ^ own
    king = own & pos[KINGS]
    king_square = lowest_square(king)
    danger = danger_squares(pos, occupied, them, king, not is_black)
    straight_pins, diagonal_pins, targets = pins_and_targets(pos, own, them, king, is_black)
    pinned = straight_pins | diagonal_pins
    enemies_or_empty = ~own
    targets &= enemies_or_empty

    count = _append(out, 0, king_square, KING_ATTACKS[king_square] & enemies_or_empty & ~danger)
    if danger & king == U0:
        for number in range(2):
            right = np.uint64(number) + (U2 if is_black else U0)
            if has_right(state, right) and castling_is_legal(
                pos, right, occupied, danger, king, straight_pins
            ):
                rook = rook_file(state, right) | (U56 if is_black else U0)
                out[count] = np.uint16(king_square | (rook << TO_SHIFT))
                count += 1
    elif targets == U0:
        return count

    pieces = pos[KNIGHTS] & own & ~pinned
    while pieces != U0:
        square = lowest_square(pieces)
        pieces = without_lowest(pieces)
        count = _append(out, count, square, KNIGHT_ATTACKS[square] & targets)

    pieces = (pos[BISHOPS] | pos[QUEENS]) & own & ~straight_pins
    while pieces != U0:
        square = lowest_square(pieces)
        pieces = without_lowest(pieces)
        line = diagonal_pins if square_bit(square) & diagonal_pins else ALL
        count = _append(out, count, square, bishop_attacks(square, occupied) & targets & line)

    pieces = (pos[ROOKS] | pos[QUEENS]) & own & ~diagonal_pins
    while pieces != U0:
        square = lowest_square(pieces)
        pieces = without_lowest(pieces)
        line = straight_pins if square_bit(square) & straight_pins else ALL
        count = _append(out, count, square, rook_attacks(square, occupied) & targets & line)

    return _append_all_pawn_moves(
        pos, out, count, occupied, them, king, straight_pins, diagonal_pins, targets, is_black
    )


@kernel
def _append_all_pawn_moves(
    pos: Position,
    out: NDArray[np.uint16],
    count: int,
    occupied: np.uint64,
    them: np.uint64,
    king: np.uint64,
    straight_pins: np.uint64,
    diagonal_pins: np.uint64,
    targets: np.uint64,
    is_black: bool,
) -> int:
    """Write the pawn moves, en passant last; returns the new number of moves."""
    pawns = pos[PAWNS] & (occupied ^ them)
    single, double, to_a, to_h = pawn_targets(
        pawns, occupied, them, straight_pins, diagonal_pins, is_black
    )
    forward = not is_black
    count = _append_pawn_moves(out, count, single & targets, U8, forward)
    count = _append_pawn_moves(out, count, double & targets, U16, forward)
    count = _append_pawn_moves(out, count, to_a & targets, U7 if forward else U9, forward)
    count = _append_pawn_moves(out, count, to_h & targets, U9 if forward else U7, forward)

    ep = ep_field(pos[STATE])
    if ep != U0:
        target = ep_target(ep, is_black)
        origins = pawn_attacks(square_bit(target), forward) & pawns
        while origins != U0:
            origin = lowest_square(origins)
            origins = without_lowest(origins)
            if ep_capture_is_legal(pos, occupied, them, king, is_black, origin, target):
                out[count] = np.uint16(origin | (target << TO_SHIFT))
                count += 1
    return count
