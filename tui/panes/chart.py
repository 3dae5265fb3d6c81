"""A line chart on Textual's line interface; what it shows comes from a `ChartSpec`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip

from backend.state import RunState
from tui import format as fmt
from tui.figure import Curve, Figure, x_window
from tui.glyphs import Glyphs
from tui.grid import ROLES, Role
from tui.history import History
from tui.panes.quiet import LineWise, Titles
from tui.plot import PlotStyle, plot, series_role
from tui.raster import Floats
from tui.viewport import Axis, Viewport

SMOOTHINGS: tuple[float, ...] = (0.0, 0.6, 0.9, 0.97)


@dataclass(frozen=True)
class ChartSpec:
    id: str
    title: Callable[[RunState], str]
    inputs: Callable[[RunState, History], tuple[object, ...]]
    """What it is drawn from; nothing is redrawn while these are the same objects."""
    figure: Callable[[RunState, History, Axis], Figure]
    metrics: tuple[str, ...] = ()
    """Curves of the run's history that it shows."""
    can_log: bool = True
    can_smooth: bool = True
    names_all: bool = False
    """The title names the first curve too; else its own words do that."""
    others: tuple["ChartSpec", ...] = ()
    """Charts that take its place in turn, those that have something to show."""


class LineChart(LineWise, can_focus=True):
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"chart--{role}" for role in ROLES}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "screen.step_chart(1)", show=False),
        Binding("k", "screen.step_chart(-1)", show=False),
    ]

    class Touched(Message):
        """The mouse has done something at a place of the x axis."""

        def __init__(self, chart: "LineChart", what: str, x: float, share: float = 0.0) -> None:
            super().__init__()
            self.chart = chart
            self.what = what
            """point, maximise, nearer, farther, drag."""
            self.x = x
            self.share = share
            """How far it was dragged, in widths of the window."""

    def __init__(self, spec: ChartSpec, glyphs: Glyphs, history: History) -> None:
        super().__init__(id=spec.id, classes="pane chart")
        self.spec = spec
        self._first = spec
        self.glyphs = glyphs
        self.history = history
        self.smoothing = 0.9 if spec.can_smooth else 0.0
        self.log_axis = False
        self.view = Viewport()
        self.heading = ""
        self._number = ""
        self.figure = Figure(curves=())
        self._inputs: tuple[object, ...] | None = None
        self._state = RunState()
        self._strips: list[Strip] = []
        self._styles: dict[Role, Style] | None = None
        self._drawn_size = (-1, -1)
        self._titles = Titles(self)
        self._left, self._columns = 0, 1
        """Where the figure begins within the widget, and how wide it is."""

    def show(self, state: RunState) -> None:
        self._state = state
        inputs = self.spec.inputs(state, self.history)
        if self._inputs is not None and all(
            a is b for a, b in zip(inputs, self._inputs, strict=True)
        ):
            return
        self._inputs = inputs
        self.heading = self.spec.title(state)
        self.figure = self._figure(self.spec)
        self._redraw()

    def show_again(self) -> None:
        """Draw what the history has found."""
        self.show(self._state)

    def turn_over(self) -> None:
        """Show the next of the charts that share this place, if another has curves."""
        turns = (self._first, *self._first.others)
        now = turns.index(self.spec)
        following = (*turns[now + 1 :], *turns[:now])
        found = next((s for s in following if self._figure(s).curves), self.spec)
        if found is not self.spec:
            self.spec, self._inputs = found, None
            self.show(self._state)

    def count_as(self, number: str) -> None:
        """Which of how many it is, for the lower border; empty to leave that out."""
        if number != self._number:
            self._number = number
            self._titles.put(self._title(), self.how)

    def set_smoothing(self, decay: float) -> None:
        if self.spec.can_smooth:
            self.smoothing = decay
            self._redraw()

    def toggle_log(self) -> None:
        if self.spec.can_log:
            self.log_axis = not self.log_axis
            self._redraw()

    def look(self, view: Viewport) -> None:
        """Show this part of the axis, with the cursor there."""
        is_other_axis = view.axis != self.view.axis
        self.view = view
        if is_other_axis:
            self.figure = self._figure(self.spec)
        self._redraw()

    @property
    def extent(self) -> tuple[float, float] | None:
        """The ends of all its data, on its own axis; None without data."""
        if not self.figure.has_points:
            return None
        _, low, high = x_window(self.figure, Viewport())
        return low, high

    @property
    def columns(self) -> int:
        """Cells of its x axis."""
        return self._columns

    @property
    def cursor(self) -> float | None:
        """The cursor on this chart's own axis, at the nearest reading; None where it has none."""
        if self.view.cursor is None or not self.figure.has_points:
            return None
        wanted = np.array([self.view.cursor])
        x = float(self.history.placed(wanted, self.view.axis, self.figure.x_unit)[0])
        return None if np.isnan(x) else self._nearest(self._leading, x)

    def nearest_beyond(self, x: float, start: float, by: int) -> float:
        """The reading nearest to x; at least one further than `start` if there is one."""
        xs = self._leading.x
        found = self._nearest(self._leading, x)
        if (found - start) * by > 0:
            return found
        i = int(np.searchsorted(xs, start, side="right" if by > 0 else "left"))
        return float(xs[min(max(i if by > 0 else i - 1, 0), xs.size - 1)])

    @property
    def how(self) -> str:
        """What was done to the data, for the lower border."""
        dot = f" {self.glyphs.middle_dot} "
        parts = [self._number] if self._number else []
        parts += [f"ema {self.smoothing:g}"] if self.smoothing else []
        if self.log_axis:
            parts.append("log y" if self.view.log_x else "log")
        if self.view.log_x:
            parts.append("log x")
        if self.view.window is not None and self.view.axis == self.figure.x_unit:
            parts.append("zoomed, 0 shows all")
        if any(self._figure(other).curves for other in self._first.others):
            parts.append("m: next task")
        room = (self.size.width or 80) - 2
        if len(dot.join(parts)) > room:
            parts = [part.removesuffix(", 0 shows all") for part in parts]
        while len(dot.join(parts)) > room:
            del parts[0]  # What is left says what can be undone.
        return dot.join(parts)

    def _figure(self, spec: ChartSpec) -> Figure:
        return spec.figure(self._state, self.history, self.view.axis)

    @property
    def _leading(self) -> Curve:
        """Whose readings the cursor goes to: the first curve, or of several runs the longest."""
        curves = self.figure.curves
        if not self.figure.compares:
            return curves[0]
        return max(curves, key=lambda c: float(c.x[-1]) if c.x.size else -np.inf)

    def _nearest(self, curve: Curve, x: float) -> float:
        i = int(np.searchsorted(curve.x, x))
        around = curve.x[max(0, i - 1) : i + 1]
        return float(around[np.argmin(np.abs(around - x))])

    def _redraw(self) -> None:
        before, size = self._strips, self._drawn_size
        self._drawn_size = (-1, -1)
        self._titles.put(self._title(), self.how)
        if size == tuple(self.size):
            self._draw()
            self.refresh_lines(before, self._strips)
        else:
            self.refresh()

    def notify_style_update(self) -> None:
        self._drawn_size = (-1, -1)
        self._styles = None
        super().notify_style_update()

    def on_resize(self) -> None:
        self._titles.put(self._title(), self.how)

    def _title(self) -> Content:
        """What it is and as many read-outs as there is room for."""
        parts: list[Content | tuple[str, str]] = [(self.heading, "bold")]
        several = len(self.figure.curves) > 1
        cursor = self.cursor
        room = (self.size.width or 80) - 4 - len(self.heading)
        if cursor is not None:
            place = f"  {self._place(cursor)}"
            room -= len(place)
            parts.append((place, "$accent"))
        for number, curve in enumerate(self.figure.curves):
            if cursor is None:
                text = readout(curve, self.smoothing, self.glyphs)
            elif self.figure.compares and not reaches(curve, cursor):
                text = ""
            else:
                text = value_at(curve, cursor, self.smoothing)
            if text and curve.is_read_out:
                is_named = number or self.figure.compares or self.spec.names_all
                label = f"{curve.label} " if several and is_named else ""
                room -= len(label) + len(text) + 2
                if number and room < 0:
                    break
                parts.append((f"  {label}{text}", f"${series_role(number)}"))
        return Content.assemble(*parts)

    def to_copy(self) -> str:
        """The values that the title reads out, unrounded: at the cursor, else the newest."""
        curves = [curve for curve in self.figure.curves if curve.is_read_out and curve.x.size]
        if not curves:
            return ""
        x = float(self._leading.x[-1]) if self.cursor is None else self.cursor
        texts = [
            f"{curve.label} {exact_at(curve, x, self.smoothing)}"
            for curve in curves
            if not self.figure.compares or reaches(curve, x)
        ]
        smoothed = f" (ema {self.smoothing:g})" if self.smoothing else ""
        return f"{self.heading}, {self._place(x)}: {', '.join(texts)}{smoothed}"

    def _place(self, x: float) -> str:
        match self.figure.x_unit:
            case "time":
                return fmt.clock(x)
            case "elapsed":
                return f"at work {fmt.duration(x, self.glyphs)}"
            case unit:
                return f"{unit} {fmt.count(x)}"

    def _draw(self) -> None:
        """Make the lines of the present size, unless they are there."""
        width, height = self.size
        if self._drawn_size != (width, height):
            style = PlotStyle(
                glyphs=self.glyphs,
                smoothing=self.smoothing,
                log=self.log_axis,
                view=self.view,
                cursor=self.cursor,
            )
            styles = self._styles
            if styles is None:  # Looked up once a theme: it was a tenth of the screen's time.
                styles = {r: self.get_component_rich_style(f"chart--{r}") for r in ROLES}
                self._styles = styles
            drawn = plot(self.figure, width, height, style)
            self._left, self._columns = drawn.left, drawn.columns
            self._strips = [
                Strip([Segment(text, styles[role]) for text, role in row], width)
                for row in drawn.rows
            ]
            self._drawn_size = (width, height)

    def render_line(self, y: int) -> Strip:
        self._draw()
        width = self.size.width
        if y >= len(self._strips):
            return Strip.blank(width, self.rich_style)
        return self._strips[y]

    # The mouse -----------------------------------------------------------------------------------

    def _x_at(self, column: int) -> float | None:
        """x under a column of the widget's content."""
        if not self.figure.has_points:
            return None
        scale, low, high = x_window(self.figure, self.view)
        share = min(max((column - self._left) / max(1, self._columns - 1), 0.0), 1.0)
        return scale.back(scale.at(low) + share * (scale.at(high) - scale.at(low)))

    def _touch(self, event: events.MouseEvent, what: str, share: float = 0.0) -> None:
        at = event.get_content_offset(self)
        x = None if at is None else self._x_at(at.x)
        if x is not None:
            event.stop()
            self.post_message(self.Touched(self, what, x, share))

    def on_click(self, event: events.Click) -> None:
        if event.get_content_offset(self) is None or event.chain == 2:
            self.post_message(self.Touched(self, "maximise", 0.0))
        elif event.chain == 1:
            self._touch(event, "point")

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._touch(event, "nearer")

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._touch(event, "farther")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if event.button and event.delta_x:
            self._touch(event, "drag", -event.delta_x / max(1, self._columns))


