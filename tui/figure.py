"""What a chart shows: curves, marks, a limit, and the part of the x axis that is seen. Pure."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tui.raster import Floats
from tui.series import Series
from tui.viewport import Axis, Scale, Viewport


@dataclass(frozen=True)
class Curve:
    label: str
    x: Floats
    y: Floats
    percent: bool = False
    """y is a share, read out as per cent."""
    is_read_out: bool = True
    """Its newest value stands in the title."""
    known: Series | None = None
    """The same values, with what was made of them for earlier figures."""

    @cached_property
    def series(self) -> Series:
        return Series(self.y) if self.known is None else self.known


MarkKind = Literal["checkpoint", "setting", "alert", "missing", "best"]
"""Rising in importance, as they hide each other: saved, a setting changed, alert, not a number,
promoted."""


@dataclass(frozen=True)
class Mark:
    """An event on the floor of the figure."""

    x: float
    kind: MarkKind


@dataclass(frozen=True, kw_only=True)
class Figure:
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    limit: float | None = None
    """A horizontal line that the curves should stay under."""
    limit_label: str = ""
    from_zero: bool = False
    x_unit: Axis = "step"
    """time: seconds since 1970. rate: the logarithm to base 10 of a learning rate."""
    compares: bool = False
    """Curves of several runs: no bands of raw data, and each value in the title has its label."""
    empty: str = "no data yet"
    """What is said while no curve has a finite point."""

    @property
    def has_points(self) -> bool:
        return any(curve.series.has_finite for curve in self.curves)


def x_window(figure: Figure, view: Viewport) -> tuple[Scale, float, float]:
    """The scale of the x axis and its ends."""
    ends = [(float(c.x[0]), float(c.x[-1])) for c in figure.curves if c.x.size]
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    scale = Scale(view.log_x, low)
    if view.window is None or view.axis != figure.x_unit:
        return scale, low, high
    start, end = view.window
    end = high if end is None else end
    if start >= high or end <= low:  # Zoomed into what is no more, or not yet, there.
        return scale, low, high
    return scale, start, end
