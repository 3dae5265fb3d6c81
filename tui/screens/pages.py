"""Pages above the dashboard that are only read: help, and the table of cycles."""

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import fill, wrap
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
from tui.action import PLACES, Action, Context, Place, in_words
from tui.actions import ACTIONS
from tui.glyphs import Glyphs

PAGE_FRAC = 0.96
"""Of the terminal's width, at most; as in app.tcss."""
PAGE_FRAME = 7
"""Cells of border, padding and scroll bar."""
TOGETHER = 40
"""Lines in one widget: those out of sight are not drawn, and a page opens at once."""


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
        self.set_class(text.plain.count("\n") > TOGETHER, "-long")
        self.page_title = title
        self.text = text
        self.last = last

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="page") as page:
            page.border_title = self.page_title
            page.border_subtitle = Content("Esc closes")
            lines = self.text.split("\n", allow_blank=True)
            for first in range(0, len(lines), TOGETHER):
                part = Content("\n").join(lines[first : first + TOGETHER])
                yield Static(part, markup=False)

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
    ("Enter", "Among workers and checkpoints: what can be done with the one under the cursor"),
)
KEY_WIDTH = 6
"""Cells for a key, before the two that part it from what it does."""

Parts = list[str | tuple[str, str]]


def help_text(
    context: Context, actions: Sequence[Action], others: Sequence[tuple[str, str]], width: int
) -> Content:
    """Every action with its key, and why it cannot be done now, in lines of `width` cells."""
    parts: Parts = []
    places: tuple[Place, ...] | None = None
    has_places = any(action.places for action in actions)
    for action in sorted(actions, key=lambda a: [list(PLACES).index(p) for p in a.places]):
        if has_places and action.places != places:
            places = action.places
            words = in_words(places) or "everywhere"
            parts += ["\n", (fill(words[0].upper() + words[1:], width), "bold underline"), "\n"]
        reason = action.refused(context)
        parts += _entry(context.key_of(action), action.title, "bold", width)
        if action.help:
            parts += _entry("", action.help, "$muted", width)
        if reason:
            parts += _entry("", f"Not now: {fmt.line(reason)}.", "$attention", width)
    if has_places:
        parts.append("\n")
    for key, text in others:
        parts += _entry(key, text, "", width)
    return Content.assemble(*parts)


def _entry(key: str, text: str, style: str, width: int) -> Parts:
    """The key, and beside it as many lines as the text needs."""
    lines = wrap(text, width - KEY_WIDTH - 2)
    parts: Parts = []
    for mark, line in zip_longest([key], lines, fillvalue=""):
        parts += [(f"{mark:>{KEY_WIDTH}}  ", "bold $accent"), (f"{line}\n", style)]
    return parts


def help_page(
    context: Context,
    width: int,
    actions: Sequence[Action] = ACTIONS,
    others: Sequence[tuple[str, str]] = APP_KEYS,
) -> PageScreen:
    """The keys of `actions` and of `others`, which are no actions, on `width` cells."""
    return PageScreen(Content("keys"), help_text(context, actions, others, inside(width)))


def inside(width: int) -> int:
    """Cells for the text of a page, in a terminal of `width`."""
    return int(PAGE_FRAC * width) - PAGE_FRAME


def cycles_page(state: RunState, width: int, glyphs: Glyphs) -> PageScreen:
    """For a terminal of `width` cells."""
    table = cycles_table(state, inside(width))
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
