"""Runs beside each other: curves over each other, best and final values, settings, events."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Input

from backend.commit import commit_file
from backend.compare.export import csv_of
from backend.compare.overview import Listed, overview
from backend.compare.side import DAMAGED, DONE, FAILED, LIVE, NAN, rated, read_side
from backend.compare.table import LETTERS
from backend.errors import Matrix0Error
from backend.rundir import RunDirectory
from backend.state import RunState
from tui import format as fmt
from tui.action import Context, Place
from tui.comparing import Comparison, marked_from, metric_words
from tui.figure import Figure
from tui.glyphs import Glyphs
from tui.history import History
from tui.panes.bars import KeyBar
from tui.panes.chart import ChartSpec, LineChart
from tui.panes.charts import PAN_FRAC, ChartGrid
from tui.panes.compared import events_text, settings_text, table_text
from tui.panes.quiet import QuietStatic
from tui.panes.table import Cell, Column, StateTable
from tui.panes.textpane import TextPane
from tui.plot import series_role
from tui.screens.above import Above
from tui.viewport import AXES_OF_RUNS, Axis, Viewport

READ_S: Final = 3.0
"""How often the runs are looked at again."""
PANES: Final = ("table", "settings", "events")
"""Of which a small terminal shows one."""
LINES: Final = ("──", "╌╌", "··", "━ ", "· ", "╍╍")
ASCII_LINES: Final = ("--", "- ", "..", "-.", ". ", "= ")


class RunsTable(StateTable):
    """Its keys to the sides are those of the cursor on the curves."""

    def __init__(self) -> None:
        columns = (
            Column("mark", "", 4),
            Column("name", "run", 14),
            Column("state", "state", 11),
            Column("elo", "Elo", 6, "right"),
        )
        super().__init__("compare-runs", columns)

    # Textual awaits an action that is one; its own of these names are not.

    async def action_cursor_right(self) -> None:  # type: ignore[override]
        await self.run_action("app.act('next-chart')")

    async def action_cursor_left(self) -> None:  # type: ignore[override]
        await self.run_action("app.act('previous-chart')")


class Overlay(ChartGrid):
    """One chart with the curves of all marked runs; the screen reads them."""

    axes: ClassVar[tuple[Axis, ...]] = AXES_OF_RUNS

    class Looked(Message):
        """Another part of the axis, or another place of the cursor."""

    async def _keep_reading(self) -> None:
        return

    def _look(self, view: Viewport) -> None:
        super()._look(view)
        self.post_message(self.Looked())


class CompareScreen(Above):
    place: ClassVar[Place] = "compare"
    AUTO_FOCUS: ClassVar[str | None] = "#compare-runs"

    class Left(Message):
        """The person wants to be where they came from."""

    class Replay(Message):
        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    def __init__(self, folder: Path, chosen: Sequence[Path], glyphs: Glyphs) -> None:
        """`folder` holds the runs that are listed; `chosen` are marked from the start."""
        super().__init__()
        self.folder = folder
        self.chosen = tuple(chosen)
        self.glyphs = glyphs
        self.comparison: Comparison = marked_from(self.chosen)
        self.pane = PANES[0]
        self.is_read = False
        self._wanted = asyncio.Event()
        self.table = RunsTable()
        spec = ChartSpec(
            "overlay",
            lambda state: metric_words(self.comparison.metric),
            lambda state, history: (self.comparison.version,),
            self._figure,
        )
        nowhere = History(folder / "no-run" / "matrix0.db")
        self.overlay = Overlay(nowhere, glyphs, (spec,))

    def compose(self) -> ComposeResult:
        yield QuietStatic("header")
        with Horizontal(id="compare-top"):
            yield self.table
            with Vertical(id="compare-curves"):
                yield self.overlay
                yield QuietStatic("compare-legend")
        with Horizontal(id="compare-tables"):
            yield TextPane("compare-table")
            yield TextPane("compare-settings")
        yield TextPane("compare-events")
        search = Input(placeholder="part of a run's name", id="compare-filter", compact=True)
        search.display = False
        yield search
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_class(self.glyphs.ascii, "-ascii")
        self._mark_pane()
        self._draw()
        self.run_worker(self._keep_reading(), group="compare", name="compare")

    def show(self, context: Context, now: float) -> None:
        self.query_one(KeyBar).show(context)

    @property
    def chart(self) -> LineChart:
        return self.overlay.current

    @property
    def axis(self) -> Axis:
        return self.overlay.view.axis

    def _figure(self, state: RunState, history: History, axis: Axis) -> Figure:
        return self.comparison.figure(axis)

    # Reading -------------------------------------------------------------------------------------

    async def _keep_reading(self) -> None:
        while True:
            self._wanted.clear()
            runs = await asyncio.to_thread(overview, self.folder, self.chosen)
            self.comparison.runs = runs
            self._list()
            await self._read_marked()
            self.is_read = True
            self._draw()
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_S):
                    await self._wanted.wait()

    async def _read_marked(self) -> None:
        active = {run.path: run.run.active_at for run in self.comparison.runs}
        for marked in tuple(self.comparison.marked):
            wanted = (self.comparison.metric,)
            marked.history.take(await asyncio.to_thread(marked.history.read, wanted))
            self.comparison.version += 1
        self._draw()
        for marked in tuple(self.comparison.marked):
            known = marked.side
            if known is None or known.run.active_at != active.get(marked.path):
                run = RunDirectory(marked.path)
                if not run.exists and known is not None:
                    continue  # Moved away meanwhile: what was read stays.
                marked.side = await asyncio.to_thread(read_side, run, known)
                marked.history.follow(marked.side.run.step)
                self.comparison.version += 1
        self._draw()
        for marked in tuple(self.comparison.marked):
            if marked.side is not None and not marked.side.is_rated:
                marked.side = await asyncio.to_thread(rated, marked.side)
                self._draw()

    # Drawing -------------------------------------------------------------------------------------

    def _list(self) -> None:
        listed = self.comparison.listed
        rows = {run.run.directory: self._cells(run) for run in listed}
        self.table.show_rows(rows)
        needle = f"  /{fmt.line(self.comparison.needle)}" if self.comparison.needle else ""
        self.table.border_title = Content.assemble(("runs", "bold"), needle)
        self.table.border_subtitle = Content("" if rows else "none here")

    def _cells(self, listed: Listed) -> tuple[Cell, ...]:
        sign, colour = _sign(listed.state, self.glyphs)
        letter = self.comparison.letter(listed.path)
        number = LETTERS.index(letter) if letter else 0
        run = listed.run
        elo = self.glyphs.dash if run.elo is None else f"{run.elo:+.0f}"
        return (
            Cell(f"[{letter}]" if letter else "", series_role(number), bold=True),
            Cell(fmt.line(run.name), bold=bool(letter)),
            Cell(f"{sign} {listed.state}{listed.detail if listed.state == NAN else ''}", colour),
            Cell(elo, "" if run.elo is not None else "muted"),
        )

    @on(Overlay.Looked)
    def _draw(self) -> None:
        comparison, glyphs = self.comparison, self.glyphs
        self.overlay.show(RunState())
        chart = self.chart
        marks = f"{len(comparison.marked)} of {fmt.plural(len(comparison.runs), 'run')}"
        parts = [
            marks,
            f"x: {'log ' * chart.view.log_x}{'at work' if self.axis == 'elapsed' else self.axis}",
            f"y: {'log' if chart.log_axis else 'linear'}",
            f"smoothing {f'ema {chart.smoothing:g}' if chart.smoothing else 'none'}",
        ]
        head = Content.assemble((" COMPARE", "bold $accent"), "   " + "   ".join(parts))
        self.query_one("#header", QuietStatic).put(head)
        self.query_one("#compare-legend", QuietStatic).put(self._legend())
        width = self.query_one("#compare-table").scrollable_content_region.width or 58
        sides, room = comparison.sides, max(40, width)
        title = "final (best so far)"
        self.query_one("#compare-table", TextPane).show(title, table_text(comparison, room, glyphs))
        title = "settings that differ"
        lines = settings_text(sides, room, glyphs)
        self.query_one("#compare-settings", TextPane).show(title, lines)
        lines, near = events_text(comparison, self.axis, chart.cursor, glyphs)
        self.query_one("#compare-events", TextPane).show("events", lines, near)

    def _legend(self) -> Content:
        """Which line is which run; under it the values at the cursor."""
        signs = ASCII_LINES if self.glyphs.ascii else LINES
        first: list[tuple[str, str]] = []
        for number, marked in enumerate(self.comparison.marked):
            style = f"${series_role(number)}"
            first.append((f" {LETTERS[number]} {signs[number]} ", f"bold {style}"))
            first.append((f"{fmt.line(marked.path.name)} ", ""))
        cursor = self.chart.cursor
        if cursor is None:
            arrows = fmt.signs("← →", self.glyphs)
            second = [(f" {arrows} cursor: values and differences", "$muted")]
        else:
            second = [(f" {placed(cursor, self.axis, self.glyphs)}", "bold")]
            found = self.comparison.readout(self.axis, cursor, self.chart.smoothing)
            for letter, text in found:
                style = f"${series_role(LETTERS.index(letter))}"
                second += [(f"   {letter} ", f"bold {style}"), (text, "")]
        return Content.assemble(*first, "\n", *second)

    # What keys do --------------------------------------------------------------------------------

    @property
    def selected(self) -> Path | None:
        """The run under the cursor of the list."""
        key = self.table.selected_key
        return Path(key) if key else None

    def do(self, id: str) -> None:
        overlay = self.overlay
        what = {
            "next-chart": lambda: overlay.move_cursor(1),
            "previous-chart": lambda: overlay.move_cursor(-1),
            "cursor-right": lambda: overlay.move_cursor(1),
            "cursor-left": lambda: overlay.move_cursor(-1),
            "nearer": lambda: overlay.zoom(nearer=True),
            "farther": lambda: overlay.zoom(nearer=False),
            "pan-left": lambda: overlay.pan(-PAN_FRAC),
            "pan-right": lambda: overlay.pan(PAN_FRAC),
            "whole": overlay.show_whole,
            "axis": overlay.next_axis,
            "log-x": overlay.toggle_log_x,
            "log-axis": overlay.toggle_log_axis,
            "smooth": overlay.cycle_smoothing,
            "mark": self._toggle,
            "pin": self._pin,
            "metric": lambda: self._next_metric(1),
            "metric-back": lambda: self._next_metric(-1),
            "compare-pane": self._next_pane,
            "compare-filter": self._ask_filter,
            "write-csv": self._write,
            "replay": self._replay,
        }[id]
        what()
        self._draw()

    def _toggle(self) -> None:
        self._say(self.comparison.toggle(self.selected) if self.selected else "no run is here")
        self._changed()

    def _pin(self) -> None:
        self._say(self.comparison.pin(self.selected) if self.selected else "no run is here")
        self._changed()

    def _next_metric(self, by: int) -> None:
        self.comparison.next_metric(by)
        self._changed()

    def _changed(self) -> None:
        self._list()
        self._wanted.set()

    def _next_pane(self) -> None:
        self.pane = PANES[(PANES.index(self.pane) + 1) % len(PANES)]
        self._mark_pane()

    def _mark_pane(self) -> None:
        for name in PANES:
            self.set_class(name == self.pane, f"-pane-{name}")

    @on(DataTable.RowSelected)
    def _row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        self.do("mark")

    def _replay(self) -> None:
        if self.selected is None:
            self._say("no run is here")
        else:
            self.post_message(self.Replay(self.selected))

    def back(self) -> None:
        """Close the filter, take the cursor away, or leave."""
        if not self._close_filter() and not self.overlay.remove_cursor():
            self.post_message(self.Left())

    def _ask_filter(self) -> None:
        search = self.query_one(Input)
        search.display = True
        self.set_focus(search)

    @on(Input.Changed)
    def _filtered(self, event: Input.Changed) -> None:
        self.comparison.needle = event.value.strip()
        self._list()

    @on(Input.Submitted)
    def _close_filter(self) -> bool:
        search = self.query_one(Input)
        was_open = bool(search.display)
        search.display = False
        self.set_focus(self.table)
        return was_open

    def _say(self, text: str) -> None:
        if text:
            self.notify(text, severity="warning", markup=False)

    def _write(self) -> None:
        self.run_worker(self._write_csv(), group="csv", exclusive=True)

    async def _write_csv(self) -> None:
        comparison = self.comparison
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        path = Path.cwd() / f"compare-{comparison.metric}-{stamp}.csv"
        sides, metrics = comparison.sides, (comparison.metric,)
        try:
            text = await asyncio.to_thread(csv_of, sides, metrics)
            await asyncio.to_thread(commit_file, path, text.encode())
        except (sqlite3.Error, Matrix0Error) as error:
            self.notify(f"{path.name}: {error}", severity="error", markup=False)
        else:
            lines = fmt.plural(text.count("\n") - 1, "reading")
            self.notify(f"{lines} in {path}", markup=False)


def placed(x: float, axis: Axis, glyphs: Glyphs) -> str:
    """A place of the axis in words."""
    return f"at work {fmt.duration(x, glyphs)}" if axis == "elapsed" else f"{axis} {fmt.count(x)}"


def _sign(state: str, glyphs: Glyphs) -> tuple[str, str]:
    """Glyph and theme variable."""
    if state in (NAN, FAILED, DAMAGED):
        return glyphs.failed, "bad"
    if state == DONE:
        return glyphs.done, "muted"
    if state == LIVE:
        return glyphs.running, "good"
    return glyphs.stopped, "muted"
