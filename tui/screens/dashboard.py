"""The dashboard: which panes there are and which are seen. Drawing is the panes' own business."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.widget import Widget

from tui.actions import PANES, Context
from tui.glyphs import Glyphs
from tui.panes.alerts import AlertsPane
from tui.panes.bars import KeyBar, Summary, TabBar
from tui.panes.board import BoardPane
from tui.panes.chart import SMOOTHINGS, LineChart
from tui.panes.checkpoints import CheckpointsPane
from tui.panes.curves import CHARTS
from tui.panes.header import Header
from tui.panes.log import LogPane
from tui.panes.pipeline import Pipeline
from tui.panes.starting import StartingPane
from tui.panes.workers import WorkersPane

FOCUS = {
    "workers": "#workers",
    "board": "#board",
    "checkpoints": "#checkpoints",
    "log": "#log-pane",
    "alerts": "#alerts",
}


class Dashboard(Screen[None]):
    AUTO_FOCUS: ClassVar[str | None] = "#policy-loss"

    def __init__(self, run_dir: Path, glyphs: Glyphs) -> None:
        super().__init__()
        self.run_dir = run_dir
        self.glyphs = glyphs
        self.pane = "charts"
        self.smoothing = SMOOTHINGS[2]
        self._chart = 0

    def compose(self) -> ComposeResult:
        glyphs = self.glyphs
        yield Header(glyphs)
        yield Pipeline(glyphs)
        yield TabBar()
        yield StartingPane(self.run_dir, glyphs)
        with Horizontal(id="top"):
            with Container(id="charts"):
                for spec in CHARTS:
                    yield LineChart(spec, glyphs)
            yield BoardPane(glyphs)
        yield Summary(glyphs)
        with Horizontal(id="tables"):
            yield WorkersPane(glyphs)
            yield CheckpointsPane(glyphs)
        with Horizontal(id="bottom"):
            yield LogPane(glyphs)
            yield AlertsPane(glyphs)
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_class(self.glyphs.ascii, "-ascii")
        self._mark_pane()
        self._mark_chart()

    def show(self, context: Context, now: float) -> None:
        """Hand the state to every pane; each decides whether anything of it is new."""
        state, link = context.state, context.link
        greeted = link.status == "connected" or bool(state.run)
        self.set_class(not greeted, "-starting")
        self.query_one(Header).show(state, link, now)
        self.query_one(KeyBar).show(context)
        if not greeted:
            self.query_one(StartingPane).show(link, now)
            return
        self.query_one(Pipeline).show(state)
        self.query_one(TabBar).show(state, self.pane)
        for chart in self.query(LineChart):
            chart.show(state)
        self.query_one(BoardPane).show(state)
        self.query_one(Summary).show(state, now)
        self.query_one(WorkersPane).show(state, now)
        self.query_one(CheckpointsPane).show(state)
        self.query_one(LogPane).show(state)
        self.query_one(AlertsPane).show(state)

    @property
    def selected_checkpoint(self) -> str:
        return self.query_one(CheckpointsPane).selected_key

    # What keys do to the screen alone ------------------------------------------------------------

    def go_to(self, pane: str) -> None:
        """Show a pane and give it the focus; `alerts` again hides it in a large terminal."""
        again = pane == "alerts" and self.pane == "alerts" and not self.is_compact
        self.pane = "log" if again else pane
        self.remove_class("-zoomed")
        self._mark_pane()
        self._focused_widget().focus()

    @property
    def is_compact(self) -> bool:
        return self.has_class("-narrow") or self.has_class("-short")

    @property
    def current_chart(self) -> LineChart:
        return list(self.query(LineChart))[self._chart]

    def step_chart(self, by: int) -> None:
        if isinstance(self.focused, LineChart):
            self._chart = list(self.query(LineChart)).index(self.focused)
        self._chart = (self._chart + by) % len(CHARTS)
        self.pane = "charts"
        self._mark_pane()
        self._mark_chart()
        self.current_chart.focus()

    def toggle_zoom(self) -> None:
        if isinstance(self.focused, LineChart):
            self._chart = list(self.query(LineChart)).index(self.focused)
        self.pane = "charts"
        self._mark_pane()
        self._mark_chart()
        self.toggle_class("-zoomed")
        self.current_chart.focus()

    def next_task(self) -> None:
        for chart in self.query(LineChart):
            chart.turn_over()

    def cycle_smoothing(self) -> float:
        index = SMOOTHINGS.index(self.smoothing)
        self.smoothing = SMOOTHINGS[(index + 1) % len(SMOOTHINGS)]
        for chart in self.query(LineChart):
            chart.set_smoothing(self.smoothing)
        return self.smoothing

    def toggle_log_axis(self) -> None:
        for chart in self.query(LineChart):
            chart.toggle_log()

    def flip_board(self) -> None:
        self.query_one(BoardPane).flip()

    def _focused_widget(self) -> Widget:
        if self.pane == "charts":
            return self.current_chart
        return self.query_one(FOCUS[self.pane])

    def _mark_pane(self) -> None:
        for id, _ in PANES:
            self.set_class(id == self.pane, f"-tab-{id}")

    def _mark_chart(self) -> None:
        for chart in self.query(LineChart):
            chart.set_class(chart is self.current_chart, "-current")
