"""The dashboard of a run of the past, with its clock: play, speed, place."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui import format as fmt
from tui.action import Context, Place
from tui.glyphs import Glyphs
from tui.panes.quiet import QuietStatic
from tui.replaying import SCRUB_FRAC, TICK_S, Replaying
from tui.screens.dashboard import Dashboard


class ReplayDashboard(Dashboard):
    class Left(Message):
        """The person wants to be where they came from."""

    class Ticked(Message):
        """The replay may have moved on."""

    def __init__(self, link: Replaying, glyphs: Glyphs) -> None:
        super().__init__(link.run_dir, glyphs, link.history)
        self.link = link

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield QuietStatic("replay-bar")

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(TICK_S, lambda: self.post_message(self.Ticked()))

    def show(self, context: Context, now: float) -> None:
        super().show(context, now)
        bar = self.query_one("#replay-bar", QuietStatic)
        bar.put(transport(self.link, self.size.width or 80, self.glyphs))

    @property
    def place(self) -> Place:
        return "replay"

    def escape(self) -> None:
        """Take the cursor away, leave the maximised chart, or leave the replay."""
        if self.charts.remove_cursor():
            return
        if self.is_zoomed:
            self.toggle_zoom()
        else:
            self.post_message(self.Left())

    # What keys do --------------------------------------------------------------------------------

    def do(self, id: str) -> bool:
        """Do what concerns charts or clock; False for an action that does not."""
        if super().do(id):
            return True
        link = self.link
        what: Callable[[], object] | None = {
            "play-pause": link.toggle,
            "slower": lambda: link.change_speed(-1),
            "faster": lambda: link.change_speed(1),
            "scrub-back": lambda: link.scrub(-SCRUB_FRAC),
            "scrub-on": lambda: link.scrub(SCRUB_FRAC),
            "next-event": lambda: self._to_event(1),
            "previous-event": lambda: self._to_event(-1),
            "go-to": self._ask_place,
            "replay-start": lambda: link.seek(link.timeline.start),
            "replay-end": lambda: link.seek(link.timeline.end),
        }.get(id)
        if what is not None:
            if link.view.status == "connected":
                what()
            else:
                self.notify(link.view.detail, severity="warning", markup=False)
        return what is not None

    def _to_event(self, by: int) -> None:
        if not self.link.seek_event(by):
            where = "later" if by > 0 else "earlier"
            self.notify(f"there is no {where} event", markup=False)

    def _ask_place(self) -> None:
        self.app.push_screen(PlaceScreen(), self._go)

    def _go(self, text: str | None) -> None:
        if not text:
            return
        at = self.link.place_of(text)
        if at is None:
            self.notify(
                f"{text}: a step (1200), a share (40%), a time (14:05) or a span (1h20m) is wanted",
                severity="warning",
                markup=False,
            )
        else:
            self.link.seek(at)


def transport(link: Replaying, width: int, glyphs: Glyphs) -> Content:
    """One line: whether it plays, how fast, where it is, and how far that is."""
    if link.view.status != "connected":
        return Content.assemble((f" {fmt.line(link.view.detail)}", "$attention"))
    start, end = link.timeline.start, link.timeline.end
    share = (link.now - start) / (end - start) if end > start else 1.0
    sign, word = (glyphs.flow[-1], "playing") if link.is_playing else (glyphs.paused, "paused")
    word = "catching up" if link.is_behind else word
    when = datetime.fromtimestamp(link.now).strftime("%Y-%m-%d %H:%M:%S")
    parts = [
        (f" REPLAY {sign} {word} ", "bold $accent"),
        (f" x{link.speed:,} ", "bold"),
        (f" {when}  step {fmt.count(link.state.step)} ", ""),
    ]
    gone, whole = (fmt.duration(s, glyphs) for s in (link.now - start, end - start))
    last = f" {gone} of {whole} "
    room = width - sum(len(text) for text, _ in parts) - len(last)
    if room >= 8:
        parts.append((fmt.bar(share, room, glyphs), "$accent"))
    parts.append((last, "$muted"))
    return Content.assemble(*parts)


class PlaceScreen(ModalScreen[str | None]):
    """Asks for a place of the replay."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="page"):
            text = "Go to a step (1200), a share (40%), a time of day (14:05), a span (1h20m)"
            yield Static(text, markup=False)
            yield Input(placeholder="step, share or time", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)
