"""Squares attacked on an occupied board: one piece at a time, and whole sets at once.

One slider: *hyperbola quintessence*. Take a line with the slider s and the blockers o above it.
`o - s` has to borrow from the first blocker, and the borrow flips exactly the squares it passes:

    squares      . . . s . . X . X      (bit values grow to the right)
    o            . . . . . . 1 . 1
    o - s        . . . 1 1 1 . . 1      borrowed from the first X, ones down to s
    flipped            ^ ^ ^ ^          attacked: the way and the first blocker (s is masked out)

The other direction is the same on a mirrored board. Reversing the order of the bytes mirrors files
and diagonals (each has at most one square in a rank), so `byte_swap` is the mirror. It leaves ranks
as they are; they use a table of 8 files x 64 inner occupancies.

A set of sliders: *parallel-prefix fill* (Kogge-Stone). Three doubling steps slide every piece of
the set along one direction at once. Own pieces block each other, so along one direction no square
is reached by two of them and a population count is a count of moves.
"""

import numpy as np
from numpy.typing import NDArray

from model.rules.bitboard import (
    ALL,
    NOT_FILE_A,
    NOT_FILE_H,
    U1,
    U2,
    U6,
    U7,
    U8,
    U9,
    U16,
    U56,
    U63,
    byte_swap,
)
from model.rules.kernel import kernel

_KNIGHT_STEPS = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))
_KING_STEPS = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))


def _step_table(steps: tuple[tuple[int, int], ...]) -> NDArray[np.uint64]:
    table = np.zeros(64, np.uint64)
    for square in range(64):
        for ranks, files in steps:
            rank, file = square // 8 + ranks, square % 8 + files
            if 0 <= rank < 8 and 0 <= file < 8:
                table[square] |= np.uint64(1 << (8 * rank + file))
    return table


def _line_table() -> NDArray[np.uint64]:
    """uint64[64, 3]: file, diagonal and anti-diagonal through a square, without the square."""
    table = np.zeros((64, 3), np.uint64)
    for square in range(64):
        for line, (ranks, files) in enumerate(((1, 0), (1, 1), (1, -1))):
            for distance in range(-7, 8):
                rank, file = square // 8 + distance * ranks, square % 8 + distance * files
                if distance and 0 <= rank < 8 and 0 <= file < 8:
                    table[square, line] |= np.uint64(1 << (8 * rank + file))
    return table


def _rank_table() -> NDArray[np.uint8]:
    """uint8[8 * 64]: attacks along a rank by file and the occupancy of the files b to g."""
    table = np.zeros(8 * 64, np.uint8)
    for file in range(8):
        for inner in range(64):
            attacked = 0
            for step in (-1, 1):
                target = file + step
                while 0 <= target < 8:
                    attacked |= 1 << target
                    if (inner << 1) >> target & 1:
                        break
                    target += step
            table[64 * file + inner] = attacked
    return table


def _between_table() -> NDArray[np.uint64]:
    """uint64[64 * 64]: squares strictly between two squares of one line; empty if on none."""
    table = np.zeros(64 * 64, np.uint64)
    for square in range(64):
        for ranks, files in _KING_STEPS:
            passed = 0
            rank, file = square // 8 + ranks, square % 8 + files
            while 0 <= rank < 8 and 0 <= file < 8:
                table[64 * square + 8 * rank + file] = passed
                passed |= 1 << (8 * rank + file)
                rank, file = rank + ranks, file + files
    return table


def _through_table() -> NDArray[np.uint64]:
    """uint64[64 * 64]: the whole rank, file or diagonal through two squares; empty if on none."""
    table = np.zeros(64 * 64, np.uint64)
    for square in range(64):
        for ranks, files in _KING_STEPS:
            line = []
            for distance in range(-7, 8):
                rank, file = square // 8 + distance * ranks, square % 8 + distance * files
                if 0 <= rank < 8 and 0 <= file < 8:
                    line.append(8 * rank + file)
            for other in line:
                if other != square:
                    table[64 * square + other] = sum(1 << passed for passed in line)
    return table


KNIGHT_ATTACKS = _step_table(_KNIGHT_STEPS)
KING_ATTACKS = _step_table(_KING_STEPS)
_LINES = _line_table()
_RANK_ATTACKS = _rank_table()
_BETWEEN = _between_table()
_THROUGH = _through_table()
_FILE, _DIAGONAL, _ANTI_DIAGONAL = np.uint64(0), np.uint64(1), np.uint64(2)
_NOT_FILES_AB = np.uint64(0xFCFC_FCFC_FCFC_FCFC)
_NOT_FILES_GH = np.uint64(0x3F3F_3F3F_3F3F_3F3F)


