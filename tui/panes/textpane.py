"""A framed text that scrolls, and can keep one of its lines in view."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.panes.quiet import Titles, same


class TextPane(VerticalScroll, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, id: str) -> None:
        super().__init__(id=id, classes="pane")
        self._text = Static(markup=False)
        self._titles = Titles(self)
        self._seen = Content()

    def compose(self) -> ComposeResult:
        yield self._text

    def to_copy(self) -> str:
        return self._seen.plain

    def show(self, title: str, lines: Sequence[Content], in_view: int | None = None) -> None:
        """`in_view` is the number of the line that should be seen."""
        self._titles.put(Content.assemble((title, "bold")))
        text = Content("\n").join(lines)
        if not same(text, self._seen):
            self._seen = text
            self._text.update(text)
        if in_view is not None:
            middle = in_view - self.scrollable_content_region.height // 2
            self.scroll_to(y=max(0, middle), animate=False)
