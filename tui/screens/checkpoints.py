"""Two checkpoints beside each other: which other one, and the page that says what differs."""

from pathlib import Path
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from backend.compare.networks import Fact, compared, in_lines
from backend.state import RunState
from backend.views import CheckpointView
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.checkpoints import tag
from tui.screens.menu import Choices
from tui.screens.pages import PageScreen


class OtherScreen(ModalScreen[str]):
    """The checkpoint that another is held against; empty for none. It begins on the best."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss('')", "Cancel")]

    def __init__(self, state: RunState, name: str, glyphs: Glyphs) -> None:
        super().__init__()
        self.state = state
        self.checkpoint = name
        self.glyphs = glyphs
        self.others = [view for view in reversed(state.checkpoints) if view.name != name]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="page") as dialog:
            dialog.border_title = Content(f"compare {fmt.network(self.checkpoint)} with")
            dialog.border_subtitle = Content("Enter chooses, Esc goes back")
            yield Choices(
                *(Option(Content(self._line(view)), view.name) for view in self.others),
                id="others",
                compact=True,
            )

    def on_mount(self) -> None:
        names = [view.name for view in self.others]
        best = self.state.best
        self.query_one(Choices).highlighted = names.index(best) if best in names else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id or "")

    def _line(self, view: CheckpointView) -> str:
        word, _ = tag(view, self.state, self.glyphs)
        return f"{fmt.count(view.step):>10}  {_elo(view, self.glyphs):>10}  {fmt.line(word)}"


def compared_page(folder: Path, a: str, b: str, state: RunState, glyphs: Glyphs) -> PageScreen:
    """What differs from A to B. Reads both; CheckpointError names one that is unfit."""
    found = compared(folder, a, b)
    views = {view.name: view for view in state.checkpoints}
    if a in views and b in views:
        rating = Fact("Elo (95%)", _elo(views[a], glyphs), _elo(views[b], glyphs))
        found = msgspec.structs.replace(found, facts=(rating, *found.facts))
    heading, *lines = (fmt.signs(line, glyphs) for line in in_lines(found))
    text = Content.assemble((f"{heading}\n", "bold"), "\n".join(lines))
    return PageScreen(Content(f"{fmt.network(b)} against {fmt.network(a)}"), text)


def _elo(view: CheckpointView, glyphs: Glyphs) -> str:
    return fmt.elo(view.elo, view.elo_low, view.elo_high, glyphs)