@kernel
def between(a: np.uint64, b: np.uint64) -> np.uint64:
    """Squares strictly between two squares of one rank, file or diagonal; else the empty set."""
    return np.uint64(_BETWEEN[(a << U6) | b])


@kernel
def line_through(a: np.uint64, b: np.uint64) -> np.uint64:
    """The whole rank, file or diagonal that two squares share, with both; else the empty set."""
    return np.uint64(_THROUGH[(a << U6) | b])


@kernel
def _line_attacks(square: np.uint64, occupied: np.uint64, line: np.uint64) -> np.uint64:
    mask = _LINES[square, line]
    blockers = occupied & mask
    up = blockers - (U1 << square)
    down = byte_swap(byte_swap(blockers) - (U1 << (square ^ U56)))
    return np.uint64((up ^ down) & mask)


@kernel
def rook_attacks(square: np.uint64, occupied: np.uint64) -> np.uint64:
    """Squares that a rook on `square` attacks, first blockers included."""
    rank_shift = square & U56
    inner = (occupied >> (rank_shift + U1)) & U63
    along_rank = np.uint64(_RANK_ATTACKS[((square & U7) << U6) | inner]) << rank_shift
    return along_rank | _line_attacks(square, occupied, _FILE)


@kernel
def bishop_attacks(square: np.uint64, occupied: np.uint64) -> np.uint64:
    """Squares that a bishop on `square` attacks, first blockers included."""
    diagonal = _line_attacks(square, occupied, _DIAGONAL)
    return diagonal | _line_attacks(square, occupied, _ANTI_DIAGONAL)


@kernel
def knights_attack(knights: np.uint64) -> np.uint64:
    """Squares that a set of knights attacks."""
    one = ((knights & NOT_FILE_A) >> U1) | ((knights & NOT_FILE_H) << U1)
    two = ((knights >> U2) & _NOT_FILES_GH) | ((knights << U2) & _NOT_FILES_AB)
    return (one << U16) | (one >> U16) | (two << U8) | (two >> U8)


@kernel
def slide_up(
    sliders: np.uint64, empty: np.uint64, step: np.uint64, no_wrap: np.uint64
) -> np.uint64:
    """Squares reached by sliders in a direction of growing squares (N 8, NE 9, E 1, NW 7).

    `no_wrap`: the squares that a step may enter (not file a for steps east, not h for west).
    """
    free = empty & no_wrap
    reached = sliders | (free & (sliders << step))
    free &= free << step
    reached |= free & (reached << (step + step))
    free &= free << (step + step)
    reached |= free & (reached << (step + step + step + step))
    return (reached << step) & no_wrap


@kernel
def slide_down(
    sliders: np.uint64, empty: np.uint64, step: np.uint64, no_wrap: np.uint64
) -> np.uint64:
    """Squares reached by sliders in a direction of falling squares (S 8, SW 9, W 1, SE 7)."""
    free = empty & no_wrap
    reached = sliders | (free & (sliders >> step))
    free &= free >> step
    reached |= free & (reached >> (step + step))
    free &= free >> (step + step)
    reached |= free & (reached >> (step + step + step + step))
    return (reached >> step) & no_wrap


@kernel
def rooks_attack(rooks: np.uint64, empty: np.uint64) -> np.uint64:
    """Squares that a set of rooks attacks (queens count as rooks here)."""
    north_south = slide_up(rooks, empty, U8, ALL) | slide_down(rooks, empty, U8, ALL)
    east_west = slide_up(rooks, empty, U1, NOT_FILE_A) | slide_down(rooks, empty, U1, NOT_FILE_H)
    return north_south | east_west


@kernel
def bishops_attack(bishops: np.uint64, empty: np.uint64) -> np.uint64:
    """Squares that a set of bishops attacks (queens count as bishops here)."""
    north = slide_up(bishops, empty, U9, NOT_FILE_A) | slide_up(bishops, empty, U7, NOT_FILE_H)
    south = slide_down(bishops, empty, U9, NOT_FILE_H) | slide_down(bishops, empty, U7, NOT_FILE_A)
    return north | south