def _smooth_values(curve: Curve, smoothing: float) -> Floats:
    return curve.series.smoothed(smoothing).values


def reaches(curve: Curve, x: float) -> bool:
    """Whether x lies on the curve, up to one reading beyond its ends."""
    if not curve.x.size:
        return False
    spare = (curve.x[-1] - curve.x[0]) / max(1, curve.x.size - 1)
    return bool(curve.x[0] - spare <= x <= curve.x[-1] + spare)


def value_at(curve: Curve, x: float, smoothing: float) -> str:
    """The (smoothed) value of the reading nearest to x; empty without data."""
    if not curve.x.size:
        return ""
    value = _nearest_value(curve, x, smoothing)
    if np.isnan(value):
        return "NaN"
    return fmt.percent(value) if curve.percent else fmt.loss(value)


def exact_at(curve: Curve, x: float, smoothing: float) -> str:
    """The same with six figures, as a number that a program reads. The curve has data."""
    value = _nearest_value(curve, x, smoothing)
    return "NaN" if np.isnan(value) else f"{value:.6g}"


def _nearest_value(curve: Curve, x: float, smoothing: float) -> float:
    i = int(np.searchsorted(curve.x, x))
    i = min((i - 1, i), key=lambda k: abs(curve.x[k] - x) if 0 <= k < curve.x.size else np.inf)
    return float(_smooth_values(curve, smoothing)[i])


def readout(curve: Curve, smoothing: float, glyphs: Glyphs) -> str:
    """The newest (smoothed) value and where it is going; empty without data."""
    smooth = _smooth_values(curve, smoothing)
    newest = _last_finite(smooth, smooth.size)
    if newest < 0:
        return ""
    last = float(smooth[newest])
    before = _last_finite(smooth, max(1, newest + 1 - max(3, smooth.size // 10)))
    earlier = last if before < 0 else float(smooth[before])
    change = last - earlier
    if abs(change) < 0.005 * max(abs(earlier), 1e-9):
        arrow = glyphs.level
    else:
        arrow = glyphs.up if change > 0 else glyphs.down
    value = fmt.percent(last) if curve.percent else fmt.loss(last)
    return f"{value} {arrow}"


def _last_finite(values: Floats, end: int) -> int:
    """Index of the last number among the first `end` values; -1 without one."""
    return next((i for i in range(end - 1, -1, -1) if np.isfinite(values[i])), -1)
