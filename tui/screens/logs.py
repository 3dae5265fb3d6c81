"""The log screen: the whole log of the run, with filters, search, marks and export."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input

from backend.commit import commit_file
from backend.errors import Matrix0Error
from backend.events import Level
from backend.text import clean
from tui import format as fmt
from tui.action import Context, Place
from tui.glyphs import Glyphs
from tui.logbook import LogBook
from tui.panes.bars import KeyBar
from tui.panes.log import as_text
from tui.panes.logview import LogView
from tui.panes.quiet import QuietStatic, Titles
from tui.screens.above import Above

READ_S: Final = 1.0
LEVELS: Final[tuple[Level, ...]] = ("debug", "warning", "error")
"""Least levels, in turn."""
LEVEL_WORDS: Final = {"debug": "all levels", "warning": "warnings and errors", "error": "errors"}


class LogScreen(Above):
    place: ClassVar[Place] = "log"
    AUTO_FOCUS: ClassVar[str | None] = "#log-view"

    def __init__(self, run_dir: Path, glyphs: Glyphs, *, searching: bool = False) -> None:
        """With `searching` it opens with the entry for what to search for."""
        super().__init__()
        self.searching = searching
        self.run_dir = run_dir
        self.glyphs = glyphs
        self.book = LogBook(run_dir / "matrix0.db")
        self.view = LogView(glyphs)
        self._titles = Titles(self.view)
        self._last_of_state: object = None

    def compose(self) -> ComposeResult:
        yield self.view
        yield QuietStatic("log-detail")
        search = Input(placeholder="search the log", id="log-search", compact=True)
        search.display = False
        yield search
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_class(self.glyphs.ascii, "-ascii")
        self.run_worker(self._keep_reading(), group="log", name="log")
        if self.searching:
            self.do("log-search")

    async def _keep_reading(self) -> None:
        while True:
            was_unreadable = self.book.is_unreadable
            lines = await asyncio.to_thread(self.book.read)
            if was_unreadable and not self.book.is_unreadable:
                self.view.clear()
            if lines:
                self.view.add(lines)
            else:
                await asyncio.sleep(READ_S)

    def show(self, context: Context, now: float) -> None:
        """While there is no database, the lines that the state has."""
        self.query_one(KeyBar).show(context)
        log = context.state.log
        if self.book.is_unreadable and log is not self._last_of_state:
            self._last_of_state = log
            self.view.clear()
            self.view.add(log)

    @on(LogView.Moved)
    def _describe(self) -> None:
        view, dot = self.view, f" {self.glyphs.middle_dot} "
        parts = [LEVEL_WORDS[view.level], view.source or "all sources"]
        if view.pattern:
            parts.append(f"/{view.pattern}: {fmt.count(view.num_found)} found")
        title = Content.assemble(("log", "bold"), f"  {fmt.line(dot.join(parts))}")
        how = "follow" if view.is_following else "stopped, F follows"
        place = f"{fmt.count(min(view.cursor + 1, len(view.rows)))} of {fmt.count(len(view.rows))}"
        self._titles.put(title, f"{how}{dot}{place}")
        line = view.current
        when = datetime.fromtimestamp(line.at).strftime("%Y-%m-%d %H:%M:%S") if line else ""
        text = clean(line.text) if line else "nothing is logged that passes the filters"
        self.query_one("#log-detail", QuietStatic).put(
            Content.assemble((f"{when} ", "$muted"), text)
        )

    # What keys do --------------------------------------------------------------------------------

    def do(self, id: str) -> None:
        view = self.view
        match id:
            case "log-search":
                search = self.query_one(Input)
                search.display = True
                self.set_focus(search)  # At once: `focus` waits, and the next key comes sooner.
            case "log-next" | "log-previous":
                self._find(1 if id == "log-next" else -1)
            case "log-level":
                view.level = LEVELS[(LEVELS.index(view.level) + 1) % len(LEVELS)]
                view.filter()
            case "log-source":
                turns = ["", *view.sources()]
                view.source = turns[(turns.index(view.source) + 1) % len(turns)]
                view.filter()
            case "log-mark":
                view.toggle_mark()
            case "log-to-mark":
                if not view.to_mark():
                    self.notify("no line is marked; m marks one", markup=False)
            case "log-export":
                self._export()
            case "log-follow":
                view.follow()
            case _:
                raise ValueError(f"no such action: {id!r}")

    def _find(self, by: int) -> None:
        if not self.view.pattern:
            self.notify("nothing to search for yet; / asks", markup=False)
        elif not self.view.find(by):
            self.notify(f"nothing matches {self.view.pattern}", severity="warning", markup=False)

    @on(Input.Submitted)
    def _searched(self, event: Input.Submitted) -> None:
        self.close_search()
        self.view.search(event.value.strip())
        if self.view.pattern:
            self._find(-1)

    def back(self) -> None:
        if not self.close_search():
            super().back()

    def close_search(self) -> bool:
        """Whether it was open."""
        search = self.query_one(Input)
        was_open = bool(search.display)
        search.display = False
        self.set_focus(self.view)
        return was_open

    def _export(self) -> None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        path = Path.cwd() / f"{self.run_dir.name}-log-{stamp}.txt"
        lines = [f"{as_text(line)}\n" for line in self.view.rows]
        try:
            commit_file(path, "".join(lines).encode())
        except Matrix0Error as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.notify(f"{fmt.plural(len(lines), 'line')} in {path}", markup=False)
