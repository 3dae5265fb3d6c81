"""Positions from and to Forsyth-Edwards Notation.

Read strictly: what cannot be a position of a game, or does not say clearly which, is refused with
the reason. Castling may be written `KQkq` or with the rooks' files (`HAha`, Shredder-FEN); a `K`
means the outermost rook on that side (X-FEN). Written as python-chess writes it: `KQkq` where the
rook is the outermost, else its file, and an en-passant square only if a capture there is legal.
"""

import numpy as np

from model.rules.attacks import KING_ATTACKS
from model.rules.legality import num_checkers
from model.rules.make import double_step_ep_bits
from model.rules.position import (
    BLACK_TO_MOVE,
    KINGS,
    MAX_FULLMOVE,
    MAX_HALFMOVE,
    PAWNS,
    ROOKS,
    STATE,
    WHITE,
    Position,
    black_to_move,
    fullmove_number,
    halfmove_clock,
    occupied_squares,
)

START_FEN = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"

_PIECES = "pnbrqk"
_FILES = "abcdefgh"
_MAX_SHOWN = 100
_RANK_1 = 0xFF
_BACK_RANKS = _RANK_1 | _RANK_1 << 56


def start_position() -> Position:
    """The position in which a game of chess begins."""
    return from_fen(START_FEN)


def from_fen(fen: str) -> Position:
    """The position that `fen` describes, as uint64[8]; ValueError says what is wrong with it.

    The two clocks may be missing (`0 1`); they saturate at 255 and 8191. Repetitions are 0.
    """
    try:
        return _parse(fen)
    except ValueError as error:
        shown = fen if len(fen) <= _MAX_SHOWN else f"{fen[:_MAX_SHOWN]}... ({len(fen)} characters)"
        raise ValueError(f"invalid FEN {shown!r}: {error}") from None


def to_fen(pos: Position) -> str:
    """The FEN of `pos`, six fields."""
    ranks = []
    board = _board_text(pos)
    for rank in range(7, -1, -1):
        row = board[8 * rank : 8 * rank + 8]
        for run in range(8, 0, -1):
            row = row.replace("." * run, str(run))
        ranks.append(row)
    side = "b" if black_to_move(pos) else "w"
    ep = int(pos[STATE]) >> 5 & 15
    ep_square = f"{_FILES[ep - 1]}{3 if side == 'b' else 6}" if ep else "-"
    clocks = f"{halfmove_clock(pos)} {fullmove_number(pos)}"
    return f"{'/'.join(ranks)} {side} {_castling_text(pos)} {ep_square} {clocks}"


def _parse(fen: str) -> Position:
    for character in fen:
        if not " " <= character <= "~":
            raise ValueError(f"character {character!r} is not printable ASCII")
    fields = fen.split()
    if len(fields) not in (4, 6):
        raise ValueError(
            f"{len(fields)} fields; expected 6 (placement, side to move, castling, en passant, "
            "halfmove clock, move number) or the first 4"
        )
    placement, side, castling, ep_square = fields[:4]
    if side not in ("w", "b"):
        raise ValueError(f"side to move {side!r} is neither 'w' nor 'b'")
    halfmove, fullmove = fields[4:] or ("0", "1")
    pos = np.zeros(8, np.uint64)
    _place(pos, placement)
    state = int(side == "b")
    state |= min(_number(halfmove, "halfmove clock"), int(MAX_HALFMOVE)) << 9
    state |= min(max(_number(fullmove, "move number"), 1), int(MAX_FULLMOVE)) << 19
    pos[STATE] = state
    _check_material(pos)
    _check_kings(pos)
    pos[STATE] |= np.uint64(_castling_bits(pos, castling))
    pos[STATE] |= np.uint64(_ep_bits(pos, ep_square))
    return pos


def _place(pos: Position, placement: str) -> None:
    rows = placement.split("/")
    if len(rows) != 8:
        raise ValueError(f"placement has {len(rows)} ranks, expected 8")
    for number, row in enumerate(rows):
        rank = 7 - number
        file = 0
        for character in row:
            if character in "12345678":
                file += int(character)
                continue
            piece = _PIECES.find(character.lower())
            if piece < 0:
                raise ValueError(f"rank {rank + 1} has unknown piece {character!r}")
            if file < 8:
                bit = np.uint64(1 << 8 * rank + file)
                pos[piece] |= bit
                if character.isupper():
                    pos[WHITE] |= bit
            file += 1
        if file != 8:
            raise ValueError(f"rank {rank + 1} ({row!r}) has {file} files, expected 8")


def _number(text: str, name: str) -> int:
    if not text.isdigit() or len(text) > 9:
        raise ValueError(f"{name} {text!r} is not a number from 0 on")
    return int(text)


