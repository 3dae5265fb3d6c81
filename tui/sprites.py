"""Pieces for the largest squares: four cells wide and three high, drawn with quarter blocks.

A dot below is a quarter of a cell, twice as high as it is wide.
"""

from typing import Final

import chess

WIDTH: Final = 4
"""Cells."""
_QUARTERS: Final = " ▗▖▄▝▐▞▟▘▚▌▙▀▜▛█"
"""By the bits upper left 8, upper right 4, lower left 2, lower right 1."""

_DOTS: Final = {
    chess.PAWN: """
........
...##...
..####..
...##...
..####..
.######.
""",
    chess.KNIGHT: """
...##...
..#####.
.######.
###.###.
..#####.
.#######
""",
    chess.BISHOP: """
...##...
..####..
..##.#..
...##...
..####..
.######.
""",
    chess.ROOK: """
........
##.##.##
.######.
..####..
..####..
.######.
""",
    chess.QUEEN: """
...##...
#..##..#
##.##.##
.######.
..####..
.######.
""",
    chess.KING: """
...##...
.######.
...##...
.##..##.
########
.######.
""",
}


def _cells(dots: str) -> tuple[str, ...]:
    """Four dots a cell."""
    rows = [[int(dot == "#") for dot in row] for row in dots.split()]
    return tuple(
        "".join(
            _QUARTERS[8 * upper[x] + 4 * upper[x + 1] + 2 * lower[x] + lower[x + 1]]
            for x in range(0, 2 * WIDTH, 2)
        )
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )


SPRITES: Final = {kind: _cells(dots) for kind, dots in _DOTS.items()}
"""Rows of text by type of piece."""
