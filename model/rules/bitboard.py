"""Sets of squares as 64-bit words, and the three machine instructions that make them fast.

8 | 56 57 58 59 60 61 62 63      Bit number = square: a1 = 0, b1 = 1, ... h8 = 63.
7 | 48 49 50 51 52 53 54 55      One step north is << 8, east << 1; north-east << 9.
6 | 40 41 42 43 44 45 46 47
5 | 32 33 34 35 36 37 38 39      In kernels every square, count and shift is a uint64:
4 | 24 25 26 27 28 29 30 31      Numba turns uint64 + int64 into a float, and an unsigned
3 | 16 17 18 19 20 21 22 23      index needs no test for negative values.
2 |  8  9 10 11 12 13 14 15
1 |  0  1  2  3  4  5  6  7
    a  b  c  d  e  f  g  h
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from model.rules.kernel import kernel

U0 = np.uint64(0)
U1 = np.uint64(1)
U2 = np.uint64(2)
U3 = np.uint64(3)
U4 = np.uint64(4)
U5 = np.uint64(5)
U6 = np.uint64(6)
U7 = np.uint64(7)
U8 = np.uint64(8)
U9 = np.uint64(9)
U16 = np.uint64(16)
U56 = np.uint64(56)
U63 = np.uint64(63)

ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
FILE_A = np.uint64(0x0101_0101_0101_0101)
FILE_H = np.uint64(0x8080_8080_8080_8080)
NOT_FILE_A = np.uint64(0xFEFE_FEFE_FEFE_FEFE)
NOT_FILE_H = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
RANK_1 = np.uint64(0x0000_0000_0000_00FF)
RANK_2 = np.uint64(0x0000_0000_0000_FF00)
RANK_3 = np.uint64(0x0000_0000_00FF_0000)
RANK_6 = np.uint64(0x0000_FF00_0000_0000)
RANK_7 = np.uint64(0x00FF_0000_0000_0000)
RANK_8 = np.uint64(0xFF00_0000_0000_0000)
LIGHT_SQUARES = np.uint64(0x55AA_55AA_55AA_55AA)
DARK_SQUARES = np.uint64(0xAA55_AA55_AA55_AA55)


def _num_trailing_zeros(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


def _popcount(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


def _byte_swap(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), generate


Word = Callable[[np.uint64], np.uint64]
lowest_square = cast(Word, intrinsic(_num_trailing_zeros))
"""The lowest square of a set; 64 for the empty set. Kernels only."""
popcount = cast(Word, intrinsic(_popcount))
"""The number of squares of a set. Kernels only."""
byte_swap = cast(Word, intrinsic(_byte_swap))
"""The set with rank 1 and 8, 2 and 7, ... exchanged: White's board seen by Black. Kernels only."""


@kernel
def without_lowest(squares: np.uint64) -> np.uint64:
    """The set without its lowest square."""
    return squares & (squares - U1)


@kernel
def square_bit(square: np.uint64) -> np.uint64:
    """The set of one square."""
    return U1 << square


@kernel
def pawn_attacks(pawns: np.uint64, is_black: bool) -> np.uint64:
    """Squares that a set of pawns of one colour attacks."""
    if is_black:
        return ((pawns & NOT_FILE_A) >> U9) | ((pawns & NOT_FILE_H) >> U7)
    return ((pawns & NOT_FILE_A) << U7) | ((pawns & NOT_FILE_H) << U9)
