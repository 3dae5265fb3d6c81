"""The board of a running game: last move, value for White, and the moves its search considered."""

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
from tui.glyphs import TEXT_STYLE, Glyphs
from tui.panes.quiet import Titles
from tui.status import style_of

SQUARE_SIZES: Final = ((6, 3), (4, 2), (3, 1), (2, 1))
"""Width and height of a square in cells; the largest that fits is taken."""
LIGHT, DARK = "#8199ad", "#536a7d"
LIGHT_MOVED, DARK_MOVED = "#b3984a", "#93792f"
CHECKED = "#b5533c"
WHITE_PIECE, BLACK_PIECE = "#ffffff", "#0b0f14"
BESIDE_WIDTH: Final = 36
"""With this many cells to spare the search is shown beside the board, not under it."""
LONGEST_BAR: Final = 24
PIECES: Final = "KQRBNPkqrbnp"

Line = list[tuple[str, Style]]


class BoardPane(Widget, can_focus=True):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="board", classes="pane")
        self.glyphs = glyphs
        self.flipped = False
        self.seen: BoardSeen | None = None
        self._strips: list[Strip] | None = None
        self._titles = Titles(self)
        self._empty = ""

    def show(self, state: RunState) -> None:
        empty = _why_no_board(state)
        if state.board is self.seen and self._strips is not None and empty == self._empty:
            return
        self.seen, self._empty = state.board, empty
        self._redraw()

    def flip(self) -> None:
        self.flipped = not self.flipped
        self._redraw()

    def _redraw(self) -> None:
        self._strips = None
        if self.seen is None:
            self._titles.put(Content.assemble(("board", "bold")))
        else:
            game = fmt.line(self.seen.game)
            ply = f" {game} {self.glyphs.middle_dot} ply {self.seen.ply}"
            self._titles.put(Content.assemble(("game", "bold"), ply))
        self.refresh()

    def notify_style_update(self) -> None:
        self._strips = None
        super().notify_style_update()

    def on_resize(self) -> None:
        self._strips = None

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if self._strips is None:
            base = self.rich_style
            self._strips = [
                Strip([Segment(text, base + style) for text, style in line]).adjust_cell_length(
                    width, base
                )
                for line in self._draw(width, height)
            ]
        if y >= len(self._strips):
            return Strip.blank(width, self.rich_style)
        return self._strips[y]

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
        lines = self._board_lines(board, *square)
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

    # The squares ---------------------------------------------------------------------------------

    def _board_lines(self, board: chess.Board, width: int, height: int) -> list[Line]:
        moved = _moved_squares(self.seen.last_move if self.seen else "")
        in_check = board.king(board.turn) if board.is_check() else None
        ranks = range(8) if self.flipped else range(7, -1, -1)
        files = range(7, -1, -1) if self.flipped else range(8)
        middle = height // 2
        lines: list[Line] = []
        for rank in ranks:
            for row in range(height):
                label = f" {rank + 1} " if row == middle else "   "
                line: Line = [(label, self._muted)]
                for file in files:
                    square = chess.square(file, rank)
                    piece = board.piece_at(square) if row == middle else None
                    line.append(
                        self._square(square, piece, width, square in moved, square == in_check)
                        if row == middle
                        else self._blank(square, width, square in moved, square == in_check)
                    )
                lines.append(line)
        names = "".join("abcdefgh"[f].center(width) for f in files)
        lines.append([("   " + names, self._muted)])
        return lines

    def _background(self, square: int, moved: bool, checked: bool) -> str:
        light = (chess.square_file(square) + chess.square_rank(square)) % 2 == 1
        if checked:
            return CHECKED
        if moved:
            return LIGHT_MOVED if light else DARK_MOVED
        return LIGHT if light else DARK

    def _fill(self, square: int, width: int) -> str:
        dark = (chess.square_file(square) + chess.square_rank(square)) % 2 == 0
        return (self.glyphs.shade if self.app.no_color and dark else " ") * width

    def _blank(self, square: int, width: int, moved: bool, checked: bool) -> tuple[str, Style]:
        return self._fill(square, width), Style(bgcolor=self._background(square, moved, checked))

    def _square(
        self, square: int, piece: chess.Piece | None, width: int, moved: bool, checked: bool
    ) -> tuple[str, Style]:
        background = self._background(square, moved, checked)
        cells = list(self._fill(square, width))
        colour = WHITE_PIECE
        if piece is not None:
            cells[(width - 1) // 2] = piece_sign(piece, self.glyphs, plain=self._plain)
            colour = WHITE_PIECE if piece.color == chess.WHITE else BLACK_PIECE
        if moved and self._plain and width >= 3:
            cells[0], cells[-1] = "[", "]"
        return "".join(cells), Style(color=colour, bgcolor=background, bold=True)

    @property
    def _plain(self) -> bool:
        """Where colour may be missing, brackets and outlines (or case) say what it says else."""
        return self.app.no_color or self.glyphs.ascii

    # What the search thought ---------------------------------------------------------------------

    def _info(self, board: chess.Board, width: int, num_moves: int) -> list[Line]:
        """Value bar, at most `num_moves` moves, and whose turn it is."""
        seen = self.seen
        if seen is None or width < 20:
            return []
        white_moved = board.turn == chess.BLACK
        win, draw, loss = seen.wdl if white_moved else seen.wdl[::-1]
        lines: list[Line] = [self._value_bar(win, draw, loss, width)]
        colour = style_of(self.app.theme_variables, "series-1")
        for move in with_played(seen.moves, num_moves):
            sign = self.glyphs.selected if move.is_played else " "
            san = fmt.fit(fmt.line(move.san), 7, self.glyphs)
            value = self.glyphs.dash if move.q is None else f"{move.q:+z.2f}"
            text = f"{value:>5} {fmt.short(move.visits):>5}"
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

    def _value_bar(self, win: float, draw: float, loss: float, width: int) -> Line:
        text = f"W {fmt.percent(win)} D {fmt.percent(draw)} L {fmt.percent(loss)} "
        room = min(LONGEST_BAR, max(0, width - len(text) - 1))
        total = max(win + draw + loss, 1e-9)
        white = round(room * win / total)
        black = round(room * loss / total)
        middle = room - white - black
        dark = self.app.current_theme.dark
        signs = "#=." if self.glyphs.ascii else "███"
        return [
            (text, Style(bold=True)),
            (signs[0] * white, Style(color="#e8eef4" if dark else "#b4c0cb")),
            (signs[1] * middle, Style(color="#7f8c99")),
            (signs[2] * black, Style(color="#3b4652")),
        ]


def with_played(moves: tuple[MoveSeen, ...], number: int) -> tuple[MoveSeen, ...]:
    """The first `number` moves; the last of them gives way to the one that was played."""
    if number < 1:
        return ()
    left_out = [move for move in moves[number:] if move.is_played]
    return (*moves[: number - len(left_out)], *left_out)


def square_size(width: int, height: int) -> tuple[int, int] | None:
    """The largest square with which board, labels and value bar fit; None if none does."""
    for square_width, square_height in SQUARE_SIZES:
        if 8 * square_width + 3 <= width and 8 * square_height + 1 <= height:
            spare = height - 8 * square_height - 1
            if square_height == 1 or spare >= 2 or width - 8 * square_width >= 70:
                return square_width, square_height
    return None


def piece_sign(piece: chess.Piece, glyphs: Glyphs, *, plain: bool) -> str:
    """One cell. Pieces are solid and told apart by colour; `plain` takes outlines for White."""
    if plain and not glyphs.ascii:
        sign = piece.unicode_symbol()
    else:
        sign = glyphs.pieces[PIECES.index(piece.symbol())]
    return sign + TEXT_STYLE if sign == "♟" else sign


def _moved_squares(uci: str) -> frozenset[int]:
    try:
        move = chess.Move.from_uci(uci)
    except ValueError:
        return frozenset()
    return frozenset((move.from_square, move.to_square))


def _why_no_board(state: RunState) -> str:
    if any(w.role == "selfplay" for w in state.workers.values()):
        return "the first game has not begun"
    return "no self-play worker yet"
