"""All charts together: which are seen, which is the current one, and the axis that they share."""

import asyncio
from dataclasses import replace
from typing import ClassVar

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.events import DescendantFocus
from textual.message import Message

from backend.state import RunState
from tui.glyphs import Glyphs
from tui.history import History
from tui.panes.chart import SMOOTHINGS, ChartSpec, LineChart
from tui.panes.curves import CHARTS
from tui.viewport import AXES, ZOOM, Axis, Viewport

PAN_FRAC = 0.25


class ChartGrid(Container):
    class Maximise(Message):
        """The current chart should be alone on the screen, or no longer."""

    axes: ClassVar[tuple[Axis, ...]] = AXES

    def __init__(
        self, history: History, glyphs: Glyphs, specs: tuple[ChartSpec, ...] = CHARTS
    ) -> None:
        super().__init__(id="charts")
        self.history = history
        self.charts = [LineChart(spec, glyphs, history) for spec in specs]
        self.smoothing = SMOOTHINGS[2]
        self.view = Viewport()
        self._state = RunState()
        self._current = 0
        self._first = 0
        """The first of those that are seen."""
        self._is_asking = False
        """The current chart is to have the focus and has not said yet that it has."""

    def compose(self) -> ComposeResult:
        yield from self.charts

    def on_mount(self) -> None:
        self._mark()
        self.run_worker(self._keep_reading(), group="history", name="history")

    def show(self, state: RunState) -> None:
        self._state = state
        self.history.follow(state.step)
        self._mark()
        for chart in self.seen:
            chart.show(state)

    @property
    def seen(self) -> list[LineChart]:
        """As many as the grid has places."""
        return self.charts[self._first : self._first + self._places]

    @property
    def _places(self) -> int:
        columns = 3 if self.screen.has_class("-broad") else 2
        return columns * (3 if self.screen.has_class("-high") else 2)

    async def _keep_reading(self) -> None:
        while True:
            names = dict.fromkeys(name for chart in self.charts for name in chart.spec.metrics)
            found = await asyncio.to_thread(self.history.read, tuple(names))
            if self.history.take(found):
                for chart in self.seen:
                    chart.show_again()
            await asyncio.sleep(self.history.read_s)

    # The current chart ---------------------------------------------------------------------------

    @property
    def current(self) -> LineChart:
        return self.charts[self._current]

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        chart = event.widget
        if not isinstance(chart, LineChart):
            return
        if chart is self.current:
            self._is_asking = False
        elif not self._is_asking:  # Else it says so late, or had it while others were hidden.
            self._current = self.charts.index(chart)
            self._mark()

    def step(self, by: int) -> None:
        self._current = (self._current + by) % len(self.charts)
        self._mark()
        self.focus_current()

    def focus_current(self) -> None:
        """Once it is seen, as what is hidden takes none; by then another may be the current one."""
        self._is_asking = True
        self.call_after_refresh(self._focus_current)

    def _focus_current(self) -> None:
        if self.current.has_focus:
            self._is_asking = False
        else:
            self.current.focus()

    def _mark(self) -> None:
        """Turn to the page with the current chart; the last page is full too."""
        places, number = self._places, len(self.charts)
        last = max(0, number - places)
        if not self._first <= self._current < self._first + places or self._first > last:
            self._first = min(self._current // places * places, last)
        seen = self.seen
        for chart in self.charts:
            is_current = chart is self.current
            chart.set_class(is_current, "-current")
            chart.count_as(f"{self._current + 1}/{number}" if is_current and number > 1 else "")
            if chart in seen and not chart.has_class("-shown"):
                chart.show(self._state)
            chart.set_class(chart in seen, "-shown")

    # How they are drawn --------------------------------------------------------------------------

    def next_task(self) -> None:
        for chart in self.charts:
            chart.turn_over()

    def cycle_smoothing(self) -> None:
        index = SMOOTHINGS.index(self.smoothing)
        self.smoothing = SMOOTHINGS[(index + 1) % len(SMOOTHINGS)]
        for chart in self.charts:
            chart.set_smoothing(self.smoothing)

    def toggle_log_axis(self) -> None:
        for chart in self.charts:
            chart.toggle_log()

    def next_axis(self) -> None:
        view = self.view.next_axis(self.axes)
        if self.view.cursor is not None:
            old = np.array([self.view.cursor])
            x = float(self.history.placed(old, self.view.axis, view.axis)[0])
            view = replace(view, cursor=None if np.isnan(x) else x)
        self._look(view)

    def toggle_log_x(self) -> None:
        self._look(replace(self.view, log_x=not self.view.log_x))

    def zoom(self, *, nearer: bool, around: float | None = None) -> None:
        if (extent := self._extent()) is not None:
            around = self.view.cursor if around is None else around
            self._look(self.view.zoomed(*extent, around, ZOOM if nearer else 1 / ZOOM))

    def pan(self, share: float) -> None:
        if (extent := self._extent()) is not None:
            self._look(self.view.panned(*extent, share))

    def show_whole(self) -> None:
        self._look(self.view.whole())

    def move_cursor(self, by: int) -> None:
        """By columns of the current chart; from the newest reading when there is none yet."""
        if (extent := self._extent()) is None:
            return
        view = self.view
        low, high = view.ends(*extent)
        if view.cursor is None:
            self._look(replace(view, cursor=high))
            return
        scale = view.scale(extent[0])
        step = (scale.at(high) - scale.at(low)) / max(1, self._leading.columns - 1)
        x = scale.back(scale.at(view.cursor) + by * step)
        x = self._leading.nearest_beyond(min(max(x, extent[0]), extent[1]), view.cursor, by)
        self._look(replace(view, cursor=x).shown_around(*extent))

    def remove_cursor(self) -> bool:
        """Whether there was one."""
        had = self.view.cursor is not None
        self._look(replace(self.view, cursor=None))
        return had

    @on(LineChart.Touched)
    def _touched(self, event: LineChart.Touched) -> None:
        event.stop()
        chart = event.chart
        self._current = self.charts.index(chart)
        self._mark()
        if event.what == "maximise":
            self.post_message(self.Maximise())
            return
        x = float(self.history.placed(np.array([event.x]), chart.figure.x_unit, self.view.axis)[0])
        if np.isnan(x):
            return
        match event.what:
            case "point":
                self._look(replace(self.view, cursor=x))
            case "nearer" | "farther":
                self.zoom(nearer=event.what == "nearer", around=x)
            case _:
                self.pan(event.share)

    @property
    def _leading(self) -> LineChart:
        """The chart whose axis the view is about: the current one, unless it has another axis."""
        if self.current.figure.x_unit == self.view.axis and self.current.figure.has_points:
            return self.current
        return next((c for c in self.charts if c.figure.x_unit == self.view.axis), self.current)

    def _extent(self) -> tuple[float, float] | None:
        leading = self._leading
        return leading.extent if leading.figure.x_unit == self.view.axis else None

    def _look(self, view: Viewport) -> None:
        self.view = view
        for chart in self.charts:
            chart.look(view)
