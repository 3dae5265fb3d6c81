"""The words of a position and the bits of its state word, by name.

A position is `uint64[8]`: pawns, knights, bishops, rooks, queens, kings (both colours), the squares
of White's pieces, and the state word:

    bit  63 ... 44  43-41 40-38 37-35 34-32   31 ... 19  18-17   16 ... 9  8-5  4 3 2 1  0
         unused     q     k     Q     K       fullmove   repeat  halfmove  ep   q k Q K  black
                    rook files of the rights  number             clock     file  rights   to move

A rook file is 0 where its right is gone. The en-passant field is file + 1 and set only if a legal
en-passant capture exists, so that equal positions are equal words. Nothing here checks anything.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray

from model.rules.bitboard import U0, U1, U3, U7, U16
from model.rules.kernel import kernel

Position = NDArray[np.uint64]
"""uint64[8]."""

PAWNS, KNIGHTS, BISHOPS, ROOKS, QUEENS, KINGS, WHITE, STATE = range(8)

NO_PROMOTION, TO_KNIGHT, TO_BISHOP, TO_ROOK, TO_QUEEN = range(5)
"""Promotion field of a move: `from | to << 6 | promotion << 12`. It is also the piece's word."""

TO_SHIFT = np.uint64(6)
PROMOTION_SHIFT = np.uint64(12)

BLACK_TO_MOVE = np.uint64(1)
RIGHTS_SHIFT = np.uint64(1)
RIGHTS_MASK = np.uint64(0b1111 << 1)
EP_SHIFT = np.uint64(5)
EP_MASK = np.uint64(0b1111 << 5)
HALFMOVE_SHIFT = np.uint64(9)
HALFMOVE_MASK = np.uint64(0xFF << 9)
MAX_HALFMOVE = np.uint64(255)
REPETITIONS_SHIFT = np.uint64(17)
REPETITIONS_MASK = np.uint64(0b11 << 17)
MAX_REPETITIONS = np.uint64(2)
FULLMOVE_SHIFT = np.uint64(19)
FULLMOVE_MASK = np.uint64(0x1FFF << 19)
MAX_FULLMOVE = np.uint64(8191)
ROOK_FILES_SHIFT = np.uint64(32)

_U15 = np.uint64(15)
_U40 = np.uint64(40)


def _stack_position(typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.return_type)(context, builder)
        words = cgutils.alloca_once(builder, ir.IntType(64), size=8)
        eight = context.get_constant(types.intp, 8)
        populate_array(array, words, [eight], [eight], itemsize=eight, meminfo=None)
        return array._getvalue()

    return types.Array(types.uint64, 1, "C")(), generate


stack_position = cast(Callable[[], Position], intrinsic(_stack_position))
"""Room for a position on the stack of the kernel that asks; gone when it returns. Kernels only."""


@kernel
def black_to_move(pos: Position) -> bool:
    """Whether Black is to move."""
    return bool(pos[STATE] & BLACK_TO_MOVE != U0)


@kernel
def halfmove_clock(pos: Position) -> int:
    """Plies since the last capture or pawn move; 255 means 255 or more."""
    return int(np.int64((pos[STATE] & HALFMOVE_MASK) >> HALFMOVE_SHIFT))


@kernel
def fullmove_number(pos: Position) -> int:
    """Number of the move, 1 at the start; 8191 means 8191 or more."""
    return int(np.int64((pos[STATE] & FULLMOVE_MASK) >> FULLMOVE_SHIFT))


@kernel
def repetitions(pos: Position) -> int:
    """Earlier occurrences in the game, as far as the bits were filled: 0, 1, or 2 for more."""
    field = (pos[STATE] & REPETITIONS_MASK) >> REPETITIONS_SHIFT
    return int(np.int64(field))


@kernel
def set_repetitions(pos: Position, num_earlier: int) -> None:
    """Fill the repetition bits of `pos` in place; more than two earlier ones count as two."""
    count = np.uint64(min(max(num_earlier, 0), 2))
    pos[STATE] = (pos[STATE] & ~REPETITIONS_MASK) | (count << REPETITIONS_SHIFT)


def with_repetitions(pos: Position, num_earlier: int) -> Position:
    """A copy of `pos` with the repetition bits filled."""
    copy = pos.copy()
    set_repetitions(copy, num_earlier)
    return copy


@kernel
def has_right(state: np.uint64, right: np.uint64) -> bool:
    """Whether the castling right 0 K, 1 Q, 2 k or 3 q exists."""
    return bool((state >> (RIGHTS_SHIFT + right)) & U1 != U0)


@kernel
def rook_file(state: np.uint64, right: np.uint64) -> np.uint64:
    """File of the rook of a castling right that exists."""
    return (state >> (ROOK_FILES_SHIFT + U3 * right)) & U7


@kernel
def ep_field(state: np.uint64) -> np.uint64:
    """File + 1 of the pawn that can be captured en passant, or 0."""
    return (state >> EP_SHIFT) & _U15


@kernel
def ep_target(field: np.uint64, is_black: bool) -> np.uint64:
    """Square on which a capture en passant ends, from a set `ep_field` and the side to move."""
    return field - U1 + (U16 if is_black else _U40)


@kernel
def occupied_squares(pos: Position) -> np.uint64:
    """All pieces of both colours."""
    steppers = pos[PAWNS] | pos[KNIGHTS] | pos[KINGS]
    return np.uint64(steppers | pos[BISHOPS] | pos[ROOKS] | pos[QUEENS])
