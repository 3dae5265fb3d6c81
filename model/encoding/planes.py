"""Positions as the network's input: 19 planes of 8 x 8, and 7 more with knowledge.

Row 0 is the eighth rank and column 0 file a, so that a printed plane looks like the board. In
orientation "mover" the board is turned upside down (`square ^ 56`) when Black moves and "own" is
Black: the side to move always plays up. In orientation "white" nothing is turned.

Legend: N positions, C planes.
"""

import numpy as np
from numpy.typing import NDArray

from model.config import Orientation
from model.encoding.knowledge import KNOWLEDGE_PLANES, fill_knowledge
from model.rules.bitboard import U0, U2, byte_swap, lowest_square, without_lowest
from model.rules.kernel import kernel
from model.rules.position import (
    BLACK_TO_MOVE,
    STATE,
    WHITE,
    fullmove_number,
    halfmove_clock,
    has_right,
    occupied_squares,
)

PLANES = (
    "own pawns",
    "own knights",
    "own bishops",
    "own rooks",
    "own queens",
    "own king",
    "other pawns",
    "other knights",
    "other bishops",
    "other rooks",
    "other queens",
    "other king",
    "White to move",
    "own castling on the h-side",
    "own castling on the a-side",
    "other castling on the h-side",
    "other castling on the a-side",
    "halfmove clock",
    "move number",
)
"""Names of the planes; in orientation "white", own is White and other is Black."""
NUM_PLANES = len(PLANES)
"""Without knowledge."""
MAX_HALFMOVE_PLANE = 99
"""The halfmove plane is min(clock, 99) / 99."""
MAX_FULLMOVE_PLANE = 199
"""The move number plane is min(number, 199) / 199."""

_SIDE_PLANE = 12
_FIRST_CASTLING_PLANE = 13
_HALFMOVE_PLANE = 17
_FULLMOVE_PLANE = 18


def num_planes(*, knowledge: bool) -> int:
    """Planes of a network's input."""
    return NUM_PLANES + (len(KNOWLEDGE_PLANES) if knowledge else 0)


def encode_planes(
    positions: NDArray[np.uint64],
    orientation: Orientation,
    out: NDArray[np.float32] | None = None,
    *,
    knowledge: bool = False,
) -> NDArray[np.float32]:
    """float32[N, C, 8, 8] of `positions` uint64[N, 8], all values 0 to 1; C as in `num_planes`.

    `out`: a C-contiguous array of that shape to be filled and returned.
    """
    if positions.ndim != 2 or positions.shape[1] != 8 or positions.dtype != np.uint64:
        raise ValueError(
            f"positions are {positions.dtype}{list(positions.shape)}, expected uint64[N, 8]"
        )
    planes = num_planes(knowledge=knowledge)
    shape = (len(positions), planes, 8, 8)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ValueError(f"out is {out.dtype}{list(out.shape)}, expected float32{list(shape)}")
    encode_planes_into(
        np.ascontiguousarray(positions),
        orientation == "mover",
        out.reshape(len(out), planes, 64),
    )
    return out


@kernel
def encode_planes_into(
    positions: NDArray[np.uint64], mover_orientation: bool, planes_NCS: NDArray[np.float32]
) -> None:
    """Fill float32[N, C, 64] with the planes of uint64[N, 8], C of them: 19, or 26."""
    for number in range(len(positions)):
        pos = positions[number]
        planes = planes_NCS[number]
        is_black = (pos[STATE] & BLACK_TO_MOVE) != U0
        turned = mover_orientation and is_black
        occupied = occupied_squares(pos)
        own = occupied & ~pos[WHITE] if turned else pos[WHITE]
        for piece in range(6):
            _fill_piece_plane(pos[piece] & own, turned, planes[piece])
            _fill_piece_plane(pos[piece] & ~own, turned, planes[6 + piece])
        planes[_SIDE_PLANE, :] = np.float32(0.0 if is_black else 1.0)
        for number_of_right in range(4):
            right = np.uint64(number_of_right) ^ (U2 if turned else U0)
            value = np.float32(1.0 if has_right(pos[STATE], right) else 0.0)
            planes[_FIRST_CASTLING_PLANE + number_of_right, :] = value
        halfmove = min(halfmove_clock(pos), MAX_HALFMOVE_PLANE) / MAX_HALFMOVE_PLANE
        fullmove = min(fullmove_number(pos), MAX_FULLMOVE_PLANE) / MAX_FULLMOVE_PLANE
        planes[_HALFMOVE_PLANE, :] = np.float32(halfmove)
        planes[_FULLMOVE_PLANE, :] = np.float32(fullmove)
        if len(planes) > NUM_PLANES:
            fill_knowledge(pos, turned, planes[NUM_PLANES:])


@kernel
def _fill_piece_plane(pieces: np.uint64, turned: bool, plane_S: NDArray[np.float32]) -> None:
    """Ones on the squares of `pieces`, zeros elsewhere."""
    plane_S[:] = np.float32(0.0)
    # Row order is the reverse of rank order: a board seen by White has its bytes exchanged, and a
    # turned one has them exchanged twice.
    rows = pieces if turned else byte_swap(pieces)
    while rows != U0:
        plane_S[lowest_square(rows)] = np.float32(1.0)
        rows = without_lowest(rows)
