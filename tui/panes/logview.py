"""Lines of a log, one a row however long: filters, cursor, marks and matches. Memory and time of a
drawing do not depend on how many lines there are.
"""

from collections.abc import Callable, Iterable
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from backend.events import Level, LogLine
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.logbook import MAX_LINES
from tui.panes.log import SOURCE_WIDTH, as_text, colour_of
from tui.status import level_sign, style_of

LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")


class LogView(ScrollView, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("home,g", "go(0)", show=False),
        Binding("end,G", "go(-1)", show=False),
    ]
    cursor: reactive[int] = reactive(0, init=False)
    """Row under the cursor, among those that are shown."""

    class Moved(Message):
        """Another line is under the cursor, or another set of lines is shown."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="log-view", classes="pane")
        self.glyphs = glyphs
        self.lines: list[LogLine] = []
        self.rows: list[LogLine] = []
        """Those that pass the filters."""
        self.level: Level = "debug"
        self.source = ""
        """Empty for all."""
        self.pattern = ""
        self.num_found = 0
        """Rows that match the pattern."""
        self.marks: set[int] = set()
        """Identities of lines: they stay on them when older ones are dropped."""
        self.is_following = True

    # Lines ---------------------------------------------------------------------------------------

    def clear(self) -> None:
        self.lines = []
        self.filter()

    def add(self, lines: Iterable[LogLine]) -> None:
        new = list(lines)
        self.lines += new
        passing = list(filter(self._passes, new))
        self.rows += passing
        self.num_found += sum(map(self.matches, passing))
        if len(self.lines) > MAX_LINES:
            del self.lines[: len(self.lines) - MAX_LINES]
            self.filter()
            return
        self._settle()

    def filter(self) -> None:
        """Show what passes now; the cursor stays on its line, or on the next that is shown."""
        at = self.current
        self.rows = list(filter(self._passes, self.lines))
        self.num_found = sum(map(self.matches, self.rows))
        if at is not None and not self.is_following:
            self.cursor = next(
                (i for i, row in enumerate(self.rows) if row is at or row.at > at.at),
                max(0, len(self.rows) - 1),
            )
        self._settle()

    def sources(self) -> list[str]:
        return sorted({line.source for line in self.lines})

    @property
    def current(self) -> LogLine | None:
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def to_copy(self) -> str:
        return "" if self.current is None else as_text(self.current)

    def _passes(self, line: LogLine) -> bool:
        is_grave = LEVELS.index(line.level) >= LEVELS.index(self.level)
        return is_grave and self.source in ("", line.source)

    # Moving --------------------------------------------------------------------------------------

    def follow(self) -> None:
        self.is_following = True
        self._settle()

    def action_move(self, by: int) -> None:
        self.go_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        self.go_to(self.cursor + by * max(1, self.size.height - 1))

    def action_go(self, row: int) -> None:
        self.go_to(len(self.rows) - 1 if row < 0 else row)

    def go_to(self, row: int) -> None:
        self.cursor = min(max(row, 0), max(0, len(self.rows) - 1))
        self.is_following = self.cursor >= len(self.rows) - 1
        self._settle()

    def search(self, pattern: str) -> None:
        """Set off what matches; capitals do not matter. Empty for nothing."""
        self.pattern = pattern
        self.num_found = sum(map(self.matches, self.rows))
        self._settle()

    def matches(self, line: LogLine) -> bool:
        if not self.pattern:
            return False
        wanted = self.pattern.casefold()
        return wanted in line.text.casefold() or wanted in line.source.casefold()

    def find(self, by: int) -> bool:
        """Go to the next line that matches, round the end; False if none does."""
        return self._go_to_next(by, lambda line: self.matches(line))

    def toggle_mark(self) -> None:
        if (line := self.current) is not None:
            self.marks ^= {id(line)}
            self.refresh()

    def to_mark(self) -> bool:
        return self._go_to_next(1, lambda line: id(line) in self.marks)

    def _go_to_next(self, by: int, wanted: Callable[[LogLine], bool]) -> bool:
        count = len(self.rows)
        for distance in range(1, count + 1):
            row = (self.cursor + by * distance) % count
            if wanted(self.rows[row]):
                self.go_to(row)
                return True
        return False

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None:
            self.go_to(self.scroll_offset.y + offset.y)

    def _settle(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows))
        if self.is_following:
            self.cursor = max(0, len(self.rows) - 1)
        height = max(1, self.scrollable_content_region.height)
        top = min(max(self.scroll_offset.y, self.cursor - height + 1), self.cursor)
        self.scroll_to(y=top, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        self._settle()

    # Drawing -------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        row, width, base = self.scroll_offset.y + y, self.size.width, self.rich_style
        if row >= len(self.rows):
            return Strip.blank(width, base)
        line = self.rows[row]
        if row == self.cursor:
            base = base + Style(bgcolor=self.app.theme_variables["panel"], bold=True)
        sign = self.glyphs.best if id(line) in self.marks else " "
        sign = self.glyphs.selected if row == self.cursor and sign == " " else sign
        word, colour = level_sign(line.level)
        source = fmt.fit(fmt.line(line.source), SOURCE_WIDTH - 1, self.glyphs)
        segments = [
            Segment(f"{sign}{fmt.clock(line.at)} ", base + self._style("muted")),
            Segment(f"{word} ", base + self._style(colour)),
            Segment(f"{source} ", base + self._style("series-1")),
            *self._text(fmt.line(line.text), base, base + self._style(colour_of(line.level))),
        ]
        strip = Strip(segments)
        if strip.cell_length > width:
            strip = Strip([*strip.crop(0, width - 1), Segment(self.glyphs.ellipsis, base)])
        return strip.adjust_cell_length(width, base)

    def _text(self, text: str, base: Style, style: Style) -> list[Segment]:
        """The text with what was searched for set off; in reverse, so that it needs no colour."""
        wanted = self.pattern.casefold()
        start = text.casefold().find(wanted) if wanted else -1
        if start < 0:
            return [Segment(text, style)]
        end = start + len(wanted)
        found = base + self._style("accent") + Style(reverse=True)
        parts = ((text[:start], style), (text[start:end], found), (text[end:], style))
        return [Segment(part, how) for part, how in parts if part]

    def _style(self, variable: str) -> Style:
        return style_of(self.app.theme_variables, variable)
