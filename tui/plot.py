"""A figure as rows of text: axes, ticks, curves, marks. Pure; a widget gives the roles colours."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from tui import format as fmt
from tui import raster
from tui.glyphs import Glyphs
from tui.raster import DOTS_X, DOTS_Y, Dots, Floats

Role = Literal["blank", "axis", "raw", "mark", "best", "limit", "series-1", "series-2", "series-3"]
Row = list[tuple[str, Role]]

ROLES: Final[tuple[Role, ...]] = (
    "blank",
    "axis",
    "raw",
    "mark",
    "best",
    "limit",
    "series-1",
    "series-2",
    "series-3",
)
DASHES: Final = ((1, 0), (6, 4), (2, 3))
"""Dots on and off along x for the first, second and third curve: never colour alone."""
MIN_WIDTH: Final = 16
MIN_HEIGHT: Final = 3


@dataclass(frozen=True)
class Curve:
    label: str
    x: Floats
    y: Floats
    percent: bool = False
    """y is a share, read out as per cent."""
    is_read_out: bool = True
    """Its newest value stands in the title."""


@dataclass(frozen=True)
class Mark:
    """An event on the floor of the figure."""

    x: float
    best: bool
    """A promotion rather than a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    limit: float | None = None
    """A horizontal line that the curves should stay under."""
    limit_label: str = ""
    from_zero: bool = False
    x_unit: Literal["step", "time", "rate"] = "step"
    """time: seconds since 1970. rate: the logarithm to base 10 of a learning rate."""
    empty: str = "no data yet"
    """What is said while no curve has a finite point."""

    @property
    def has_points(self) -> bool:
        return any(np.isfinite(curve.y).any() for curve in self.curves)


@dataclass(frozen=True, kw_only=True)
class PlotStyle:
    glyphs: Glyphs
    smoothing: float = 0.9
    """Decay of the moving average; 0 draws the data alone."""
    log: bool = False


class _Grid:
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


