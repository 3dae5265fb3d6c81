"""A chess board as coloured cells; pure. What a mark means is never said by colour alone.

last move   tinted; where colour may be missing also ( ♞ )
selected    tinted, < ♞ >
cursor      [ ♞ ]
target      a dot, or x beside a piece that may be taken
policy      tinted, and per cent where the square has room beside a piece, or no piece
check       tinted, and + beside the king
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import chess
from rich.style import Style

from tui.glyphs import TEXT_STYLE, Glyphs
from tui.sprites import SPRITES

Line = list[tuple[str, Style]]

SQUARE_SIZES: Final = ((6, 3), (4, 2), (3, 1), (2, 1))
"""Width and height of a square in cells; the largest that fits is taken."""
LABELS: Final = 3
"""Cells left of the board, for the names of the ranks."""
LIGHT, DARK = "#8199ad", "#536a7d"
LIGHT_MOVED, DARK_MOVED = "#b3984a", "#93792f"
CHECKED = "#b5533c"
SELECTED = "#2f8f74"
HEAT = (0x00, 0x5A, 0x9C)
"""Where the policy is 1; the Okabe-Ito blue, darkened."""
WHITE_PIECE, BLACK_PIECE = "#ffffff", "#0b0f14"
PIECES: Final = "KQRBNPkqrbnp"
LEAST_HEAT: Final = 0.02
"""Moves that the policy gives less are not marked."""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Squares that are special."""

    moved: frozenset[int] = frozenset()
    checked: int | None = None
    cursor: int | None = None
    selected: int | None = None
    targets: frozenset[int] = frozenset()
    """Where the selected piece may go."""
    heat: Mapping[int, float] = field(default_factory=dict)
    """Policy share of the moves to a square, 0 to 1."""
    spoken: bool = False
    """Signs are drawn beside the colours; the small board of a run has the policy's only."""


@dataclass(frozen=True)
class Look:
    """What a terminal can show."""

    glyphs: Glyphs
    no_color: bool
    muted: Style
    few_colours: bool = False
    """16 at most: the shades of squares are partly the same."""

    @property
    def plain(self) -> bool:
        """Where colour may be missing, brackets and outlines (or case) say what it says else."""
        return self.no_color or self.few_colours or self.glyphs.ascii


def draw(
    board: chess.Board, width: int, height: int, marks: Marks, look: Look, *, flipped: bool
) -> list[Line]:
    """Eight ranks of squares of width x height cells, and the names of files and ranks."""
    ranks = range(8) if flipped else range(7, -1, -1)
    files = range(7, -1, -1) if flipped else range(8)
    middle = height // 2
    told = 0 if height == 2 else height - 1
    lines: list[Line] = []
    for rank in ranks:
        for row in range(height):
            label = f" {rank + 1} " if row == middle else " " * LABELS
            line: Line = [(label, look.muted)]
            for file in files:
                square = chess.square(file, rank)
                piece = board.piece_at(square)
                art = _art(piece, width, height, marks, look)
                if row == middle:
                    line.append(_piece_row(piece, art, square, width, height, marks, look))
                else:
                    drawn = art[row] if art else ""
                    line.append(_other_row(piece, drawn, square, width, row == told, marks, look))
            lines.append(line)
    names = "".join("abcdefgh"[f].center(width) for f in files)
    lines.append([(" " * LABELS + names, look.muted)])
    return lines


def square_at(x: int, y: int, width: int, height: int, *, flipped: bool) -> int | None:
    """The square under a cell, counted from the top left of what `draw` returns."""
    file, rank = (x - LABELS) // width, y // height
    if not (0 <= file < 8 and 0 <= rank < 8):
        return None
    return chess.square(7 - file, rank) if flipped else chess.square(file, 7 - rank)


def square_size(width: int, height: int) -> tuple[int, int] | None:
    """The largest square with which board, labels and value bar fit; None if none does."""
    for square_width, square_height in SQUARE_SIZES:
        if 8 * square_width + LABELS <= width and 8 * square_height + 1 <= height:
            spare = height - 8 * square_height - 1
            if square_height == 1 or spare >= 2 or width - 8 * square_width >= 70:
                return square_width, square_height
    return None


def checked_king(board: chess.Board) -> int | None:
    """The square of the king that is in check."""
    return board.king(board.turn) if board.is_check() else None


def piece_sign(piece: chess.Piece, glyphs: Glyphs, *, plain: bool) -> str:
    """One cell. Pieces are solid and told apart by colour; `plain` takes outlines for White."""
    if plain and not glyphs.ascii:
        sign = piece.unicode_symbol()
    else:
        sign = glyphs.pieces[PIECES.index(piece.symbol())]
    return sign + TEXT_STYLE if sign == "♟" else sign


