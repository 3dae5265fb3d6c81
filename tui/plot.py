"""A figure as rows of text: axes, ticks, curves, marks. Pure; a widget gives the roles colours."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from tui import format as fmt
from tui import raster
from tui.figure import Curve, Figure, MarkKind, x_window
from tui.glyphs import Glyphs
from tui.grid import ROLES, Grid, Role, Row
from tui.raster import DOTS_X, DOTS_Y, Dots, Floats
from tui.series import Series
from tui.viewport import WHOLE, Viewport

DASHES: Final = ((1, 0), (6, 4), (2, 3), (12, 3), (1, 5), (8, 8))
"""Dots on and off along x for the first, second and further curves: never colour alone."""
MIN_WIDTH: Final = 16
MIN_HEIGHT: Final = 3
GROUPS_PER_DOT: Final = 4
"""Groups of values that are looked at for one column of dots; more would draw the same."""
TICKS_FROM: Final = 56
"""Columns of a figure from which on there are labels between the two ends of the x axis."""


@dataclass(frozen=True, kw_only=True)
class PlotStyle:
    glyphs: Glyphs
    smoothing: float = 0.9
    """Decay of the moving average; 0 draws the data alone."""
    log: bool = False
    view: Viewport = WHOLE
    cursor: float | None = None
    """x of the vertical line."""


@dataclass(frozen=True)
class Drawn:
    rows: list[Row]
    left: int = 0
    """Cells before the x axis begins."""
    columns: int = 1
    """Cells of the x axis."""


def plot(figure: Figure, width: int, height: int, style: PlotStyle) -> Drawn:
    """`height` rows of exactly `width` cells."""
    grid = Grid(width, height)
    if width < MIN_WIDTH or height < MIN_HEIGHT or not figure.has_points:
        text = "" if figure.has_points else fmt.fit(figure.empty, min(width, len(figure.empty)))
        grid.text(height // 2, (width - len(text)) // 2, text, "axis")
        return Drawn(grid.rows())
    plotter = _Plotter(figure, grid, style)
    plotter.draw()
    return Drawn(grid.rows(), plotter.left, plotter.columns)


@dataclass(frozen=True)
class _Part:
    """What of a curve is in the window; x and y on their axes, perhaps logarithmic."""

    x: Floats
    low: Floats
    high: Floats
    gaps: Floats
    """x of what is not a number."""


class _Plotter:
    def __init__(self, figure: Figure, grid: Grid, style: PlotStyle) -> None:
        self.figure = figure
        self.grid = grid
        self.style = style
        self.height, self.width = grid.chars.shape
        self.num_rows = self.height - (2 if self.height >= 6 else 1)
        self.scale, self.x_low, self.x_high = x_window(figure, style.view)
        self.ends = (self.scale.at(self.x_low), self.scale.at(self.x_high))
        most = GROUPS_PER_DOT * DOTS_X * self.width
        self.raw = [self._part(c, c.series, most) for c in figure.curves]
        self.smooth = [
            self._part(c, c.series.smoothed(style.smoothing), 8 * self.width) for c in figure.curves
        ]
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
        for number in reversed(range(len(self.smooth))):
            self._curve(number, self.raw[number], self.smooth[number])
        if self.style.cursor is not None:
            self._cursor(self.style.cursor)
        self._end_labels(self.smooth)

    # Scales --------------------------------------------------------------------------------------

    def _scaled(self, y: Floats) -> Floats:
        if not self.style.log:
            return np.where(np.isfinite(y), y, np.nan)
        positive = np.isfinite(y) & (y > 0)
        return np.where(positive, np.log10(np.where(positive, y, 1.0)), np.nan)

    def _part(self, curve: Curve, series: Series, most: int) -> _Part:
        first = int(np.searchsorted(curve.x, self.x_low, side="left"))
        last = int(np.searchsorted(curve.x, self.x_high, side="right"))
        band = series.band(first, last, most)
        high = self._scaled(band.greatest)
        low = high if band.least is band.greatest else self._scaled(band.least)
        # Of a group that crosses zero a logarithm has the upper part alone.
        low = np.where(np.isnan(low), high, low)
        x = self.scale.of(curve.x[band.starts])
        return _Part(x, low, high, x[np.isnan(band.greatest)])

    def _y_range(self) -> tuple[float, float]:
        drawn = self.smooth if self.figure.compares else self.raw
        parts = [values for part in drawn for values in (part.low, part.high)]
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

    def _cell_column(self, x: float) -> int | None:
        """The column of an x within the figure; None outside the window."""
        if not self.x_low <= x <= self.x_high:
            return None
        scaled = np.array([self.scale.at(x)])
        return self.left + int(raster.column_of(scaled, *self.ends, self.columns)[0])

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
        if floor + 1 < self.height:
            self._x_axis(floor + 1)
        self._marks(floor)

    def _marks(self, row: int) -> None:
        glyphs = self.style.glyphs
        signs: dict[MarkKind, tuple[str, Role]] = {
            "checkpoint": (glyphs.checkpoint, "mark"),
            "setting": (glyphs.changed, "mark"),
            "alert": ("!", "alert"),
            "missing": (glyphs.failed, "limit"),
            "best": (glyphs.best, "best"),
        }
        kinds = list(signs)
        for mark in sorted(self.figure.marks, key=lambda m: kinds.index(m.kind)):
            column = self._cell_column(mark.x)
            if column is not None:
                self.grid.text(row, column, *signs[mark.kind])
        for part in self.raw:
            for column in set(raster.column_of(part.gaps, *self.ends, self.columns).tolist()):
                self.grid.text(row, self.left + column, *signs["missing"])

    def _x_axis(self, row: int) -> None:
        first, last = self._x_labels()
        self.grid.text(row, self.left, first, "axis")
        end = self.left + self.columns - len(last)
        if end > self.left + len(first):
            self.grid.text(row, end, last, "axis")
        if self.columns < TICKS_FROM or self.figure.x_unit in ("time", "elapsed", "rate"):
            return
        free = self.left + len(first) + 2
        for value in raster.ticks(self.x_low, self.x_high, self.columns // 16):
            label, column = fmt.count(value), self._cell_column(value)
            if column is None:
                continue
            start = column - len(label) // 2
            if free <= start and start + len(label) + 2 <= end:
                self.grid.text(row, start, label, "axis")
                self.grid.text(row - 1, column, self.style.glyphs.x_tick, "axis")
                free = start + len(label) + 2

    def _x_labels(self) -> tuple[str, str]:
        if self.figure.x_unit == "time":
            newest = max(float(c.x[-1]) for c in self.figure.curves if c.x.size)
            ago = newest - self.x_high
            first = f"{fmt.duration(newest - self.x_low)} ago"
            return first, "now" if ago < 1 else f"{fmt.duration(ago)} ago"
        if self.figure.x_unit == "elapsed":
            return fmt.duration(self.x_low), f"at work {fmt.duration(self.x_high)}"
        if self.figure.x_unit == "rate":
            return f"{10**self.x_low:.0e}", f"rate {10**self.x_high:.0e}"
        return fmt.count(self.x_low), f"{self.figure.x_unit} {fmt.count(self.x_high)}"

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

    def _curve(self, number: int, raw: _Part, smooth: _Part) -> None:
        role = series_role(number)
        if self.style.smoothing > 0 and not self.figure.compares:
            self._paint(self._dots(raw, joined=False), "raw", over=False)
        on, off = DASHES[min(number, len(DASHES) - 1)]
        self._paint(raster.dash(self._dots(smooth, joined=True), on, off), role, over=True)

    def _dots(self, part: _Part, *, joined: bool) -> Dots:
        fill = raster.connect if joined else raster.decimate
        columns = self.columns * DOTS_X
        least, greatest = fill(part.x, part.low, *self.ends, columns, part.high)
        num_rows = self.num_rows * DOTS_Y
        top = raster.row_of(greatest, self.low, self.high, num_rows)
        bottom = raster.row_of(least, self.low, self.high, num_rows)
        return raster.spans(top, bottom, num_rows, joined=joined)

    def _cursor(self, x: float) -> None:
        column = self._cell_column(x)
        if column is None:
            return
        for row in range(self.num_rows):
            if ROLES[int(self.grid.roles[row, column])] in ("blank", "raw"):
                self.grid.text(row, column, self.style.glyphs.axis, "cursor")

    def _paint(self, dots: Dots, role: Role, *, over: bool) -> None:
        self.grid.dots(self.left, dots, role, over=over, ascii=self.style.glyphs.ascii)

    def _end_labels(self, smooth: list[_Part]) -> None:
        """The names of curves beside their ends, each in a row of its own, the higher one above."""
        if not self.right:
            return
        ends: list[tuple[float, int]] = []
        for number, part in enumerate(smooth):
            finite = part.high[np.isfinite(part.high)]
            if finite.size:
                ends.append((float(finite[-1]), number))
        taken: set[int] = set()
        for value, _ in ends[: self.num_rows]:
            row = self._cell_row(value)
            taken.add(min((abs(r - row), r) for r in range(self.num_rows) if r not in taken)[1])
        highest_first = sorted(ends[: self.num_rows], key=lambda end: (-end[0], end[1]))
        for row, (_, number) in zip(sorted(taken), highest_first, strict=True):
            label = self.figure.curves[number].label
            self.grid.text(row, self.left + self.columns + 1, label, series_role(number))


def series_role(number: int) -> Role:
    """The role, and the name of the colour, of a figure's curve."""
    return ROLES[ROLES.index("series-1") + number % len(DASHES)]
