"""A 64-bit key for a position: equal positions in the sense of the repetition rule, equal keys.

Pieces, side to move, castling rights (with their rook files, for Chess960) and the en-passant file
count; clocks and the repetition bits do not. The numbers come from a fixed seed, so keys may be
stored.
"""

import numpy as np
from numpy.typing import NDArray

from model.rules.bitboard import U0, U1, U8, U63, lowest_square, without_lowest
from model.rules.kernel import kernel
from model.rules.position import (
    BLACK_TO_MOVE,
    RIGHTS_MASK,
    STATE,
    WHITE,
    Position,
    ep_field,
    has_right,
    rook_file,
)

_NUM_PIECE_KEYS = 12 * 64
_RIGHTS_START = np.uint64(_NUM_PIECE_KEYS)
_EP_START = np.uint64(_NUM_PIECE_KEYS + 4 * 8 - 1)  # The field is file + 1.
_BLACK_KEY = np.uint64(_NUM_PIECE_KEYS + 4 * 8 + 8)
_NUM_KEYS = _NUM_PIECE_KEYS + 4 * 8 + 8 + 1


def _splitmix64(seed: int, count: int) -> NDArray[np.uint64]:
    """`count` numbers of Vigna's splitmix64, written out so that no library can change them."""
    mask = (1 << 64) - 1
    numbers = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        word = seed
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(word ^ (word >> 31))
    return np.array(numbers, np.uint64)


_KEYS = _splitmix64(seed=0x4D61_7472_6978_3000, count=_NUM_KEYS)


@kernel
def zobrist(pos: Position) -> np.uint64:
    """The key of `pos`."""
    state = pos[STATE]
    key = U0
    offset = U0
    for piece in range(6):
        for colour in range(2):
            pieces = pos[piece] & (pos[WHITE] if colour == 0 else ~pos[WHITE])
            while pieces != U0:
                key ^= _KEYS[offset + lowest_square(pieces)]
                pieces = without_lowest(pieces)
            offset += U1 + U63
    if state & RIGHTS_MASK != U0:
        for number in range(4):
            right = np.uint64(number)
            if has_right(state, right):
                key ^= _KEYS[_RIGHTS_START + U8 * right + rook_file(state, right)]
    ep = ep_field(state)
    if ep != U0:
        key ^= _KEYS[_EP_START + ep]
    if state & BLACK_TO_MOVE != U0:
        key ^= _KEYS[_BLACK_KEY]
    return key