def plot(figure: Figure, width: int, height: int, style: PlotStyle) -> list[Row]:
    """`height` rows of exactly `width` cells."""
    grid = _Grid(width, height)
    if width < MIN_WIDTH or height < MIN_HEIGHT or not figure.has_points:
        text = "" if figure.has_points else fmt.fit(figure.empty, min(width, len(figure.empty)))
        grid.text(height // 2, (width - len(text)) // 2, text, "axis")
        return grid.rows()
    _Plotter(figure, grid, style).draw()
    return grid.rows()


class _Plotter:
    def __init__(self, figure: Figure, grid: _Grid, style: PlotStyle) -> None:
        self.figure = figure
        self.grid = grid
        self.style = style
        self.height, self.width = grid.chars.shape
        self.num_rows = self.height - (2 if self.height >= 6 else 1)
        self.x_low, self.x_high = _x_range(figure)
        self.low, self.high = self._y_range()
        count = max(2, min(6, (self.num_rows + 1) // 2))
        values = raster.ticks(self.low, self.high, count, log=style.log)
        if style.log:
            values = raster.ticks(10**self.low, 10**self.high, count, log=True)
        self.ticks = list(zip(values, fmt.axis(values), strict=True))
        self.left = max((len(label) for _, label in self.ticks), default=3) + 1
        labels = [c.label for c in figure.curves] if len(figure.curves) > 1 else []
        self.right = max((len(label) for label in labels), default=-1) + 1
        self.columns = max(1, self.width - self.left - self.right)

    def draw(self) -> None:
        self._axes()
        if self.figure.limit is not None:
            self._limit(self.figure.limit)
        for number, curve in reversed(list(enumerate(self.figure.curves))):
            self._curve(number, curve)
        self._end_labels()

    # Scales --------------------------------------------------------------------------------------

    def _scaled(self, y: Floats) -> Floats:
        if not self.style.log:
            return np.where(np.isfinite(y), y, np.nan)
        positive = np.isfinite(y) & (y > 0)
        return np.where(positive, np.log10(np.where(positive, y, 1.0)), np.nan)

    def _y_range(self) -> tuple[float, float]:
        parts = [self._scaled(c.y) for c in self.figure.curves]
        if self.figure.limit is not None:
            parts.append(self._scaled(np.array([self.figure.limit])))
        if self.figure.from_zero and not self.style.log:
            parts.append(np.array([0.0]))
        values = np.concatenate(parts)
        values = values[np.isfinite(values)]
        if not values.size:
            return 0.0, 1.0
        low, high = float(values.min()), float(values.max())
        if high - low < 1e-9:
            pad = 0.5 * abs(high) or 0.5
            return low - pad, high + pad
        pad = 0.04 * (high - low)
        keeps_floor = self.figure.from_zero and not self.style.log and low >= 0
        return (low if keeps_floor else low - pad), high + pad

    def _cell_row(self, scaled: float) -> int:
        """The cell row of a value that is already on the (perhaps logarithmic) axis."""
        rows = self.num_rows * DOTS_Y
        return int(raster.row_of(np.array([scaled]), self.low, self.high, rows)[0]) // DOTS_Y

    # Parts ---------------------------------------------------------------------------------------

    def _axes(self) -> None:
        glyphs = self.style.glyphs
        for row in range(self.num_rows):
            self.grid.text(row, self.left - 1, glyphs.axis, "axis")
        for value, label in self.ticks:
            row = self._cell_row(math.log10(value) if self.style.log else value)
            self.grid.text(row, 0, label.rjust(self.left - 1) + glyphs.tick, "axis")
        floor = self.num_rows
        self.grid.text(floor, self.left - 1, glyphs.corner + glyphs.floor * self.columns, "axis")
        for mark in sorted(self.figure.marks, key=lambda m: m.best):
            if self.x_low <= mark.x <= self.x_high:
                x = np.array([mark.x])
                column = int(raster.column_of(x, self.x_low, self.x_high, self.columns)[0])
                sign = glyphs.best if mark.best else glyphs.checkpoint
                role: Role = "best" if mark.best else "mark"
                self.grid.text(floor, self.left + column, sign, role)
        if floor + 1 < self.height:
            first, last = self._x_labels()
            self.grid.text(floor + 1, self.left, first, "axis")
            end = self.left + self.columns - len(last)
            if end > self.left + len(first):
                self.grid.text(floor + 1, end, last, "axis")

    def _x_labels(self) -> tuple[str, str]:
        if self.figure.x_unit == "time":
            return f"{fmt.duration(self.x_high - self.x_low)} ago", "now"
        if self.figure.x_unit == "rate":
            return f"{10**self.x_low:.0e}", f"rate {10**self.x_high:.0e}"
        return fmt.count(self.x_low), f"step {fmt.count(self.x_high)}"

    def _limit(self, limit: float) -> None:
        scaled = float(self._scaled(np.array([limit]))[0])
        if math.isnan(scaled):
            return
        row = self._cell_row(scaled)
        line = self.style.glyphs.limit * self.columns
        label = f" {self.figure.limit_label} "
        if 2 < len(label) < self.columns - 4:
            cut = self.columns - len(label) - 2
            line = line[:cut] + label + line[cut + len(label) :]
        self.grid.text(row, self.left, line, "limit")

    def _curve(self, number: int, curve: Curve) -> None:
        y = self._scaled(curve.y)
        smooth = raster.ema(y, self.style.smoothing)
        role: Role = ROLES[ROLES.index("series-1") + min(number, 2)]
        if self.style.smoothing > 0:
            self._paint(self._dots(curve.x, y, joined=False), "raw", over=False)
        on, off = DASHES[min(number, 2)]
        self._paint(raster.dash(self._dots(curve.x, smooth, joined=True), on, off), role, over=True)

    def _dots(self, x: Floats, y: Floats, *, joined: bool) -> Dots:
        fill = raster.connect if joined else raster.decimate
        least, greatest = fill(x, y, self.x_low, self.x_high, self.columns * DOTS_X)
        num_rows = self.num_rows * DOTS_Y
        top = raster.row_of(greatest, self.low, self.high, num_rows)
        bottom = raster.row_of(least, self.low, self.high, num_rows)
        return raster.spans(top, bottom, num_rows, joined=joined)

    def _paint(self, dots: Dots, role: Role, *, over: bool) -> None:
        """Lay dots into the cells. The raw band never touches a cell that is taken."""
        codes = raster.braille(dots)
        area = (slice(0, self.num_rows), slice(self.left, self.left + self.columns))
        chars, roles = self.grid.chars[area], self.grid.roles[area]
        index = ROLES.index(role)
        lit = codes > 0
        if not over:
            lit &= (roles == ROLES.index("blank")) | (roles == ROLES.index("raw"))
        if self.style.glyphs.ascii:
            drawn = _ascii(codes, raw=role == "raw")
        else:
            curves = roles >= ROLES.index("series-1")
            taken = np.where(
                curves & (chars.view(np.uint32) >= 0x2800), chars.view(np.uint32) & 0xFF, 0
            )
            drawn = (0x2800 + (codes | taken.astype(np.uint16)).astype(np.uint32)).view("<U1")
        chars[lit] = drawn[lit]
        roles[lit] = index

    def _end_labels(self) -> None:
        if not self.right:
            return
        taken: set[int] = set()
        for number, curve in enumerate(self.figure.curves):
            smooth = raster.ema(self._scaled(curve.y), self.style.smoothing)
            finite = smooth[np.isfinite(smooth)]
            if not finite.size:
                continue
            row = self._cell_row(float(finite[-1]))
            free = [r for r in range(self.num_rows) if r not in taken]
            if not free:
                return
            row = min(free, key=lambda r, wanted=row: (abs(r - wanted), r))  # type: ignore[misc]
            taken.add(row)
            role: Role = ROLES[ROLES.index("series-1") + min(number, 2)]
            self.grid.text(row, self.left + self.columns + 1, curve.label, role)


def _x_range(figure: Figure) -> tuple[float, float]:
    ends = [(float(c.x[0]), float(c.x[-1])) for c in figure.curves if c.x.size]
    return min(a for a, _ in ends), max(b for _, b in ends)


def _ascii(codes: npt.NDArray[np.uint16], *, raw: bool) -> npt.NDArray[np.str_]:
    """Upper half ', lower half ., both :; the band of raw data is made of commas."""
    upper = (codes & 0b00011011) > 0
    lower = (codes & 0b11100100) > 0
    if raw:
        return np.where(upper | lower, ",", " ")
    return np.where(upper & lower, ":", np.where(upper, "'", np.where(lower, ".", " ")))
