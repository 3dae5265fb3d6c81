"""The two lines around the board: what is waited for, and what is being typed; pure."""

from typing import Final

import chess
from rich.cells import cell_len
from textual.content import Content

from backend.play.clock import clock_text
from backend.play.entry import completions
from backend.play.game import ending_in_words
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.playing import Playing

SHOWN_COMPLETIONS: Final = 12
HURRY_S: Final = 10.0
"""From here on a clock shows tenths."""


def play_header(playing: Playing, width: int, glyphs: Glyphs) -> Content:
    """What is waited for comes first: a narrow terminal cuts the end."""
    setup = playing.setup
    if playing.analysing:
        watcher = "nobody" if playing.watcher is None else fmt.line(playing.watcher.label)
        text = f"analysis, {watcher} watches"
    else:
        side = "White" if setup.human == chess.WHITE else "Black"
        text = f"you ({side}) against {fmt.line(setup.opponent.label)}"
        if setup.opponent.kind == "network":
            text += f", {fmt.plural(setup.simulations, 'simulation')}"
        if playing.clock is not None:
            text += f", {playing.clock.control}"
    state, colour = _state(playing, glyphs)
    room = width - 1
    state = fmt.fit(state, min(room, cell_len(state)), glyphs)
    rest = fmt.fit(f"   {text}", room - cell_len(state), glyphs)
    return Content.assemble((f" {state}", f"bold {colour}"), (rest, ""))


def clock_line(playing: Playing, side: chess.Color, glyphs: Glyphs) -> Content:
    """One side's time, for the edge of the board that it sits at; empty without a clock."""
    clock = playing.clock
    if clock is None:
        return Content("")
    left_s = clock.left_s(side)
    runs = clock.running == side
    sign = glyphs.running if runs else glyphs.stopped if left_s <= 0 else glyphs.paused
    name = "White" if side == chess.WHITE else "Black"
    colour = "$bad" if left_s < HURRY_S else "$good" if runs else "$muted"
    return Content.assemble(f"{name} ", (f"{sign} {clock_text(left_s)}", f"bold {colour}"))


def _state(playing: Playing, glyphs: Glyphs) -> tuple[str, str]:
    """Text and colour."""
    if playing.error:
        return f"{glyphs.failed} {fmt.line(playing.error)}: Enter tries again", "$bad"
    if playing.game.ending is not None:
        return f"{glyphs.stopped} {ending_in_words(playing.game.ending)}", "$accent"
    if playing.is_opponents_turn:
        doing = fmt.line(playing.busy) or "the opponent is thinking"
        return f"{glyphs.waiting} {doing}", "$attention"
    side = "White" if playing.game.board.turn == chess.WHITE else "Black"
    turn = f"{side} to move" if playing.analysing else "your move"
    check = ", check" if playing.game.board.is_check() else ""
    return f"{glyphs.running} {turn}{check}", "$good"


def entry_line(playing: Playing, entry: str, glyphs: Glyphs) -> Content:
    """What was typed of a move, and what it may become."""
    if not entry:
        hint = "type a move, as in e4 or Nf3; or click; or arrows and Enter"
        return Content.assemble((" > ", "bold $accent"), (hint, "$muted"))
    begun = completions(playing.board, entry)
    told = "   ".join(begun[:SHOWN_COMPLETIONS]) or "no legal move begins so"
    return Content.assemble(
        (" > ", "bold $accent"),
        (entry, "bold"),
        (glyphs.cursor, "$accent"),
        (f"   {told}", "$muted"),
    )
