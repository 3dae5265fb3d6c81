"""The board that is played on: cursor, targets, last move, policy; says which square is picked."""

import chess
from rich.style import Style
from textual.content import Content
from textual.events import Click
from textual.message import Message

from tui.glyphs import Glyphs
from tui.panes.board import look
from tui.panes.drawn import DrawnPane
from tui.panes.playlines import clock_line
from tui.playing import Playing
from tui.squares import (
    LABELS,
    SQUARE_SIZES,
    Line,
    Marks,
    checked_king,
    draw,
    square_at,
)


class PlayBoard(DrawnPane, can_focus=True):
    class Picked(Message):
        """A square was chosen, by mouse or by key."""

        def __init__(self, square: int) -> None:
            super().__init__()
            self.square = square

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("play-board", glyphs)
        self.flipped = False
        self.cursor: int | None = None
        """None until an arrow is pressed."""
        self.selected: int | None = None
        self.smaller = 0
        """How many sizes below the largest that fits."""
        self._edges: tuple[Content, Content, str] | None = None

    def turn(self, flipped: bool) -> None:
        self.flipped = flipped
        self.redraw()

    def show(self, playing: Playing) -> None:
        if self.selected is not None and not _movable(playing.board, self.selected):
            self.selected = None
        super().show(playing)
        self.show_clocks(playing)

    def show_clocks(self, playing: Playing) -> None:
        """The time of each side at its edge of the board; only what has changed is drawn."""
        title = "board" if playing.viewed is None else f"after ply {playing.ply}"
        bottom = chess.BLACK if self.flipped else chess.WHITE
        above = clock_line(playing, not bottom, self.glyphs)
        below = clock_line(playing, bottom, self.glyphs)
        gap = "   " if above.plain else ""
        if (above, below, title) != self._edges:
            self._edges = (above, below, title)
            self.border_title = Content.assemble((title, "bold"), gap, above)
            self.border_subtitle = below

    def resize_squares(self) -> None:
        """The next smaller size; after the smallest the largest again."""
        fitting = self._fitting(*self.size)
        self.smaller = (self.smaller + 1) % max(1, len(fitting))
        self.redraw()

    def move_cursor(self, dx: int, dy: int) -> None:
        """One square to the right or up, as seen."""
        if self.cursor is None:
            self.cursor = chess.E7 if self.flipped else chess.E2
            self.redraw()
            return
        turn = -1 if self.flipped else 1
        file = chess.square_file(self.cursor) + dx * turn
        rank = chess.square_rank(self.cursor) + dy * turn
        if 0 <= file < 8 and 0 <= rank < 8:
            self.cursor = chess.square(file, rank)
            self.redraw()

    def pick(self) -> None:
        """Choose the square under the cursor."""
        if self.cursor is not None:
            self.post_message(self.Picked(self.cursor))

    def select(self, square: int | None) -> None:
        self.selected = square
        self.redraw()

    def on_click(self, event: Click) -> None:
        place = self._place(*self.size)
        offset = event.get_content_offset(self)
        if place is None or offset is None:
            return
        left, top, width, height = place
        square = square_at(offset.x - left, offset.y - top, width, height, flipped=self.flipped)
        if square is not None:
            self.post_message(self.Picked(square))

    def lines(self, playing: Playing, width: int, height: int) -> list[Line]:
        place = self._place(width, height)
        muted = self.style("muted")
        if place is None:
            return [[("no room for a board here", muted)]]
        left, top, square_width, square_height = place
        board = playing.board
        marks = self._marks(playing)
        looks = look(self, self.glyphs)
        drawn = draw(board, square_width, square_height, marks, looks, flipped=self.flipped)
        above: list[Line] = [[] for _ in range(top)]
        return [*above, *([(" " * left, Style()), *line] for line in drawn)]

    def _marks(self, playing: Playing) -> Marks:
        board = playing.board
        last = board.peek() if board.move_stack else None
        moved = () if last is None else (last.from_square, last.to_square)
        return Marks(
            moved=frozenset(moved),
            checked=checked_king(board),
            cursor=self.cursor,
            selected=self.selected,
            targets=targets(board, self.selected),
            heat=_heat(playing),
            spoken=True,
        )

    def _fitting(self, width: int, height: int) -> list[tuple[int, int]]:
        return [(w, h) for w, h in SQUARE_SIZES if 8 * w + LABELS <= width and 8 * h + 1 <= height]

    def _place(self, width: int, height: int) -> tuple[int, int, int, int] | None:
        """Left, top, and the size of a square; None where no board fits."""
        fitting = self._fitting(width, height)
        if not fitting:
            return None
        square_width, square_height = fitting[min(self.smaller, len(fitting) - 1)]
        left = max(0, (width - LABELS - 8 * square_width) // 2)
        return left, max(0, (height - 1 - 8 * square_height) // 2), square_width, square_height


def targets(board: chess.Board, origin: int | None) -> frozenset[int]:
    """Where the piece on `origin` may go."""
    if origin is None:
        return frozenset()
    return frozenset(m.to_square for m in board.legal_moves if m.from_square == origin)


def _movable(board: chess.Board, square: int) -> bool:
    return any(move.from_square == square for move in board.legal_moves)


def _heat(playing: Playing) -> dict[int, float]:
    """The policy by target square, where it may be shown and belongs to the shown position."""
    thought = playing.thought
    if thought is None or playing.thought_ply != playing.ply or not playing.may_show_moves:
        return {}
    heat: dict[int, float] = {}
    for candidate in thought.candidates:
        if candidate.prior is not None:
            square = chess.Move.from_uci(candidate.uci).to_square
            heat[square] = heat.get(square, 0.0) + candidate.prior
    return heat
