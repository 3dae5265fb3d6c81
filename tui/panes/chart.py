"""A line chart on Textual's line interface; what it shows comes from a `ChartSpec`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from backend.state import RunState
from tui import format as fmt
from tui import raster
from tui.glyphs import Glyphs
from tui.panes.quiet import Titles
from tui.plot import ROLES, Curve, Figure, PlotStyle, plot

SMOOTHINGS: tuple[float, ...] = (0.0, 0.6, 0.9, 0.97)


@dataclass(frozen=True)
class ChartSpec:
    id: str
    title: Callable[[RunState], str]
    inputs: Callable[[RunState], tuple[object, ...]]
    """What of the state it is drawn from; nothing is redrawn while these are the same objects."""
    figure: Callable[[RunState], Figure]
    can_log: bool = True
    can_smooth: bool = True
    others: tuple["ChartSpec", ...] = ()
    """Charts that take its place in turn, those that have something to show."""


class LineChart(Widget, can_focus=True):
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chart--{role}" for role in ROLES}

    def __init__(self, spec: ChartSpec, glyphs: Glyphs) -> None:
        super().__init__(id=spec.id, classes="pane chart")
        self.spec = spec
        self._first = spec
        self.glyphs = glyphs
        self.smoothing = 0.9 if spec.can_smooth else 0.0
        self.log_axis = False
        self.heading = ""
        self.figure = Figure(curves=())
        self._inputs: tuple[object, ...] | None = None
        self._state = RunState()
        self._strips: list[Strip] = []
        self._drawn_size = (-1, -1)
        self._titles = Titles(self)

    def show(self, state: RunState) -> None:
        self._state = state
        inputs = self.spec.inputs(state)
        if self._inputs is not None and all(
            a is b for a, b in zip(inputs, self._inputs, strict=True)
        ):
            return
        self._inputs = inputs
        self.heading = self.spec.title(state)
        self.figure = self.spec.figure(state)
        self._redraw()

    def turn_over(self) -> None:
        """Show the next of the charts that share this place, if another has curves."""
        turns = (self._first, *self._first.others)
        now = turns.index(self.spec)
        following = (*turns[now + 1 :], *turns[:now])
        found = next((s for s in following if s.figure(self._state).curves), self.spec)
        if found is not self.spec:
            self.spec, self._inputs = found, None
            self.show(self._state)

    def set_smoothing(self, decay: float) -> None:
        if self.spec.can_smooth:
            self.smoothing = decay
            self._redraw()

    def toggle_log(self) -> None:
        if self.spec.can_log:
            self.log_axis = not self.log_axis
            self._redraw()

    @property
    def how(self) -> str:
        """What was done to the data, for the lower border."""
        dot = f" {self.glyphs.middle_dot} "
        parts = [f"ema {self.smoothing:g}"] if self.smoothing else []
        if self.log_axis:
            parts.append("log")
        if any(other.figure(self._state).curves for other in self._first.others):
            parts.append("m: next task")
        return dot.join(parts)

    def _redraw(self) -> None:
        self._drawn_size = (-1, -1)
        self._titles.put(self._title(), self.how)
        self.refresh()

    def notify_style_update(self) -> None:
        self._drawn_size = (-1, -1)
        super().notify_style_update()

    def _title(self) -> Content:
        parts: list[Content | tuple[str, str]] = [(self.heading, "bold")]
        several = len(self.figure.curves) > 1
        for number, curve in enumerate(self.figure.curves):
            text = readout(curve, self.smoothing, self.glyphs)
            if text and curve.is_read_out:
                label = f"{curve.label} " if several and number else ""
                parts.append((f"  {label}{text}", f"$series-{min(number, 2) + 1}"))
        return Content.assemble(*parts)

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if self._drawn_size != (width, height):
            style = PlotStyle(glyphs=self.glyphs, smoothing=self.smoothing, log=self.log_axis)
            styles = {role: self.get_component_rich_style(f"chart--{role}") for role in ROLES}
            self._strips = [
                Strip([Segment(text, styles[role]) for text, role in row], width)
                for row in plot(self.figure, width, height, style)
            ]
            self._drawn_size = (width, height)
        if y >= len(self._strips):
            return Strip.blank(width, self.rich_style)
        return self._strips[y]


def readout(curve: Curve, smoothing: float, glyphs: Glyphs) -> str:
    """The newest (smoothed) value and where it is going; empty without data."""
    smooth = raster.ema(curve.y, smoothing)
    finite = smooth[np.isfinite(smooth)]
    if not finite.size:
        return ""
    last = float(finite[-1])
    earlier = float(finite[max(0, finite.size - 1 - max(3, finite.size // 10))])
    change = last - earlier
    if abs(change) < 0.005 * max(abs(earlier), 1e-9):
        arrow = glyphs.level
    else:
        arrow = glyphs.up if change > 0 else glyphs.down
    value = fmt.percent(last) if curve.percent else fmt.loss(last)
    return f"{value} {arrow}"
