"""`y`: the value that has the focus, to the clipboard of the user's own terminal (OSC 52).

Not every terminal allows that, and none says whether it did. So the same is in a file, and short
values are shown.
"""

from typing import Any, Final, Protocol, runtime_checkable

from textual.app import App

from tui import format as fmt
from tui.remembered import COPIED, keep

SHOWN: Final = 60
"""Characters of what was copied that are shown."""


@runtime_checkable
class Copies(Protocol):
    """A widget with something to copy."""

    def to_copy(self) -> str:
        """What `y` takes; empty when there is nothing."""
        ...


def copy(app: App[Any], text: str) -> None:
    """Copy, and say what and where to."""
    if not text:
        app.notify("there is nothing to copy here", severity="warning", markup=False)
        return
    app.copy_to_clipboard(text)
    path = keep(COPIED, f"{text}\n")
    line = fmt.line(text)
    shown = line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."
    also = f"\nalso in {path}" if path is not None else ""
    app.notify(f"copied: {shown}{also}", markup=False)


def copy_focused(app: App[Any]) -> None:
    """Copy what the widget with the focus shows or has under its cursor."""
    widget = app.screen.focused
    copy(app, widget.to_copy() if isinstance(widget, Copies) else "")