def _background(square: int, marks: Marks) -> str:
    light = (chess.square_file(square) + chess.square_rank(square)) % 2 == 1
    if square == marks.selected:
        return SELECTED
    if square == marks.checked:
        return CHECKED
    if square in marks.moved:
        return LIGHT_MOVED if light else DARK_MOVED
    base = LIGHT if light else DARK
    share = marks.heat.get(square, 0.0)
    if share < LEAST_HEAT:
        return base
    depth = min(1.0, share) ** 0.5  # Small shares differ most: the square root tells them apart.
    parts = (int(base[i : i + 2], 16) for i in (1, 3, 5))
    mixed = (round(old + (new - old) * depth) for old, new in zip(parts, HEAT, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _ink(background: str) -> str:
    """White or black, whichever stands out more."""
    red, green, blue = (int(background[i : i + 2], 16) / 255 for i in (1, 3, 5))
    # Where contrast with both is equal, by the relative luminance of WCAG 2 with gamma 2.2.
    is_light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.179
    return BLACK_PIECE if is_light else WHITE_PIECE


def _fill(square: int, width: int, look: Look) -> str:
    dark = (chess.square_file(square) + chess.square_rank(square)) % 2 == 0
    return (look.glyphs.shade if look.no_color and dark else " ") * width


def _art(
    piece: chess.Piece | None, width: int, height: int, marks: Marks, look: Look
) -> tuple[str, ...]:
    """The rows of a large piece; none where a glyph is drawn."""
    if piece is None or look.plain or not marks.spoken or (width, height) != SQUARE_SIZES[0]:
        return ()
    return SPRITES[piece.piece_type]


def _other_row(
    piece: chess.Piece | None,
    drawn: str,
    square: int,
    width: int,
    is_told: bool,
    marks: Marks,
    look: Look,
) -> tuple[str, Style]:
    text = drawn.center(width) if drawn else _fill(square, width, look)
    colour = BLACK_PIECE if drawn and piece and piece.color == chess.BLACK else WHITE_PIECE
    background = _background(square, marks)
    share = marks.heat.get(square, 0.0)
    if is_told and share >= LEAST_HEAT:
        text = f"{f'{share:.0%}':>{width - 1}}{text[-1]}"[:width]
        colour = _ink(background)
    return text, Style(color=colour, bgcolor=background)


def _piece_row(
    piece: chess.Piece | None,
    art: tuple[str, ...],
    square: int,
    width: int,
    height: int,
    marks: Marks,
    look: Look,
) -> tuple[str, Style]:
    cells = list(_fill(square, width, look))
    background = _background(square, marks)
    colour = WHITE_PIECE
    at = (width - 1) // 2
    share = marks.heat.get(square, 0.0)
    if piece is None and height == 1 and width > 2 and share >= LEAST_HEAT:
        cells[0:2] = f"{min(99, round(100 * share)):2d}"
        colour = _ink(background)
    if piece is not None:
        cells[at] = piece_sign(piece, look.glyphs, plain=look.plain)
        colour = WHITE_PIECE if piece.color == chess.WHITE else BLACK_PIECE
    if look.plain:
        colour = _ink(background)  # Outlines and case say whose a piece is.
    if art:
        cells[1:-1] = art[height // 2]
    if marks.spoken:
        _sign(cells, at, square, piece is not None, height, marks, look)
    elif square in marks.moved and look.plain and width >= LABELS:
        cells[0], cells[-1] = "[", "]"
    return "".join(cells), Style(color=colour, bgcolor=background, bold=True)


def _sign(
    cells: list[str], at: int, square: int, taken: bool, height: int, marks: Marks, look: Look
) -> None:
    """Put signs around a piece, the most urgent last, as one may cover another."""
    glyphs = look.glyphs
    if square == marks.checked:
        cells[at + 1 if height < SQUARE_SIZES[0][1] or look.plain else -1] = "+"
    if square in marks.targets:
        if taken:
            cells[0 if at else -1] = glyphs.capture
        else:
            cells[at] = glyphs.target
    left = right = ""
    if square in marks.moved and look.plain:
        left, right = "(", ")"
    if square == marks.selected:
        left, right = "<", ">"
    if square == marks.cursor:
        left, right = "[", "]"
    if left and len(cells) > 2:
        cells[0] = left
    if right:
        cells[-1] = right
