"""Widgets that touch the screen only when what they show is new.

`Static.update` lays out the whole screen again and a border title redraws its widget, equal or not:
twice a second for every pane that was most of the processor time of the screen.
"""

from textual.content import Content
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
            self._widget.border_title = title
        if not same(subtitle, self._subtitle):
            self._subtitle = subtitle
            self._widget.border_subtitle = subtitle
