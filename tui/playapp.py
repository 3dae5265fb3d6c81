"""`matrix0 play`: the play screen alone, without a supervisor."""

from collections.abc import Iterable

from textual import on
from textual.app import App, SystemCommand
from textual.screen import Screen

from tui import themes
from tui.app import HEIGHTS, WIDTHS
from tui.screens.play import PlayScreen


class PlayApp(App[int]):
    CSS_PATH = "app.tcss"
    TITLE = "Matrix0"
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS

    def __init__(self, play: PlayScreen) -> None:
        super().__init__()
        self.play = play

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.defaults(self.current_theme.dark)

    def on_mount(self) -> None:
        themes.dress(self)
        self.theme = "matrix0-dark"
        self.push_screen(self.play)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from self.play.commands()
        yield SystemCommand("Theme", "Choose one of all themes", self.action_change_theme)

    @on(PlayScreen.Left)
    def _left(self) -> None:
        self.exit(0)
