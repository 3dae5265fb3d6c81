"""The one-line strips: keys at the bottom, tabs and the short summary of a small terminal."""

from collections.abc import Sequence

from textual.content import Content
from textual.events import Click
from textual.message import Message

from backend.state import RunState
from tui import format as fmt
from tui.action import Action, Context
from tui.actions import ACTIONS, PANES
from tui.glyphs import ASCII, UNICODE, Glyphs
from tui.panes.quiet import QuietStatic
from tui.status import ordered_workers, worker_sign

Piece = tuple[str, str, str]
"""Text, style, and the action that a click on it runs (or empty)."""


class Strip(QuietStatic):
    """One line of pieces that can be clicked."""

    class Picked(Message):
        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self._pieces: list[Piece] = []

    def lay(self, pieces: list[Piece]) -> None:
        self._pieces = pieces
        self.put(Content.assemble(*((text, style) for text, style, _ in pieces)))

    def on_click(self, event: Click) -> None:
        x = 0
        for text, _, action in self._pieces:
            if x <= event.x < x + len(text):
                if action:
                    self.post_message(self.Picked(action))
                return
            x += len(text)


class KeyBar(Strip):
    def __init__(self, actions: Sequence[Action] = ACTIONS) -> None:
        super().__init__("keys")
        self._actions = actions

    def show(self, context: Context) -> None:
        glyphs = ASCII if self.screen.has_class("-ascii") else UNICODE
        pieces = key_pieces(context, self.size.width or 80, self._actions)
        self.lay([(fmt.signs(text, glyphs), style, action) for text, style, action in pieces])


def key_pieces(context: Context, width: int, actions: Sequence[Action] = ACTIONS) -> list[Piece]:
    """Keys of the footer; what cannot be done now is dim. Shorter words come before fewer keys."""
    shown = [(a, word) for a in actions if (word := _word(a, context))]
    major = [(a, word) for a, word in shown if not a.minor or context.place != "dashboard"]
    brief = [(a, (context.place == "dashboard" and a.brief) or word) for a, word in major]
    palette: list[Piece] = [("^p", "bold $accent", "palette"), (" Palette ", "$muted", "palette")]
    layouts: tuple[tuple[list[Piece], list[Piece]], ...] = (
        (_pieces(shown, context), palette),
        (
            _pieces([(a, a.brief or word) for a, word in shown], context),
            [*palette[:1], (" ", "", "")],
        ),
        (_pieces(brief, context), [*palette[:1], (" ", "", "")]),
        (_pieces(brief, context), []),
        (_pieces([(a, word) for a, word in brief if not a.minor], context), []),
    )
    left, right = next(
        ((a, b) for a, b in layouts if _length(a) + _length(b) <= width), layouts[-1]
    )
    return [*left, (" " * (width - _length(left) - _length(right)), "", ""), *right]


def _word(action: Action, context: Context) -> str:
    """What the footer says of an action here; empty for nothing."""
    if context.place != "dashboard":
        return action.footer.get(context.place, "")
    if action.id == "pause" and context.state.phase == "paused":
        return "Resume"
    if action.id == "detach" and context.state.phase == "stopped":
        return "Quit"
    return action.short


def _length(pieces: list[Piece]) -> int:
    return sum(len(text) for text, _, _ in pieces)


def _pieces(shown: list[tuple[Action, str]], context: Context) -> list[Piece]:
    pieces: list[Piece] = [(" ", "", "")]
    for action, word in shown:
        possible = not action.refused(context)
        pieces.append((context.key_of(action), "bold $accent" if possible else "$muted", action.id))
        pieces.append((f" {word}  ", "" if possible else "$muted", action.id))
    return pieces


class TabBar(Strip):
    def __init__(self) -> None:
        super().__init__("tabs")

    def show(self, state: RunState, current: str) -> None:
        pieces: list[Piece] = [(" ", "", "")]
        for number, (id, title) in enumerate(PANES, 1):
            title = "Ckpts" if id == "checkpoints" else title
            alarmed = id == "alerts" and state.alerts
            text = f"{title} {len(state.alerts)}" if alarmed else title
            if id == current:
                pieces.append((f"[{number} {text}]", "bold $accent", f"pane-{id}"))
            else:
                style = "$attention" if alarmed else "$muted"
                pieces.append((f" {number} {text} ", style, f"pane-{id}"))
        self.lay(pieces)


class Summary(QuietStatic):
    """Two lines under the single chart of a small terminal: the other curves, and the workers."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("summary")
        self.glyphs = glyphs

    def show(self, state: RunState, now: float) -> None:
        self.put(summary(state, now, self.size.width or 80, self.glyphs))


METRICS = (
    ("policy", "policy_loss"),
    ("value", "value_loss"),
    ("piece", "piece_loss"),
    ("grad", "grad_norm"),
)


def summary(state: RunState, now: float, width: int, glyphs: Glyphs) -> Content:
    first: list[tuple[str, str]] = []
    room = width
    cells = 8 if width >= 100 else 5
    for label, name in METRICS:
        value = state.latest(name)
        if value is None:
            continue
        shape = fmt.spark([y for _, y in state.metrics[name]][-400:], cells, glyphs)
        room -= len(label) + len(fmt.loss(value)) + len(shape) + 4
        if room >= 0:
            first += [(f" {label} ", "$muted"), (fmt.loss(value), ""), (f" {shape} ", "$series-1")]
    if not first:
        waiting = state.trainer.waiting if state.trainer else ""
        text = f" training waits: {fmt.line(waiting)}" if waiting else " training has not begun"
        first = [(fmt.fit(text, width, glyphs), "$muted")]
    second: list[tuple[str, str]] = []
    room = width
    for view in ordered_workers(state):
        name = fmt.line(view.worker)
        sign, word, colour = worker_sign(view, now, glyphs)
        text = f" {name} {sign} {word} "
        if len(text) > room:
            break
        room -= len(text)
        second += [(f" {name} ", ""), (f"{sign} {word} ", f"${colour}")]
    if not second:
        second = [(" no worker started yet", "$muted")]
    return Content.assemble(*first, "\n", *second)
