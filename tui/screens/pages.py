"""Pages above the dashboard that are only read: help, and the table of cycles."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from backend.state import RunState
from backend.summary import conclusion, cycles_table
from tui import format as fmt
from tui.action import PLACES, Action, Context, Place
from tui.actions import ACTIONS
from tui.glyphs import Glyphs

PAGE_FRAC = 0.96
"""Of the terminal's width, at most; as in app.tcss."""
PAGE_FRAME = 6
"""Cells of border and padding."""


class PageScreen(ModalScreen[None]):
    """Text in a frame; Esc or q closes it. On the `last` page of a run q leaves the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,t,enter", "dismiss", "Close"),
        Binding("q", "leave", show=False),
        Binding("j", "scroll('down')", show=False),
        Binding("k", "scroll('up')", show=False),
        Binding("g", "end('start')", show=False),
        Binding("G", "end('end')", show=False),
    ]

    def __init__(self, title: Content, text: Content, *, last: bool = False) -> None:
        super().__init__()
        self.page_title = title
        self.text = text
        self.last = last

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="page") as page:
            page.border_title = self.page_title
            page.border_subtitle = Content("Esc closes")
            yield Static(self.text, markup=False)

    def on_mount(self) -> None:
        self.query_one(".page").focus()

    async def action_leave(self) -> None:
        if self.last:
            await self.run_action("app.act('detach')")
        else:
            self.dismiss()

    def action_scroll(self, direction: str) -> None:
        self.query_one(".page", VerticalScroll).scroll_relative(y=1 if direction == "down" else -1)

    def action_end(self, which: str) -> None:
        page = self.query_one(".page", VerticalScroll)
        if which == "start":
            page.scroll_home(animate=False)
        else:
            page.scroll_end(animate=False)


APP_KEYS = (
    ("^p", "Palette: all actions and themes by name"),
    ("Tab", "Next pane; arrows or h j k l move in it, g and G go to the ends of lists"),
)


def help_text(
    context: Context, actions: Sequence[Action], others: Sequence[tuple[str, str]]
) -> Content:
    """Every action with its key, and why it cannot be done now."""
    parts: list[str | tuple[str, str]] = []
    places: tuple[Place, ...] | None = None
    has_places = any(action.places for action in actions)
    for action in sorted(actions, key=lambda a: [list(PLACES).index(p) for p in a.places]):
        if has_places and action.places != places:
            places = action.places
            title = " and ".join(PLACES[place] for place in places) or "everywhere"
            parts.append((f"\n{title.capitalize()}\n", "bold underline"))
        reason = action.refused(context)
        parts.append((f"{context.key_of(action):>6}  ", "bold $accent"))
        parts.append((action.title, "bold"))
        if action.help:
            parts.append((f"\n        {action.help}", "$muted"))
        if reason:
            parts.append((f"\n        Not now: {fmt.line(reason)}.", "$attention"))
        parts.append("\n")
    if has_places:
        parts.append("\n")
    for key, text in others:
        parts += [(f"{key:>6}  ", "bold $accent"), f"{text}\n"]
    return Content.assemble(*parts)


def help_page(
    context: Context,
    actions: Sequence[Action] = ACTIONS,
    others: Sequence[tuple[str, str]] = APP_KEYS,
) -> PageScreen:
    """The keys of `actions` and of `others`, which are no actions."""
    return PageScreen(Content("keys"), help_text(context, actions, others))


def cycles_page(state: RunState, width: int, glyphs: Glyphs) -> PageScreen:
    """For a terminal of `width` cells."""
    table = cycles_table(state, int(PAGE_FRAC * width) - PAGE_FRAME)
    heading, *lines = (fmt.signs(line, glyphs) for line in table)
    parts: list[str | tuple[str, str]] = [(f"{heading}\n", "bold")]
    for cycle, line in zip(state.cycles_done, lines, strict=True):
        promoted = cycle.verdict == "promoted"
        parts.append((f"{line}\n", "$best" if promoted else ""))
    parts.append((f"\n{conclusion(state)}\n", "$muted"))
    if state.phase == "stopped":
        parts.append((f"The run has ended: {fmt.line(state.stop_reason)}. q leaves.\n", "bold"))
    last = state.phase == "stopped"
    return PageScreen(Content("cycles"), Content.assemble(*parts), last=last)
