"""Positions and moves in a mirror that stands beside the board: file a becomes file h.

The rules do not know left from right, but for castling. So once all castling rights are gone, the
mirrored position is as good as the position itself, and its moves are the mirrored moves.

    a b c d e f g h      h g f e d c b a
    . . . . . . K .  ->  . K . . . . . .

Legend: N positions.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.encoding.moves import (
    FIRST_KNIGHT_OFFSET,
    FIRST_UNDERPROMOTION_OFFSET,
    KNIGHT_STEPS,
    NUM_OFFSETS,
    RAYS,
)
from model.rules.position import EP_MASK, EP_SHIFT, RIGHTS_MASK, STATE

_NINE: Final = np.uint64(9)
_SWAPS: Final = (
    (np.uint64(1), np.uint64(0x5555555555555555)),
    (np.uint64(2), np.uint64(0x3333333333333333)),
    (np.uint64(4), np.uint64(0x0F0F0F0F0F0F0F0F)),
)
"""(distance, mask): neighbouring bits, pairs and fours of each byte change places."""


def can_be_mirrored(positions: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """bool[N]: no castling right is left in the positions uint64[N, 8]."""
    gone: NDArray[np.bool_] = (positions[:, STATE] & RIGHTS_MASK) == 0
    return gone


def mirror_positions(positions: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """uint64[N, 8]: the mirrored positions; none of them may have a castling right."""
    assert can_be_mirrored(positions).all()
    mirrored = positions.copy()
    boards = mirrored[:, :STATE]
    for distance, mask in _SWAPS:
        boards[...] = ((boards >> distance) & mask) | ((boards & mask) << distance)
    state = mirrored[:, STATE]
    field = (state & EP_MASK) >> EP_SHIFT
    turned = np.where(field > 0, _NINE - field, 0).astype(np.uint64)
    mirrored[:, STATE] = (state & ~EP_MASK) | (turned << EP_SHIFT)
    return mirrored


def _mirrored_offsets() -> list[int]:
    """Where each of the 73 ways to leave a square leads in the mirror."""
    rays, knights = list(RAYS.values()), list(KNIGHT_STEPS)
    offsets = []
    for ranks, files in rays:
        ray = rays.index((ranks, -files))
        offsets += [7 * ray + step for step in range(7)]
    offsets += [FIRST_KNIGHT_OFFSET + knights.index((ranks, -files)) for ranks, files in knights]
    for piece in range(3):
        # Straight, then the captures to either side.
        offsets += [FIRST_UNDERPROMOTION_OFFSET + 3 * piece + side for side in (0, 2, 1)]
    return offsets


def _mirrored_moves() -> NDArray[np.int64]:
    squares = np.arange(64)[:, None] ^ 7
    return (squares * NUM_OFFSETS + np.array(_mirrored_offsets())).reshape(-1)


MIRRORED_MOVE: Final = _mirrored_moves()
"""int64[4672]: policy index -> policy index in the mirrored position, in either orientation."""
