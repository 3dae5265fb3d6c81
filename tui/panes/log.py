"""The newest lines of the run's log, wrapped to the width; follows until one scrolls up."""

import textwrap
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from backend.events import Level, LogLine
from backend.state import RunState
from backend.text import clean
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.quiet import Titles
from tui.status import level_sign, style_of

SOURCE_WIDTH = 11


@dataclass(frozen=True)
class _Row:
    line: LogLine
    text: str
    first: bool
    """The first row of its line carries time, level and source."""


class LogPane(ScrollView, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="log-pane", classes="pane")
        self.glyphs = glyphs
        self._lines: tuple[LogLine, ...] = ()
        self._rows: list[_Row] = []
        self._row_width = 0
        self._titles = Titles(self)
        self.is_following = True
        self._settling = False

    def show(self, state: RunState) -> None:
        if state.log is not self._lines:
            self._append(state.log)
            self._lines = state.log
            self._settle()
        self._subtitle()

    def to_copy(self) -> str:
        """The newest line in view."""
        last = min(self.scroll_offset.y + self.size.height, len(self._rows)) - 1
        return as_text(self._rows[last].line) if last >= 0 else ""

    def on_resize(self) -> None:
        if self.scrollable_content_region.width != self._row_width:
            self._rows = []
            lines, self._lines = self._lines, ()
            self._append(lines)
            self._lines = lines
        self._settle()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._settling:
            self.is_following = new_value >= self.max_scroll_y
            self._subtitle()

    def action_scroll_home(self) -> None:
        """At once: an animated scroll through hundreds of lines is a flood over ssh."""
        self.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        self.scroll_end(animate=False)

    def _subtitle(self) -> None:
        number = fmt.plural(len(self._lines), "line")
        word = "follow" if self.is_following else "scrolled, G follows"
        text = f"{word} {self.glyphs.middle_dot} {number}" if self._lines else "nothing logged yet"
        self._titles.put(Content.assemble(("log", "bold")), text)

    def _settle(self) -> None:
        """Scrolling of our own must not be taken for the user's."""
        self._settling = True
        self.virtual_size = Size(self._row_width, len(self._rows))
        if self.is_following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self._settling = False
        self.refresh()

    def _append(self, lines: tuple[LogLine, ...]) -> None:
        """Wrap only what is new: the old tail is found again by identity."""
        self._row_width = self.scrollable_content_region.width
        start = 0
        if self._lines:
            last = self._lines[-1]
            start = next((i + 1 for i in range(len(lines) - 1, -1, -1) if lines[i] is last), 0)
        if start == 0:
            self._rows = []
        elif lines[0] is not self._lines[0]:
            gone = next((i for i, row in enumerate(self._rows) if row.line is lines[0]), 0)
            del self._rows[:gone]
        width = max(10, self._row_width - _head_width())
        for line in lines[start:]:
            self._rows.extend(_wrap(line, width))

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.size.width
        base = self.rich_style
        if index >= len(self._rows):
            return Strip.blank(width, base)
        row = self._rows[index]
        segments = self._segments(row, base)
        return Strip(segments).adjust_cell_length(width, base)

    def _segments(self, row: _Row, base: Style) -> list[Segment]:
        muted = base + self._style("muted")
        style = base + self._style(colour_of(row.line.level))
        if not row.first:
            return [Segment(" " * _head_width(), base), Segment(row.text, style)]
        word, colour = level_sign(row.line.level)
        source = fmt.fit(fmt.line(row.line.source), SOURCE_WIDTH - 1, self.glyphs)
        return [
            Segment(f" {fmt.clock(row.line.at)} ", muted),
            Segment(f"{word} ", base + self._style(colour)),
            Segment(f"{source} ", base + self._style("series-1")),
            Segment(row.text, style),
        ]

    def _style(self, variable: str) -> Style:
        return style_of(self.app.theme_variables, variable)


def as_text(line: LogLine) -> str:
    """A line with its day, level and source: for files and the clipboard."""
    at = datetime.fromtimestamp(line.at).isoformat(" ", "seconds")
    return f"{at} {line.level.upper():7} {fmt.line(line.source)} {clean(line.text)}"


def colour_of(level: Level) -> str:
    if level == "debug":
        return "muted"
    return level_sign(level)[1] if level in ("warning", "error") else ""


def _head_width() -> int:
    return 1 + 8 + 1 + 5 + 1 + SOURCE_WIDTH


def _wrap(line: LogLine, width: int) -> list[_Row]:
    rows: list[_Row] = []
    for part in clean(line.text).split("\n"):
        if cell_len(part) <= width:
            chunks = [part]
        elif part.isascii():
            chunks = textwrap.wrap(part, width)
        else:
            chunks = chop_cells(part, width)
        rows += [_Row(line, chunk, not rows and i == 0) for i, chunk in enumerate(chunks or [""])]
    return rows
