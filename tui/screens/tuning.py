"""The dialog that changes a setting of a run at work."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.widgets.option_list import Option

from backend.commands import ChangeSetting, ClientCommand
from backend.live import LIVE
from backend.state import RunState
from backend.wire import Reply
from tui import format as fmt
from tui.screens.menu import Choices

Request = Callable[[ClientCommand], Awaitable[Reply]]

NAME_WIDTH = 30


class SettingScreen(ModalScreen[str]):
    """What was changed, in words; empty when nothing was. Stays open while it is refused."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Cancel")]

    def __init__(self, state: RunState, request: Request, name: str = "") -> None:
        """`name` is the setting that the cursor starts on."""
        super().__init__()
        self.settings = state.settings
        self.request = request
        self.first = name

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="page") as dialog:
            dialog.border_title = Content("change a setting at work")
            dialog.border_subtitle = Content("Enter chooses, then sets; Esc goes back")
            options = [
                Option(Content(f"{name:<{NAME_WIDTH}} {fmt.line(value)}"), name)
                for name, value in self.settings.items()
            ]
            yield Choices(*options, id="settings", compact=True)
            yield Static(id="takes", markup=False)
            yield Input(id="value", compact=True)
            yield Static(id="refusal", markup=False)

    def on_mount(self) -> None:
        choices = self.query_one(Choices)
        names = list(self.settings)
        choices.highlighted = names.index(self.first) if self.first in names else 0
        self.query_one(Input).can_focus = False
        choices.focus()
        if self.first in names:
            self._edit()

    @property
    def chosen(self) -> str:
        """Name of the setting under the cursor."""
        return list(self.settings)[self.query_one(Choices).highlighted or 0]

    def on_option_list_option_highlighted(self) -> None:
        takes = LIVE[self.chosen].takes if self.chosen in LIVE else ""
        self.query_one("#takes", Static).update(f"takes: {takes}" if takes else "")
        self.query_one(Input).value = self.settings[self.chosen]
        self._say("")

    def on_option_list_option_selected(self) -> None:
        self._edit()

    def _edit(self) -> None:
        entry = self.query_one(Input)
        entry.can_focus = True
        entry.focus()
        entry.select_all()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        reply = await self.request(ChangeSetting(name=self.chosen, value=event.value))
        if reply.refused:
            self._say(reply.refused)
        else:
            self.dismiss(reply.text)

    def action_back(self) -> None:
        """From the value to the list, from the list away."""
        entry = self.query_one(Input)
        if entry.has_focus:
            entry.value = self.settings[self.chosen]
            self._say("")
            self.query_one(Choices).focus()
            entry.can_focus = False
        else:
            self.dismiss("")

    def _say(self, refusal: str) -> None:
        self.query_one("#refusal", Static).update(fmt.line(refusal))
