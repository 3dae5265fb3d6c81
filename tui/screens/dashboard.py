"""The dashboard: which panes there are and which are seen. Drawing is the panes' own business."""

from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widget import Widget

from backend.state import RunState
from tui.action import Context, Place
from tui.actions import BY_ID, PANES
from tui.glyphs import Glyphs
from tui.history import History
from tui.panes.alerts import AlertsPane, unseen
from tui.panes.bars import KeyBar, Summary, TabBar
from tui.panes.board import BoardPane
from tui.panes.charts import PAN_FRAC, ChartGrid
from tui.panes.checkpoints import CheckpointsPane
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

    def __init__(self, run_dir: Path, glyphs: Glyphs, history: History | None = None) -> None:
        super().__init__()
        self.run_dir = run_dir
        self.history = History(run_dir / "matrix0.db") if history is None else history
        self.glyphs = glyphs
        self.pane = "charts"
        self.seen_until = 0.0
        """Time of the newest alert that was acknowledged."""
        self.followed = ""
        """The worker whose board is shown; empty leaves that to the run."""

    def compose(self) -> ComposeResult:
        glyphs = self.glyphs
        yield Header(glyphs)
        yield Pipeline(glyphs)
        yield TabBar()
        yield StartingPane(self.run_dir, glyphs)
        with Horizontal(id="top"):
            yield ChartGrid(self.history, glyphs)
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

    def show(self, context: Context, now: float) -> None:
        """Hand the state to every pane; each decides whether anything of it is new."""
        state, link = context.state, context.link
        greeted = link.status == "connected" or bool(state.run)
        self.set_class(not greeted, "-starting")
        fresh = unseen(state, self.seen_until)
        self.query_one(Header).show(fresh, link, now)
        self.query_one(KeyBar).show(context)
        if not greeted:
            self.query_one(StartingPane).show(link, now)
            return
        self.query_one(Pipeline).show(state, now)
        self.query_one(TabBar).show(fresh, self.pane)
        self.charts.show(state)
        self.board.show(self._followed(state))
        self.board.tell_keys(self._board_keys(context))
        self.query_one(Summary).show(state, now)
        self.query_one(WorkersPane).show(state, now)
        self.query_one(CheckpointsPane).show(state)
        self.query_one(LogPane).show(state)
        self.query_one(AlertsPane).show(state, self.seen_until)

    @property
    def selected_checkpoint(self) -> str:
        return self.query_one(CheckpointsPane).selected_key

    def select_checkpoint(self, name: str) -> None:
        """Go to it in its pane."""
        self.go_to("checkpoints")
        self.query_one(CheckpointsPane).select(name)

    @property
    def selected_worker(self) -> str:
        return self.query_one(WorkersPane).selected_worker

    # What keys do to the screen alone ------------------------------------------------------------

    def go_to(self, pane: str) -> None:
        """Show a pane and give it the focus; `alerts` again hides it in a large terminal."""
        again = pane == "alerts" and self.pane == "alerts" and not self.is_compact
        self.pane = "log" if again else pane
        self.remove_class("-zoomed")
        self._mark_pane()
        widget = self._focused_widget()
        self.set_focus(widget)  # At once: keys that were typed on are for it.
        widget.focus()  # One that is not seen yet takes it only then.

    @property
    def is_compact(self) -> bool:
        return self.has_class("-narrow") or self.has_class("-short")

    @property
    def board(self) -> BoardPane:
        return self.query_one(BoardPane)

    @property
    def charts(self) -> ChartGrid:
        return self.query_one(ChartGrid)

    @property
    def place(self) -> Place:
        return "chart" if self.is_zoomed else "dashboard"

    @property
    def is_zoomed(self) -> bool:
        """One chart alone is shown."""
        return self.has_class("-zoomed")

    def step_chart(self, by: int) -> None:
        self.pane = "charts"
        self._mark_pane()
        self.charts.step(by)

    def action_step_chart(self, by: int) -> None:
        self.step_chart(by)

    @on(ChartGrid.Maximise)
    def toggle_zoom(self) -> None:
        self.pane = "charts"
        self._mark_pane()
        self.toggle_class("-zoomed")
        self.charts.focus_current()
        self.app.refresh_bindings()

    def sideways(self, by: int) -> None:
        """The next chart; with one alone, its cursor."""
        if self.is_zoomed:
            self.charts.move_cursor(by)
        else:
            self.step_chart(by)

    def escape(self) -> None:
        if not self.charts.remove_cursor() and self.is_zoomed:
            self.toggle_zoom()

    def do(self, id: str) -> bool:
        """Do what concerns the charts or the board; False for an action that does not."""
        charts = self.charts
        what = {
            "zoom": self.toggle_zoom,
            "next-chart": lambda: self.sideways(1),
            "previous-chart": lambda: self.sideways(-1),
            "chart-below": lambda: self.step_chart(1),
            "chart-above": lambda: self.step_chart(-1),
            "cursor-left": lambda: charts.move_cursor(-1),
            "cursor-right": lambda: charts.move_cursor(1),
            "no-cursor": self.escape,
            "nearer": lambda: charts.zoom(nearer=True),
            "farther": lambda: charts.zoom(nearer=False),
            "pan-left": lambda: charts.pan(-PAN_FRAC),
            "pan-right": lambda: charts.pan(PAN_FRAC),
            "whole": charts.show_whole,
            "axis": charts.next_axis,
            "log-x": charts.toggle_log_x,
            "log-axis": charts.toggle_log_axis,
            "smooth": charts.cycle_smoothing,
            "next-task": charts.next_task,
            "flip": self.board.flip,
            "heat": self.board.toggle_heat,
        }.get(id)
        if what is not None:
            what()
        return what is not None

    def _followed(self, state: RunState) -> RunState:
        """The state with the board of the worker that is followed, while there is one."""
        seen = state.boards.get(self.followed)
        return state if seen is None else replace(state, board=seen)

    def follow_next(self, state: RunState) -> None:
        """Show a game of the next worker from now on."""
        shown = self.board.seen
        names = sorted(state.boards, key=lambda name: (len(name), name))
        before = names.index(shown.worker) if shown and shown.worker in names else -1
        self.followed = names[(before + 1) % len(names)]

    def _board_keys(self, context: Context) -> str:
        """What the lower border of the board says; nothing that does nothing now."""
        words = {"heat": "hide policy" if self.board.has_heat else "policy", "flip": "flip"}
        words["follow"] = "next worker"
        shown = [(BY_ID[id], word) for id, word in words.items()]
        known = [f"{context.key_of(a)}: {word}" for a, word in shown if not a.why_not(context)]
        return f" {self.glyphs.middle_dot} ".join(known)

    def _focused_widget(self) -> Widget:
        if self.pane == "charts":
            return self.charts.current
        return self.query_one(FOCUS[self.pane])

    def _mark_pane(self) -> None:
        for id, _ in PANES:
            self.set_class(id == self.pane, f"-tab-{id}")
