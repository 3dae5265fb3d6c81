"""The board of a running game: last move, value for White, and the moves its search considered.

Search and policy are those of the move that led to the position, before which they were thought.
"""

from collections.abc import Sequence
from typing import Final

import chess
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from backend.events import BoardSeen, MoveSeen
from backend.state import RunState
from tui import format as fmt
from tui import squares
from tui.glyphs import Glyphs
from tui.panes.quiet import LineWise, Titles
from tui.squares import Line, Look, Marks, checked_king, square_size
from tui.status import ordered_workers, style_of
from tui.themes import FEW_COLOURS
from tui.valuebar import LONGEST_BAR, value_bar

BESIDE_WIDTH: Final = 36
"""With this many cells to spare the search is shown beside the board, not under it."""
NOT_YET: Final = ("starting", "loading", "tuning", "compiling", "waiting")
"""Phases in which no worker plays; the first start compiles for a minute or more."""


class BoardPane(LineWise, can_focus=True):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="board", classes="pane")
        self.glyphs = glyphs
        self.flipped = False
        self.has_heat = False
        """The policy is shown on the squares, too."""
        self.keys = ""
        """What can be done with it, for the lower border; empty leaves that to others."""
        self.seen: BoardSeen | None = None
        self._strips: list[Strip] | None = None
        self._titles = Titles(self)
        self._empty = ""
        self.empty = ""
        """What is said without a board; why there is none yet when empty."""

    def show(self, state: RunState) -> None:
        empty = self.empty or _why_no_board(state)
        if state.board is self.seen and self._strips is not None and empty == self._empty:
            return
        self.seen, self._empty = state.board, empty
        self._redraw()

    def to_copy(self) -> str:
        """The position as FEN."""
        return "" if self.seen is None else fmt.line(self.seen.fen)

    def flip(self) -> None:
        self.flipped = not self.flipped
        self._redraw()

    def toggle_heat(self) -> None:
        self.has_heat = not self.has_heat
        self._redraw()

    def tell_keys(self, keys: str) -> None:
        if keys != self.keys:
            self.keys = keys
            self._redraw()

    def _redraw(self) -> None:
        before, self._strips = self._strips, None
        if self.seen is None:
            self._titles.put(Content.assemble(("board", "bold")))
        else:
            game = fmt.line(self.seen.game)
            ply = f" {game} {self.glyphs.middle_dot} ply {self.seen.ply}"
            self._titles.put(Content.assemble(("game", "bold"), ply), self.keys)
        if before is None:
            self.refresh()
        else:
            self.refresh_lines(before, self._lines())

    def notify_style_update(self) -> None:
        self._strips = None
        super().notify_style_update()

    def on_resize(self) -> None:
        self._strips = None

    def _lines(self) -> list[Strip]:
        """The lines of the present size; made when they are not there."""
        width, height = self.size
        if self._strips is None:
            base = self.rich_style
            self._strips = [
                Strip([Segment(text, base + style) for text, style in line]).adjust_cell_length(
                    width, base
                )
                for line in self._draw(width, height)
            ]
        return self._strips

    def render_line(self, y: int) -> Strip:
        lines = self._lines()
        return lines[y] if y < len(lines) else Strip.blank(self.size.width, self.rich_style)

    def _draw(self, width: int, height: int) -> list[Line]:
        if self.seen is None:
            text = fmt.fit(self._empty, min(width, cell_len(self._empty)), self.glyphs)
            blank: list[Line] = [[] for _ in range(max(0, height // 2))]
            left = " " * ((width - cell_len(text)) // 2)
            return [*blank, [(left + text, self._muted)]]
        try:
            board = chess.Board(self.seen.fen, chess960=True)
        except ValueError:
            return [[(fmt.fit(f"not a position: {fmt.line(self.seen.fen)}", width), self._muted)]]
        square = square_size(width, height)
        if square is None:
            return [[(fmt.fit("no room for a board here", width, self.glyphs), self._muted)]]
        marks = Marks(
            moved=_moved_squares(self.seen.last_move),
            checked=checked_king(board),
            heat=heat(self.seen.moves, not board.turn) if self.has_heat else {},
        )
        lines = squares.draw(board, *square, marks, self._look, flipped=self.flipped)
        indent = max(0, (width - 3 - 8 * square[0]) // 2)
        room_beside = width - 8 * square[0] - 3 - 5
        if room_beside >= BESIDE_WIDTH:
            info = self._info(board, room_beside, height - 3)
            for line, extra in zip(lines[1:], info, strict=False):
                line += [("   ", Style()), *extra]
            return lines
        lines = [[(" " * indent, Style()), *line] for line in lines]
        room = height - len(lines)
        info = self._info(board, width - 2, room - 1)
        if room > len(info):
            lines.append([])
            room -= 1
        return [*lines, *([(" ", Style()), *line] for line in info[:room])]

    @property
    def _muted(self) -> Style:
        return style_of(self.app.theme_variables, "muted")

    @property
    def _look(self) -> Look:
        return look(self, self.glyphs)

    # What the search thought ---------------------------------------------------------------------

    def _info(self, board: chess.Board, width: int, num_moves: int) -> list[Line]:
        """Value bar, at most `num_moves` moves, and whose turn it is."""
        seen = self.seen
        if seen is None or width < 20:
            return []
        white_moved = board.turn == chess.BLACK
        win, draw, loss = seen.wdl if white_moved else seen.wdl[::-1]
        lines: list[Line] = []
        if any(seen.wdl):
            dark = self.app.current_theme.dark
            lines.append(value_bar(win, draw, loss, width, self.glyphs, dark=dark))
        colour = style_of(self.app.theme_variables, "series-1")
        knows_visits = any(move.visits for move in seen.moves)  # A stored game does not.
        for move in with_played(seen.moves, num_moves):
            sign = self.glyphs.selected if move.is_played else " "
            san = fmt.fit(fmt.line(move.san), 7, self.glyphs)
            value = self.glyphs.dash if move.q is None else f"{move.q:+z.2f}"
            text = f"{value:>5} {fmt.short(move.visits):>5}" if knows_visits else ""
            share = fmt.bar(move.policy, min(LONGEST_BAR, max(4, width - 30)), self.glyphs)
            lines.append(
                [
                    (f"{sign} {san} ", Style(bold=move.is_played)),
                    (f"{fmt.percent(move.policy):>4} ", Style()),
                    (share, colour),
                    (f" {text}", Style()),
                ]
            )
        side = "White" if board.turn == chess.WHITE else "Black"
        state = "checkmate" if board.is_checkmate() else f"{side} to move"
        lines.append([(f"  {state}", self._muted)])
        return lines


def look(widget: Widget, glyphs: Glyphs) -> Look:
    """What can be shown where the widget is."""
    app = widget.app
    return Look(
        glyphs,
        no_color=app.no_color,
        muted=style_of(app.theme_variables, "muted"),
        few_colours=app.has_class(FEW_COLOURS),
    )


def with_played(moves: tuple[MoveSeen, ...], number: int) -> tuple[MoveSeen, ...]:
    """The first `number` moves; the last of them gives way to the one that was played."""
    if number < 1:
        return ()
    left_out = [move for move in moves[number:] if move.is_played]
    return (*moves[: number - len(left_out)], *left_out)


def heat(moves: Sequence[MoveSeen], mover: chess.Color) -> dict[int, float]:
    """Share of the policy by the square that the moves of `mover` go to."""
    shares: dict[int, float] = {}
    for move in moves:
        square = _target(move.san, mover)
        if square is not None:
            shares[square] = min(1.0, shares.get(square, 0.0) + move.policy)
    return shares


def _target(san: str, mover: chess.Color) -> int | None:
    """Where the king or another piece goes; None for what is no move."""
    if san.startswith("O-O"):
        file = "c" if san.startswith("O-O-O") else "g"
        return chess.parse_square(file + ("1" if mover == chess.WHITE else "8"))
    found = chess.SAN_REGEX.match(san)
    return None if found is None else chess.parse_square(found[4])


def _moved_squares(uci: str) -> frozenset[int]:
    try:
        move = chess.Move.from_uci(uci)
    except ValueError:
        return frozenset()
    return frozenset((move.from_square, move.to_square))


def _why_no_board(state: RunState) -> str:
    players = [w for w in ordered_workers(state) if w.role == "selfplay"]
    if not players:
        return "no self-play worker yet"
    busy = next((w for w in players if w.state == "running" and w.phase in NOT_YET), None)
    if busy is None:
        return "the first game has not begun"
    return f"no game yet: {fmt.line(busy.worker)} is {busy.phase}"
