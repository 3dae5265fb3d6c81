"""What went wrong and what was done about it, newest first."""

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from backend.events import Alert
from backend.state import RunState
from backend.text import clean
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.status import level_sign

SHOWN = 50


class AlertsPane(VerticalScroll, can_focus=True):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="alerts", classes="pane")
        self.glyphs = glyphs
        self.border_title = Content.assemble(("alerts", "bold"))
        self._shown: tuple[Alert, ...] | None = None
        self._seen = 0.0

    def compose(self) -> ComposeResult:
        yield Static(id="alert-text", markup=False)

    def to_copy(self) -> str:
        """The newest alert."""
        alerts = self._shown
        return f"{alerts[-1].level}: {clean(alerts[-1].text)}" if alerts else ""

    def show(self, state: RunState, seen_until: float) -> None:
        """`seen_until` is the time of the newest alert that was acknowledged."""
        if state.alerts is self._shown and seen_until == self._seen:
            return
        self._shown, self._seen = state.alerts, seen_until
        text = alerts_text(state, seen_until, self.glyphs)
        self.query_one("#alert-text", Static).update(text)
        fresh = len(unseen(state, seen_until).alerts)
        words = f"a acknowledges {fresh}" if fresh else "all acknowledged"
        dot = self.glyphs.middle_dot
        self.border_subtitle = Content(
            f"{words} {dot} {len(state.alerts)} in all" if self._shown else ""
        )


def unseen(state: RunState, seen_until: float) -> RunState:
    """The state with those alerts alone that are not acknowledged."""
    if not state.alerts or state.alerts[0].at > seen_until:
        return state
    return replace(state, alerts=tuple(a for a in state.alerts if a.at > seen_until))


def alerts_text(state: RunState, seen_until: float, glyphs: Glyphs) -> Content:
    if not state.alerts:
        return Content(" nothing has gone wrong so far")
    parts: list[str | tuple[str, str]] = []
    for alert in reversed(state.alerts[-SHOWN:]):
        word, colour = level_sign(alert.level)
        is_seen = alert.at <= seen_until
        parts.append((f" {glyphs.done if is_seen else '!'} {fmt.clock(alert.at)} ", "$muted"))
        parts.append((f"{word} ", "$muted" if is_seen else f"${colour}"))
        parts.append((f"{fmt.line(alert.text)}\n", "$muted" if is_seen else ""))
    return Content.assemble(*parts)
