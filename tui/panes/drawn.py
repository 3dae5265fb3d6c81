"""A pane that is drawn line by line from the game, only when something is new."""

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.glyphs import Glyphs
from tui.playing import Playing
from tui.squares import Line
from tui.status import style_of


class DrawnPane(Widget):
    """Abstract: a pane says what its lines are."""

    def __init__(self, id: str, glyphs: Glyphs) -> None:
        super().__init__(id=id, classes="pane")
        self.glyphs = glyphs
        self.playing: Playing | None = None
        self._strips: list[Strip] | None = None

    def lines(self, playing: Playing, width: int, height: int) -> list[Line]:
        raise NotImplementedError

    def show(self, playing: Playing) -> None:
        """The game has changed."""
        self.playing = playing
        self.redraw()

    def redraw(self) -> None:
        self._strips = None
        self.refresh()

    def style(self, name: str) -> Style:
        """A foreground of the theme."""
        return style_of(self.app.theme_variables, name)

    def notify_style_update(self) -> None:
        self._strips = None
        super().notify_style_update()

    def on_resize(self) -> None:
        self._strips = None

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        base = self.rich_style
        if self._strips is None:
            drawn = [] if self.playing is None else self.lines(self.playing, width, height)
            self._strips = [
                Strip([Segment(text, base + style) for text, style in line]).adjust_cell_length(
                    width, base
                )
                for line in drawn
            ]
        return self._strips[y] if y < len(self._strips) else Strip.blank(width, base)