def _check_material(pos: Position) -> None:
    words = [int(word) for word in pos]
    occupied = words[0] | words[1] | words[2] | words[3] | words[4] | words[5]
    for name, own in (("White", words[WHITE]), ("Black", occupied & ~words[WHITE])):
        num_kings = (words[KINGS] & own).bit_count()
        if num_kings != 1:
            raise ValueError(f"{name} has {num_kings} kings, expected 1")
        num_pawns = (words[PAWNS] & own).bit_count()
        if num_pawns > 8:
            raise ValueError(f"{name} has {num_pawns} pawns, at most 8 are possible")
        if own.bit_count() > 16:
            raise ValueError(f"{name} has {own.bit_count()} pieces, at most 16 are possible")
    if words[PAWNS] & _BACK_RANKS:
        raise ValueError("a pawn stands on rank 1 or rank 8")


def _check_kings(pos: Position) -> None:
    squares = [square for square in range(64) if int(pos[KINGS]) >> square & 1]
    if int(KING_ATTACKS[squares[0]]) >> squares[1] & 1:
        raise ValueError("the kings stand next to each other")
    opponent = pos.copy()
    opponent[STATE] ^= BLACK_TO_MOVE
    if num_checkers(opponent):
        mover, other = ("Black", "White") if black_to_move(pos) else ("White", "Black")
        raise ValueError(f"{mover} is to move, but {other}'s king is in check")
    if num_checkers(pos) > 2:
        raise ValueError("more than two pieces give check")


def _castling_bits(pos: Position, text: str) -> int:
    if text == "-":
        return 0
    rook_file: dict[int, int] = {}
    for letter in text:
        is_black = letter.islower()
        if letter.lower() not in "kq" + _FILES:
            raise ValueError(f"castling field {text!r} has unknown letter {letter!r}")
        right, file = _rook_of_right(pos, letter.lower(), is_black, f"castling right {letter!r}")
        if right in rook_file:
            raise ValueError(f"castling field {text!r} names the right {'KQkq'[right]!r} twice")
        rook_file[right] = file
    return sum(2 << right | file << 32 + 3 * right for right, file in rook_file.items())


def _rook_of_right(pos: Position, letter: str, is_black: bool, what: str) -> tuple[int, int]:
    """Number of the right (0 K, 1 Q, 2 k, 3 q) and file of its rook."""
    own = ~int(pos[WHITE]) if is_black else int(pos[WHITE])
    home = 56 if is_black else 0
    king = (int(pos[KINGS]) & own) >> home & _RANK_1
    rooks = (int(pos[ROOKS]) & own) >> home & _RANK_1
    if not king:
        raise ValueError(f"{what}, but the king is not on rank {home // 8 + 1}")
    king_file = king.bit_length() - 1
    if letter in _FILES:
        file = _FILES.index(letter)
        if not rooks >> file & 1:
            raise ValueError(f"{what}, but no rook on {letter}{home // 8 + 1}")
    else:
        side = rooks & -king if letter == "k" else rooks & king - 1
        if not side:
            raise ValueError(f"{what}, but no rook on that side of the king")
        file = (side if letter == "k" else side & -side).bit_length() - 1
    return 2 * is_black + (file < king_file), file


def _castling_text(pos: Position) -> str:
    text = ""
    state = int(pos[STATE])
    for right, letter in enumerate("KQkq"):
        if not state >> 1 + right & 1:
            continue
        file = state >> 32 + 3 * right & 7
        is_black = letter.islower()
        own = ~int(pos[WHITE]) if is_black else int(pos[WHITE])
        rooks = (int(pos[ROOKS]) & own) >> (56 if is_black else 0) & _RANK_1
        farther = rooks >> file + 1 if letter in "Kk" else rooks & (1 << file) - 1
        if farther:
            letter = _FILES[file] if is_black else _FILES[file].upper()
        text += letter
    return text or "-"


def _ep_bits(pos: Position, text: str) -> int:
    if text == "-":
        return 0
    is_black = bool(black_to_move(pos))
    rank = "3" if is_black else "6"
    if len(text) != 2 or text[0] not in _FILES or text[1] != rank:
        raise ValueError(f"en-passant square {text!r} is neither '-' nor on rank {rank}")
    target = 8 * (int(rank) - 1) + _FILES.index(text[0])
    ahead, behind = (target + 8, target - 8) if is_black else (target - 8, target + 8)
    occupied = int(occupied_squares(pos))
    them = occupied & ~int(pos[WHITE]) if not is_black else int(pos[WHITE])
    if not int(pos[PAWNS]) & them & 1 << ahead:
        raise ValueError(f"en-passant square {text!r}, but no pawn has just passed it")
    if occupied & (1 << target | 1 << behind):
        raise ValueError(f"en-passant square {text!r}, but the way of its pawn is not free")
    return int(double_step_ep_bits(pos, np.uint64(ahead), np.uint64(target), not is_black))


def _board_text(pos: Position) -> str:
    """The board as 64 letters from a1 to h8, `.` for empty squares."""
    letters = ["."] * 64
    white = int(pos[WHITE])
    for piece, letter in enumerate(_PIECES):
        squares = int(pos[piece])
        while squares:
            square = (squares & -squares).bit_length() - 1
            letters[square] = letter.upper() if white >> square & 1 else letter
            squares &= squares - 1
    return "".join(letters)
