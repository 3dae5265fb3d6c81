"""What went wrong and what was done about it, newest first."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from backend.state import RunState
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.status import level_sign

SHOWN = 50


class AlertsPane(VerticalScroll, can_focus=True):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="alerts", classes="pane")
        self.glyphs = glyphs
        self.border_title = Content.assemble(("alerts", "bold"))
        self._shown: object = None

    def compose(self) -> ComposeResult:
        yield Static(id="alert-text", markup=False)

    def show(self, state: RunState) -> None:
        if state.alerts is self._shown:
            return
        self._shown = state.alerts
        self.query_one("#alert-text", Static).update(alerts_text(state))
        self.border_subtitle = Content(f"{len(state.alerts)} in all" if state.alerts else "")


def alerts_text(state: RunState) -> Content:
    if not state.alerts:
        return Content(" nothing has gone wrong so far")
    parts: list[str | tuple[str, str]] = []
    for alert in reversed(state.alerts[-SHOWN:]):
        word, colour = level_sign(alert.level)
        parts.append((f" {fmt.clock(alert.at)} ", "$muted"))
        parts.append((f"{word} ", f"${colour}"))
        parts.append(f"{fmt.line(alert.text)}\n")
    return Content.assemble(*parts)
