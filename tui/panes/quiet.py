"""Widgets that touch the screen only when what they show is new.

`Static.update` lays out the whole screen again and a border title redraws its widget, equal or not:
twice a second for every pane that was most of the processor time of the screen.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Self

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static


class QuietStatic(Static):
    """Text of a fixed place and height; never markup."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._seen: Content | None = None

    def put(self, content: Content) -> None:
        if self._seen is None or not same(content, self._seen):
            self._seen = content
            self.update(content, layout=False)


def same(a: Content, b: Content) -> bool:
    """Equal in text and in style; `Content.__eq__` looks at the text alone."""
    return a.plain == b.plain and a.spans == b.spans


class LineWise(Widget):
    """A widget of which only the lines that have changed are drawn again: over a slow link the rest
    of a chart or a board would be most of what is sent."""

    _edge: Region | None = None
    """While a title changes: the line of the border that it is in."""

    def refresh_lines(self, before: Sequence[Strip], after: Sequence[Strip]) -> None:
        """Draw the lines of the content in which the two differ; all if their number does."""
        if len(before) != len(after):
            self.refresh()
            return
        width = self.size.width
        pairs = enumerate(zip(before, after, strict=True))
        changed = [Region(0, y, width, 1) for y, (old, new) in pairs if old != new]
        if changed:
            self.refresh(*changed)

    @contextmanager
    def changing_title(self, *, is_upper: bool) -> Iterator[None]:
        """Whatever is to be drawn again meanwhile is that line of the border alone."""
        left, top = self.content_offset
        width, height = self.outer_size
        self._edge = Region(-left, -top if is_upper else height - 1 - top, width, 1)
        try:
            yield
        finally:
            self._edge = None

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        if self._edge is not None and not regions and not layout:
            regions = (self._edge,)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class Titles:
    """The two titles in the border of one widget."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._title = Content()
        self._subtitle = Content()

    def put(self, title: Content, subtitle: Content | str = "") -> None:
        subtitle = Content(subtitle) if isinstance(subtitle, str) else subtitle
        if not same(title, self._title):
            self._title = title
            with self._changing(is_upper=True):
                self._widget.border_title = title
        if not same(subtitle, self._subtitle):
            self._subtitle = subtitle
            with self._changing(is_upper=False):
                self._widget.border_subtitle = subtitle

    def _changing(self, *, is_upper: bool) -> AbstractContextManager[None]:
        widget = self._widget
        if isinstance(widget, LineWise):
            return widget.changing_title(is_upper=is_upper)
        return nullcontext()
