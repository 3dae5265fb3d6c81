"""A field of characters, each with a role that a widget colours; dots become braille. Pure."""

from itertools import pairwise
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from tui import raster
from tui.raster import Dots

Role = Literal[
    "blank",
    "axis",
    "raw",
    "cursor",
    "mark",
    "best",
    "alert",
    "limit",
    "series-1",
    "series-2",
    "series-3",
    "series-4",
    "series-5",
    "series-6",
]
Row = list[tuple[str, Role]]

ROLES: Final[tuple[Role, ...]] = get_args(Role)


class Grid:
    """Characters with roles, addressed by cell."""

    def __init__(self, width: int, height: int) -> None:
        self.chars = np.full((height, width), " ", dtype="<U1")
        self.roles: npt.NDArray[np.int8] = np.zeros((height, width), dtype=np.int8)

    def text(self, row: int, column: int, text: str, role: Role) -> None:
        height, width = self.chars.shape
        if not 0 <= row < height:
            return
        for i, char in enumerate(text):
            if 0 <= column + i < width:
                self.chars[row, column + i] = char
                self.roles[row, column + i] = ROLES.index(role)

    def dots(self, left: int, dots: Dots, role: Role, *, over: bool, ascii: bool) -> None:
        """Lay dots into cells from column `left` on. A raw band never touches one that is taken."""
        codes = raster.braille(dots)
        rows, columns = codes.shape
        area = (slice(0, rows), slice(left, left + columns))
        chars, roles = self.chars[area], self.roles[area]
        index = ROLES.index(role)
        lit = codes > 0
        if not over:
            lit &= (roles == ROLES.index("blank")) | (roles == ROLES.index("raw"))
        if ascii:
            drawn = _ascii(codes, raw=role == "raw")
        else:
            curves = roles >= ROLES.index("series-1")
            taken = np.where(
                curves & (chars.view(np.uint32) >= 0x2800), chars.view(np.uint32) & 0xFF, 0
            )
            drawn = (0x2800 + (codes | taken.astype(np.uint16)).astype(np.uint32)).view("<U1")
        chars[lit] = drawn[lit]
        roles[lit] = index

    def rows(self) -> list[Row]:
        return [self._runs(y) for y in range(self.chars.shape[0])]

    def _runs(self, y: int) -> Row:
        roles = self.roles[y]
        edges = [0, *(np.flatnonzero(np.diff(roles)) + 1).tolist(), roles.size]
        return [
            ("".join(self.chars[y, a:b].tolist()), ROLES[int(roles[a])])
            for a, b in pairwise(edges)
            if b > a
        ]


def _ascii(codes: npt.NDArray[np.uint16], *, raw: bool) -> npt.NDArray[np.str_]:
    """Upper half ', lower half ., both :; the band of raw data is made of commas."""
    upper = (codes & 0b00011011) > 0
    lower = (codes & 0b11100100) > 0
    if raw:
        return np.where(upper | lower, ",", " ")
    return np.where(upper & lower, ":", np.where(upper, "'", np.where(lower, ".", " ")))
