"""What can be done with a worker or a checkpoint, by its own keys, Enter or the mouse."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui import format as fmt

WIDTH: Final = 64
"""Cells of an entry; as in app.tcss."""


class Choices(OptionList):
    """A list that vim keys move in too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "first", show=False),
        Binding("G", "last", show=False),
    ]


@dataclass(frozen=True)
class Entry:
    """One action of a menu."""

    id: str
    key: str
    """As it is shown."""
    title: str
    reason: str
    """Why it cannot be done now; empty when it can."""


class MenuScreen(ModalScreen[str]):
    """The id of the action that was chosen; empty for none. The keys that it shows work too."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss('')", "Cancel")]

    def __init__(self, subject: str, entries: Sequence[Entry]) -> None:
        super().__init__()
        self.subject = subject
        self.entries = entries

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="page") as dialog:
            dialog.border_title = Content(fmt.line(self.subject))
            dialog.border_subtitle = Content("Enter chooses, Esc goes back")
            yield Choices(
                *(Option(Content(_line(e)), e.id, disabled=bool(e.reason)) for e in self.entries),
                compact=True,
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id or "")

    def on_key(self, event: Key) -> None:
        for entry in self.entries:
            if entry.key in (event.key, event.character):
                event.stop()
                if entry.reason:
                    text = f"{entry.title}: {fmt.line(entry.reason)}"
                    self.notify(text, severity="warning", markup=False)
                else:
                    self.dismiss(entry.id)


def _line(entry: Entry) -> str:
    """Key and title, with the reason under the title where one line is too short."""
    text = f"{entry.title}: {fmt.line(entry.reason)}" if entry.reason else entry.title
    head = f"{entry.key}  "
    return "\n".join(wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))
