"""Mate in one, without making every move: only a check can mate, and few moves give check.

Seen from the enemy king k, a move can give check in four ways; all others are passed over:

    . . s . k . d .     landing   on a square from which a piece of its kind attacks k. These are
    . . . s d s . .               the squares that such a piece standing on k would attack: s for
    . . n . s . n .               a rook, d for a bishop, n for a knight
    . . . . X . . .     leaving   a line to k (X) that an own slider (R) stands behind
    . . . . R . . .     promoting, or taking en passant, which clears more than one square
                        castling, which moves the rook as well

This may suspect a harmless move, never miss a check. The suspects are made and looked at.
"""

import numpy as np
from numpy.typing import NDArray

from model.rules.attacks import KNIGHT_ATTACKS, bishop_attacks, rook_attacks
from model.rules.bitboard import (
    RANK_2,
    RANK_7,
    U0,
    U63,
    lowest_square,
    pawn_attacks,
    square_bit,
)
from model.rules.counting import has_legal_move
from model.rules.kernel import kernel
from model.rules.legality import in_check
from model.rules.make import make_move
from model.rules.position import (
    BISHOPS,
    BLACK_TO_MOVE,
    KINGS,
    KNIGHTS,
    PAWNS,
    QUEENS,
    RIGHTS_MASK,
    ROOKS,
    STATE,
    TO_SHIFT,
    WHITE,
    Position,
    ep_field,
    ep_target,
    occupied_squares,
    stack_position,
)


@kernel
def gives_mate(pos: Position, moves: NDArray[np.uint16], num_moves: int) -> int:
    """Index of the first of the legal `moves` that mates at once, or -1."""
    is_black = (pos[STATE] & BLACK_TO_MOVE) != U0
    occupied = occupied_squares(pos)
    own = occupied & ~pos[WHITE] if is_black else pos[WHITE]
    king = pos[KINGS] & ~own
    king_square = lowest_square(king)
    straight = rook_attacks(king_square, occupied)
    diagonal = bishop_attacks(king_square, occupied)
    knight = KNIGHT_ATTACKS[king_square]
    pawn = pawn_attacks(king, not is_black)
    rooks = pos[ROOKS] | pos[QUEENS]
    bishops = pos[BISHOPS] | pos[QUEENS]
    always = _always_suspect(pos, occupied, own, king_square, straight, diagonal, is_black)
    after = stack_position()
    for index in range(num_moves):
        word = np.uint64(moves[index])
        target = square_bit((word >> TO_SHIFT) & U63)
        suspects = always
        if target & straight != U0:
            suspects |= rooks
        if target & diagonal != U0:
            suspects |= bishops
        if target & knight != U0:
            suspects |= pos[KNIGHTS]
        if target & pawn != U0:
            suspects |= pos[PAWNS]
        if suspects & square_bit(word & U63) == U0:
            continue
        make_move(pos, moves[index], after)
        if in_check(after) and not has_legal_move(after):
            return index
    return -1


@kernel
def _always_suspect(
    pos: Position,
    occupied: np.uint64,
    own: np.uint64,
    king_square: np.uint64,
    straight: np.uint64,
    diagonal: np.uint64,
    is_black: bool,
) -> np.uint64:
    """Own pieces that may give check wherever they go: by leaving, promoting, castling..."""
    suspects = pos[PAWNS] & own & (RANK_2 if is_black else RANK_7)
    if pos[STATE] & RIGHTS_MASK != U0:
        suspects |= pos[KINGS] & own
    ep = ep_field(pos[STATE])
    if ep != U0:
        takers = pawn_attacks(square_bit(ep_target(ep, is_black)), not is_black)
        suspects |= takers & pos[PAWNS] & own
    # Lift the nearest own pieces off: if a slider shines through, one of them was in its way.
    shields = straight & own
    behind = rook_attacks(king_square, occupied ^ shields) & ~straight
    if behind & own & (pos[ROOKS] | pos[QUEENS]) != U0:
        suspects |= shields
    shields = diagonal & own
    behind = bishop_attacks(king_square, occupied ^ shields) & ~diagonal
    if behind & own & (pos[BISHOPS] | pos[QUEENS]) != U0:
        suspects |= shields
    return np.uint64(suspects)
