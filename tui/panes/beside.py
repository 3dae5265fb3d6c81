"""Beside the board: what the network sees, how the evaluation went, and the moves."""

from collections.abc import Mapping
from typing import Final

import chess
from rich.style import Style
from textual.content import Content

from backend.play.game import ending_in_words
from backend.play.openings import opening_of
from backend.play.wire import Candidate, Thought
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.drawn import DrawnPane
from tui.playing import Playing
from tui.squares import Line
from tui.valuebar import value_bar

BLUNDER: Final = 0.5
MISTAKE: Final = 0.25
"""From so much expected score lost by a move on it is marked ?? and ?."""


class ViewPane(DrawnPane):
    """Value bar and the moves that were considered."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("play-view", glyphs)

    def show(self, playing: Playing) -> None:
        super().show(playing)
        thought = playing.shown_thought
        title = "network view"
        if thought is not None and playing.thought_ply < playing.ply:
            title = "what the opponent saw"
        self.border_title = Content.assemble((title, "bold"))
        told = "" if thought is None else f"N {fmt.short(thought.simulations)}"
        self.border_subtitle = Content(f"{told} {self._speed(thought)}".strip())

    def _speed(self, thought: Thought | None) -> str:
        if thought is None or thought.seconds <= 0 or not thought.simulations:
            return ""
        return f"{fmt.short(round(thought.simulations / thought.seconds))}/s"

    def lines(self, playing: Playing, width: int, height: int) -> list[Line]:
        thought = playing.shown_thought
        muted = self.style("muted")
        if thought is None:
            return [[(fmt.fit(_why_empty(playing), width, self.glyphs), muted)]]
        lines: list[Line] = []
        if thought.wdl is not None:
            dark = self.app.current_theme.dark
            lines.append(value_bar(*thought.wdl, width - 1, self.glyphs, dark=dark))
        if not playing.may_show_moves:
            hidden = f" {len(thought.candidates)} moves hidden: i shows them"
            return [*lines, [(fmt.fit(hidden, width, self.glyphs), muted)]]
        colour = self.style("series-1")
        for candidate in thought.candidates[: height - len(lines)]:
            lines.append(self._candidate(candidate, candidate.uci == thought.move, width, colour))
        if not thought.candidates:
            lines.append([(f" played {thought.move}", muted)])
        return lines

    def _candidate(self, seen: Candidate, is_best: bool, width: int, colour: Style) -> Line:
        sign = self.glyphs.selected if is_best else " "
        prior = self.glyphs.dash if seen.prior is None else fmt.percent(seen.prior)
        value = self.glyphs.dash if seen.q is None else f"{seen.q:+z.2f}"
        room = width - 32
        bar = fmt.bar(seen.prior or 0.0, room, self.glyphs) if room >= 4 else ""
        return [
            (f"{sign} {fmt.fit(seen.san, 7, self.glyphs)} ", Style(bold=is_best)),
            (f"P {prior:>4} ", Style()),
            (bar, colour),
            (f" Q {value:>5} N {fmt.short(seen.visits):>4}", Style()),
        ]


def _why_empty(playing: Playing) -> str:
    if playing.busy:
        return f" {playing.busy}"
    if playing.is_thinking:
        return " thinking"
    if playing.watcher is None:
        return " no network watches: start with --run or --network"
    return " nothing thought yet"


class GraphPane(DrawnPane):
    """White's expected score by ply, as columns above and below zero."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("play-graph", glyphs)
        self.border_title = Content.assemble(("evaluation by ply", "bold"), " White up")

    def lines(self, playing: Playing, width: int, height: int) -> list[Line]:
        values = playing.game.values
        room = width - 4
        last = max([playing.game.ply, *values], default=0)
        first = max(0, last - room + 1)
        half = (height - 1) // 2
        if half < 1 or room < 4:
            return []
        lines: list[Line] = []
        for row in range(2 * half + 1):
            label = {0: " +1", half: "  0", 2 * half: " -1"}.get(row, "   ")
            line: Line = [(label + self.glyphs.axis, self.style("muted"))]
            for ply in range(first, last + 1):
                line.append(self._cell(values.get(ply), row - half, half, ply == playing.ply))
            lines.append(line)
        return lines

    def _cell(self, value: float | None, row: int, half: int, is_shown: bool) -> tuple[str, Style]:
        """One cell of a column; `row` counts down from zero's."""
        if row == 0:
            if is_shown:
                return self.glyphs.up, Style(bold=True)
            return " " if value is None else self.glyphs.floor, self.style("muted")
        reached = 0.0 if value is None else abs(value) * half - (abs(row) - 1)
        if value is None or (value > 0) != (row < 0) or reached <= 0:
            return " ", Style()
        style = self.style("series-1" if row < 0 else "series-2")
        spark = self.glyphs.spark
        steps = max(1, round(min(1.0, reached) * len(spark)))
        if row < 0 or self.glyphs.ascii or steps == len(spark):
            return spark[steps - 1], style
        # There are no blocks that hang: what they leave free stands, in reverse.
        return spark[len(spark) - steps - 1], style + Style(reverse=True)


class MovesPane(DrawnPane):
    """The moves, two a line, the newest at the bottom; what was thrown away is marked."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("play-moves", glyphs)

    def show(self, playing: Playing) -> None:
        super().show(playing)
        opening = opening_of(playing.board)
        name = "" if opening is None else f" {opening.eco} {opening.name}"
        room = max(0, self.size.width - 8)
        title = fmt.fit(name, min(room, len(name)), self.glyphs)
        self.border_title = Content.assemble(("moves", "bold"), title)

    def lines(self, playing: Playing, width: int, height: int) -> list[Line]:
        game = playing.game
        muted = self.style("muted")
        sans = game.sans()
        root = game.board.root()
        if root.turn == chess.BLACK:
            sans = ["...", *sans]
        shift = len(sans) - game.ply
        lines: list[Line] = []
        shown = 0
        for first in range(0, len(sans), 2):
            line: Line = [(f"{root.fullmove_number + first // 2:>3}. ", muted)]
            for number in range(first, min(first + 2, len(sans))):
                ply = number + 1 - shift
                if ply == playing.ply:
                    shown = len(lines)
                line.append(self._move(playing, ply, sans[number]))
            if ply in game.values:
                line.append((f" {game.values[ply]:+z.2f}", muted))
            lines.append(line)
        if game.ending is not None:
            lines.append([(f" {ending_in_words(game.ending)}", Style(bold=True))])
            shown = len(lines) - 1 if playing.viewed is None else shown
        top = max(0, shown - height + 1)
        return lines[top : top + height] or [[(" no move yet", muted)]]

    def _move(self, playing: Playing, ply: int, san: str) -> tuple[str, Style]:
        is_shown = ply == playing.ply and ply > 0
        mover = chess.WHITE if (playing.game.board.root().turn == (ply % 2 == 1)) else chess.BLACK
        text = san + judgement(playing.game.values, ply, mover)
        mark = self.glyphs.selected if is_shown else " "
        return f"{mark}{fmt.fit(text, 9, self.glyphs)}", Style(bold=is_shown)


def judgement(values: Mapping[int, float], ply: int, mover: chess.Color) -> str:
    """'??' or '?' when the mover's expected score fell with its move number `ply`."""
    before, after = values.get(ply - 1), values.get(ply)
    if before is None or after is None:
        return ""
    lost = before - after if mover == chess.WHITE else after - before
    return "??" if lost >= BLUNDER else "?" if lost >= MISTAKE else ""
