"""Counting legal moves without generating them.

A set of targets along one direction stands for as many moves: the way back is unique, because own
pieces block each other. So each direction of each kind of piece is one shift or fill and one
population count. It is also a second, independent answer to "how many moves?" that tests hold
against the generator.
"""

import numpy as np

from model.rules.attacks import KING_ATTACKS, KNIGHT_ATTACKS, slide_down, slide_up
from model.rules.bitboard import (
    ALL,
    NOT_FILE_A,
    NOT_FILE_H,
    RANK_1,
    RANK_8,
    U0,
    U1,
    U2,
    U3,
    U7,
    U8,
    U9,
    lowest_square,
    pawn_attacks,
    popcount,
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
    EP_MASK,
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
    has_right,
    occupied_squares,
)


@kernel
def count_legal_moves(pos: Position) -> np.uint64:
    """The number of legal moves."""
    state = pos[STATE]
    is_black = (state & BLACK_TO_MOVE) != U0
    occupied = occupied_squares(pos)
    own = occupied & ~pos[WHITE] if is_black else pos[WHITE]
    them = occupied ^ own
    king = own & pos[KINGS]
    danger = danger_squares(pos, occupied, them, king, not is_black)
    straight_pins, diagonal_pins, targets = pins_and_targets(pos, own, them, king, is_black)
    pinned = straight_pins | diagonal_pins

    count = popcount(KING_ATTACKS[lowest_square(king)] & ~own & ~danger)
    if danger & king == U0:
        first = U2 if is_black else U0
        for right in (first, first | U1):
            if has_right(state, right) and castling_is_legal(
                pos, right, occupied, danger, king, straight_pins
            ):
                count += U1
    elif targets == U0:
        return count

    allowed = targets & ~own
    knights = pos[KNIGHTS] & own & ~pinned
    while knights != U0:
        count += popcount(KNIGHT_ATTACKS[lowest_square(knights)] & allowed)
        knights = without_lowest(knights)

    empty = ~occupied
    rooks = (pos[ROOKS] | pos[QUEENS]) & own & ~diagonal_pins
    bishops = (pos[BISHOPS] | pos[QUEENS]) & own & ~straight_pins
    count += _count_rook_moves(rooks & ~straight_pins, empty, allowed)
    count += _count_bishop_moves(bishops & ~diagonal_pins, empty, allowed)
    if (rooks & straight_pins) | (bishops & diagonal_pins) != U0:
        count += _count_rook_moves(rooks & straight_pins, empty, allowed & straight_pins)
        count += _count_bishop_moves(bishops & diagonal_pins, empty, allowed & diagonal_pins)

    pawns = pos[PAWNS] & own
    single, double, to_a, to_h = pawn_targets(
        pawns, occupied, them, straight_pins, diagonal_pins, is_black
    )
    single &= targets
    to_a &= targets
    to_h &= targets
    count += popcount(single) + popcount(double & targets) + popcount(to_a) + popcount(to_h)
    # A promotion is four moves; one of them is counted above.
    last_ranks = RANK_1 | RANK_8
    if (single | to_a | to_h) & last_ranks != U0:
        promotions = popcount(single & last_ranks) + popcount(to_a & last_ranks)
        count += U3 * (promotions + popcount(to_h & last_ranks))
    if state & EP_MASK != U0:
        count += _count_ep_captures(pos, occupied, them, king, pawns, is_black)
    return count


@kernel
def has_legal_move(pos: Position) -> bool:
    """Whether the side to move has a legal move."""
    return bool(count_legal_moves(pos) != U0)


@kernel
def _count_rook_moves(rooks: np.uint64, empty: np.uint64, allowed: np.uint64) -> np.uint64:
    count = popcount(slide_up(rooks, empty, U8, ALL) & allowed)
    count += popcount(slide_down(rooks, empty, U8, ALL) & allowed)
    count += popcount(slide_up(rooks, empty, U1, NOT_FILE_A) & allowed)
    return count + popcount(slide_down(rooks, empty, U1, NOT_FILE_H) & allowed)


@kernel
def _count_bishop_moves(bishops: np.uint64, empty: np.uint64, allowed: np.uint64) -> np.uint64:
    count = popcount(slide_up(bishops, empty, U9, NOT_FILE_A) & allowed)
    count += popcount(slide_down(bishops, empty, U9, NOT_FILE_H) & allowed)
    count += popcount(slide_up(bishops, empty, U7, NOT_FILE_H) & allowed)
    return count + popcount(slide_down(bishops, empty, U7, NOT_FILE_A) & allowed)


@kernel
def _count_ep_captures(
    pos: Position,
    occupied: np.uint64,
    them: np.uint64,
    king: np.uint64,
    pawns: np.uint64,
    is_black: bool,
) -> np.uint64:
    count = U0
    target = ep_target(ep_field(pos[STATE]), is_black)
    origins = pawn_attacks(square_bit(target), not is_black) & pawns
    while origins != U0:
        origin = lowest_square(origins)
        origins = without_lowest(origins)
        if ep_capture_is_legal(pos, occupied, them, king, is_black, origin, target):
            count += U1
    return count
