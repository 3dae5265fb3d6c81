"""Moves as indices of the policy: 64 origin squares x 73 ways to leave one = 4672.

    offset  0-55   rays, seven steps each:  N 0-6, S 7-13, E 14-20, W 21-27,
                                            NE 28-34, NW 35-41, SE 42-48, SW 49-55
    offset 56-63   knight steps
    offset 64-72   under-promotions: to knight, bishop, rook; each straight, then the two captures

Castling as `e1g1` is two steps of the ray; a castling that only Chess960 has is the ray from king
to rook (no other move ends on an own piece). A queen promotion is its ray. Seen from the mover,
Black's squares are turned by `square ^ 56`; what is north on the turned board is offset 0.

Under-promotion captures go towards file a first, then towards h. Orientation "white" has them the
other way round for Black, as the earlier program did.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.config import Orientation
from model.rules.bitboard import U0, U1, U2, U3, U4, U6, U7, U56, U63, square_bit
from model.rules.fen import to_fen
from model.rules.kernel import kernel
from model.rules.movegen import MAX_LEGAL_MOVES, legal_moves
from model.rules.position import (
    BLACK_TO_MOVE,
    KINGS,
    PROMOTION_SHIFT,
    STATE,
    TO_QUEEN,
    TO_SHIFT,
    Position,
)

NUM_OFFSETS = 73
"""Ways to leave a square."""
NUM_MOVES = 64 * NUM_OFFSETS
"""Policy indices, 4672. An index is `origin square * 73 + offset`."""
MOVE_ENCODING: Final = 1
"""Version of this numbering; another one if an index ever means another move."""

RAYS = {
    "N": (1, 0),
    "S": (-1, 0),
    "E": (0, 1),
    "W": (0, -1),
    "NE": (1, 1),
    "NW": (1, -1),
    "SE": (-1, 1),
    "SW": (-1, -1),
}
"""Name of a ray -> (ranks, files) of one step; ray i has the offsets 7 i to 7 i + 6."""
KNIGHT_STEPS = ((-2, -1), (-2, 1), (-1, -2), (-1, 2), (1, -2), (1, 2), (2, -1), (2, 1))
"""(ranks, files) of the offsets 56 to 63."""
FIRST_KNIGHT_OFFSET = 56
FIRST_UNDERPROMOTION_OFFSET = 64


def _offset_table() -> NDArray[np.uint8]:
    """uint8[64 * 64]: offset of the step from one square to another; 255 if no piece can."""
    table = np.full((64, 64), 255, np.uint8)
    steps = [
        (7 * ray + distance - 1, ranks * distance, files * distance)
        for ray, (ranks, files) in enumerate(RAYS.values())
        for distance in range(1, 8)
    ]
    steps += [(FIRST_KNIGHT_OFFSET + i, *step) for i, step in enumerate(KNIGHT_STEPS)]
    for origin in range(64):
        for offset, ranks, files in steps:
            rank, file = origin // 8 + ranks, origin % 8 + files
            if 0 <= rank < 8 and 0 <= file < 8:
                table[origin, 8 * rank + file] = offset
    return table.reshape(-1)


_OFFSETS = _offset_table()
_U73 = np.uint64(NUM_OFFSETS)
_UNDERPROMOTIONS = np.uint64(FIRST_UNDERPROMOTION_OFFSET)
_QUEEN = np.uint64(TO_QUEEN)


@kernel
def policy_index(pos: Position, move: int, mover_orientation: bool) -> int:
    """The index, 0 to 4671, of a legal `move` of the position."""
    word = np.uint64(move)
    origin = word & U63
    target = (word >> TO_SHIFT) & U63
    promotion = word >> PROMOTION_SHIFT
    is_black = (pos[STATE] & BLACK_TO_MOVE) != U0
    if pos[KINGS] & square_bit(origin) != U0 and origin & U7 == U4:
        target = _castled_king(origin, target)
    if mover_orientation and is_black:
        origin ^= U56
        target ^= U56
    offset = np.uint64(_OFFSETS[(origin << U6) | target])
    if promotion != U0 and promotion != _QUEEN:
        side = U0
        if origin & U7 != target & U7:
            to_a = target & U7 < origin & U7
            side = U1 if to_a != (is_black and not mover_orientation) else U2
        offset = _UNDERPROMOTIONS + U3 * (promotion - U1) + side
    return int(np.int64(origin * _U73 + offset))


@kernel
def policy_indices(
    pos: Position,
    moves: NDArray[np.uint16],
    num_moves: int,
    mover_orientation: bool,
    out: NDArray[np.int16],
) -> None:
    """Write the indices of the first `num_moves` legal moves into `out`."""
    for number in range(num_moves):
        out[number] = policy_index(pos, moves[number], mover_orientation)


def index_to_move(pos: Position, index: int, orientation: Orientation) -> int:
    """The legal move with this index; ValueError if no legal move has it."""
    moves = np.empty(MAX_LEGAL_MOVES, np.uint16)
    indices = np.empty(MAX_LEGAL_MOVES, np.int16)
    num_moves = legal_moves(pos, moves)
    policy_indices(pos, moves, num_moves, orientation == "mover", indices)
    for number in np.flatnonzero(indices[:num_moves] == index):
        return int(moves[number])
    raise ValueError(f"policy index {index!r} is no legal move in {to_fen(pos)!r}")


@kernel
def _castled_king(origin: np.uint64, target: np.uint64) -> np.uint64:
    """Where the king of the e-file goes: two steps if `target` is its rook in the corner."""
    # No other king move is three or four files wide, so the rook need not be looked for.
    if target == origin + U3:
        return origin + U2
    return origin - U2 if target == origin - U4 else target
