"""What part of the x axis is looked at, on which axis, and where the cursor stands; all charts
share one. Pure.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tui.raster import Floats

Axis = Literal["step", "time", "games", "ply", "rate", "elapsed"]
AXES: tuple[Axis, ...] = ("step", "time", "games")
"""Those of a run."""
AXES_OF_RUNS: tuple[Axis, ...] = ("step", "elapsed", "games")
"""Those that several runs have in common; elapsed is seconds at work."""
ZOOM = 0.6
"""Share of the window that is left after zooming in once."""
MIN_WIDTH_FRAC = 1e-6
"""Of the whole axis: a narrower window is not made."""


@dataclass(frozen=True)
class Scale:
    """From x to a place on the axis and back; the logarithm is of 1 + x - origin."""

    log: bool
    origin: float

    def of(self, x: Floats) -> Floats:
        return np.log10(1.0 + np.maximum(x - self.origin, 0.0)) if self.log else x

    def at(self, x: float) -> float:
        return math.log10(1.0 + max(x - self.origin, 0.0)) if self.log else x

    def back(self, place: float) -> float:
        return self.origin + 10.0**place - 1.0 if self.log else place


@dataclass(frozen=True, kw_only=True)
class Viewport:
    axis: Axis = "step"
    log_x: bool = False
    window: tuple[float, float | None] | None = None
    """Ends in the unit of the axis; None for everything. The right end None goes with the run."""
    cursor: float | None = None
    """In the unit of the axis."""

    def scale(self, low: float) -> Scale:
        """For data that begin at `low`."""
        return Scale(self.log_x, low)

    def next_axis(self, axes: tuple[Axis, ...] = AXES) -> "Viewport":
        axis = axes[(axes.index(self.axis) + 1) % len(axes)]
        return Viewport(axis=axis, log_x=self.log_x)

    def zoomed(self, low: float, high: float, around: float | None, factor: float) -> "Viewport":
        """The window after one step: `factor` of its width, the place `around` stays where it is.

        `low` and `high` are the ends of all data.
        """
        scale = self.scale(low)
        start, end = (scale.at(x) for x in self.ends(low, high))
        centre = scale.at(high if around is None else min(max(around, low), high))
        centre = min(max(centre, start), end)
        return self._placed(
            scale, centre - (centre - start) * factor, centre + (end - centre) * factor, low, high
        )

    def panned(self, low: float, high: float, share: float) -> "Viewport":
        """The window moved by a share of its width, as far as there is data."""
        scale = self.scale(low)
        start, end = (scale.at(x) for x in self.ends(low, high))
        by = share * (end - start)
        by = min(max(by, scale.at(low) - start), scale.at(high) - end)
        return self._placed(scale, start + by, end + by, low, high)

    def shown_around(self, low: float, high: float) -> "Viewport":
        """Moved so far that the cursor is within the window."""
        start, end = self.ends(low, high)
        if self.cursor is None or start <= self.cursor <= end:
            return self
        width = max(end - start, 1e-9)
        by = self.cursor - (start if self.cursor < start else end)
        return self.panned(low, high, by / width) if not self.log_x else self.whole()

    def whole(self) -> "Viewport":
        return replace(self, window=None)

    def ends(self, low: float, high: float) -> tuple[float, float]:
        if self.window is None:
            return low, high
        start, end = self.window
        return start, high if end is None else end

    def _placed(
        self, scale: Scale, start: float, end: float, low: float, high: float
    ) -> "Viewport":
        first, last = scale.at(low), scale.at(high)
        start, end = max(start, first), min(end, last)
        whole = last - first
        if whole <= 0 or end - start >= whole * (1 - 1e-9):
            return self.whole()
        if end - start < whole * MIN_WIDTH_FRAC:
            return self
        at_end = end >= last - 1e-9 * whole
        return replace(self, window=(scale.back(start), None if at_end else scale.back(end)))


WHOLE = Viewport()
"""Everything, over steps."""
