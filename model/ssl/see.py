"""Static exchange evaluation: is a piece lost when both sides go on capturing on its square?

Each side in turn captures with its least valuable attacker or stops, whichever is better for it:

    . . . r . . . .     White's knight on d5 is attacked by the rook and defended by the pawn.
    . . . . . . . .     Rxd5 wins 3, exd5 wins 5 back: Black does better not to begin, and
    . . . N . . . .     the knight is not lost. With a black pawn on c6 it is: cxd5 wins 3 and
    . . . . P . . .     loses 1.

- Values: pawn 1, knight 3, bishop 3, rook 5, queen 9 (`VALUES`).
- X-rays count: who stands behind a captor on its line captures after it.
- Of equal captors the one nearest its own first rank takes, then the one nearest file a.
- A king captures only where nobody can take back.
- A piece pinned to its king captures only along the line of its pin. Pins are those on the board
  before the first capture.
- A pawn that captures on the last rank becomes a queen.
- Whose move it is does not matter, nor do checks elsewhere and captures en passant.
"""

import numpy as np

from model.rules.attacks import (
    KING_ATTACKS,
    KNIGHT_ATTACKS,
    bishop_attacks,
    line_through,
    rook_attacks,
)
from model.rules.bitboard import (
    RANK_1,
    RANK_8,
    U0,
    U56,
    byte_swap,
    lowest_square,
    pawn_attacks,
    square_bit,
)
from model.rules.kernel import kernel
from model.rules.position import (
    BISHOPS,
    KINGS,
    KNIGHTS,
    PAWNS,
    QUEENS,
    ROOKS,
    WHITE,
    Position,
    occupied_squares,
)

VALUES = np.array([1, 3, 3, 5, 9, 100])
"""Of pawn, knight, bishop, rook, queen and king, in pawns. A king is worth more than all else."""

_LAST_RANKS = RANK_1 | RANK_8


@kernel
def kind_at(pos: Position, bit: np.uint64) -> int:
    """The word of the piece on an occupied square: 0 pawn to 5 king."""
    kind = 0
    while pos[kind] & bit == U0:
        kind += 1
    return kind


@kernel
def attackers_of(pos: Position, square: np.uint64, occupied: np.uint64) -> np.uint64:
    """Pieces of both sides that attack `square`, of those that stand in `occupied`."""
    target = square_bit(square)
    white_pawns = pos[PAWNS] & pos[WHITE]
    attackers = pawn_attacks(target, True) & white_pawns
    attackers |= pawn_attacks(target, False) & (pos[PAWNS] ^ white_pawns)
    attackers |= KNIGHT_ATTACKS[square] & pos[KNIGHTS]
    attackers |= KING_ATTACKS[square] & pos[KINGS]
    attackers |= rook_attacks(square, occupied) & (pos[ROOKS] | pos[QUEENS])
    attackers |= bishop_attacks(square, occupied) & (pos[BISHOPS] | pos[QUEENS])
    return np.uint64(attackers & occupied)


@kernel
def wins_exchange(
    pos: Position, square: np.uint64, is_black: bool, at_least: int, pinned: np.uint64
) -> bool:
    """Whether one side, capturing first on `square`, comes out `at_least` pawns ahead.

    On the square stands a piece of the other side, no king. `at_least` is 1 or more. `pinned` are
    the pieces of both sides that are pinned to their kings.
    """
    target = square_bit(square)
    occupied = occupied_squares(pos)
    held = _held(pos, square, pinned)
    prey = VALUES[kind_at(pos, target)]
    ahead = 0
    black_captures = is_black
    while True:
        side = ~pos[WHITE] if black_captures else pos[WHITE]
        captors = attackers_of(pos, square, occupied) & ~held & side
        if captors == U0:
            break
        kind = 0
        while pos[kind] & captors == U0:
            kind += 1
        captors &= pos[kind]
        captor = (
            lowest_square(byte_swap(captors)) ^ U56 if black_captures else lowest_square(captors)
        )
        occupied ^= square_bit(captor)
        if kind == KINGS and attackers_of(pos, square, occupied) & ~held & ~side != U0:
            break
        gain = prey
        prey = VALUES[kind]
        if kind == PAWNS and target & _LAST_RANKS != U0:
            prey = VALUES[QUEENS]
            gain += VALUES[QUEENS] - VALUES[PAWNS]
        # Whoever is content stops here, and the other has to go on.
        if black_captures == is_black:
            ahead += gain
            if ahead < at_least:
                return False
        else:
            ahead -= gain
            if ahead >= at_least:
                return True
        black_captures = not black_captures
    return bool(black_captures != is_black)


@kernel
def _held(pos: Position, square: np.uint64, pinned: np.uint64) -> np.uint64:
    """Pinned pieces that may not go to `square`: their pin has another line."""
    if pinned == U0:
        return U0
    white_king = lowest_square(pos[KINGS] & pos[WHITE])
    black_king = lowest_square(pos[KINGS] & ~pos[WHITE])
    white_line = line_through(white_king, square) & pos[WHITE]
    black_line = line_through(black_king, square) & ~pos[WHITE]
    return np.uint64(pinned & ~(white_line | black_line))
