"""Moves in the short notation of PGN, found among the legal ones by compiled code.

It reads what is written properly and nothing else: `Nbd7`, `exd8=Q+`, `O-O-O#`. Whatever it does
not know, or what names no move or two, is left to python-chess, which has the last word and the
error's text. So all that is promised is: the move that comes back is the one python-chess finds.
"""

import numpy as np
from numpy.typing import NDArray

from model.rules.bitboard import U0, U1, U7, U63, square_bit
from model.rules.kernel import kernel
from model.rules.position import (
    KINGS,
    PAWNS,
    PROMOTION_SHIFT,
    TO_SHIFT,
    Position,
)

NOT_FOUND = -1
"""No move, or more than one, or a word of another kind."""

_A, _H, _1, _8 = ord("a"), ord("h"), ord("1"), ord("8")
_TAKES, _PROMOTES, _CHECK, _MATE = ord("x"), ord("="), ord("+"), ord("#")
_DASH, _LETTER_O, _ZERO, _MARK, _DOUBT = ord("-"), ord("O"), ord("0"), ord("!"), ord("?")


def _piece_table() -> NDArray[np.int8]:
    """int8[256]: word of the piece that a letter names; -1 for other bytes."""
    table = np.full(256, -1, np.int8)
    for word, letter in enumerate("NBRQK", start=1):
        table[ord(letter)] = word
    return table


_PIECES = _piece_table()


@kernel
def san_to_move(
    text: NDArray[np.uint8],
    begin: int,
    end: int,
    pos: Position,
    legal: NDArray[np.uint16],
    num_legal: int,
) -> int:
    """The legal move that `text[begin:end]` names, or NOT_FOUND."""
    while end > begin and text[end - 1] in (_MARK, _DOUBT):
        end -= 1
    if end > begin and text[end - 1] in (_CHECK, _MATE):
        end -= 1
    if end - begin < 2:
        return NOT_FOUND
    first = text[begin]
    if first in (_LETTER_O, _ZERO):
        return _castling(text, begin, end, pos, legal, num_legal)
    piece, promotion = int(_PIECES[first]), 0
    if piece < 0:
        piece = PAWNS
        letter = int(_PIECES[text[end - 1]])
        if letter > 0:
            if letter == KINGS:
                return NOT_FOUND
            promotion = letter
            end -= 1
            if text[end - 1] == _PROMOTES:
                end -= 1
    else:
        begin += 1
    if end - begin < 2:
        return NOT_FOUND
    file, rank = int(text[end - 2]) - _A, int(text[end - 1]) - _1
    if file < 0 or file > 7 or rank < 0 or rank > 7:
        return NOT_FOUND
    target = 8 * rank + file
    end -= 2
    takes = end > begin and text[end - 1] == _TAKES
    if takes:
        end -= 1
    from_file = from_rank = -1
    if end > begin and _A <= text[begin] <= _H:
        from_file = int(text[begin]) - _A
        begin += 1
    if end > begin and _1 <= text[begin] <= _8:
        from_rank = int(text[begin]) - _1
        begin += 1
    if begin != end:
        return NOT_FOUND
    if piece == PAWNS:
        # A capture names the file it comes from; a step names nothing.
        if (from_file >= 0) != takes or from_rank >= 0:
            return NOT_FOUND
        if not takes:
            from_file = file
    return _only(pos, legal, num_legal, piece, target, from_file, from_rank, promotion)


@kernel
def _only(
    pos: Position,
    legal: NDArray[np.uint16],
    num_legal: int,
    piece: int,
    target: int,
    from_file: int,
    from_rank: int,
    promotion: int,
) -> int:
    """The one legal move like that. A castling is none: its target holds an own rook."""
    found = NOT_FOUND
    own_rooks = pos[3]
    for number in range(num_legal):
        move = np.uint64(legal[number])
        if int((move >> TO_SHIFT) & U63) != target or int(move >> PROMOTION_SHIFT) != promotion:
            continue
        origin = move & U63
        if pos[piece] & square_bit(origin) == U0:
            continue
        if from_file >= 0 and int(origin & U7) != from_file:
            continue
        if from_rank >= 0 and int(origin >> np.uint64(3)) != from_rank:
            continue
        if piece == KINGS and own_rooks & square_bit(np.uint64(target)) != U0:
            is_white = pos[6] & square_bit(origin) != U0
            rook_is_white = pos[6] & square_bit(np.uint64(target)) != U0
            if is_white == rook_is_white:
                continue
        if found != NOT_FOUND:
            return NOT_FOUND
        found = int(legal[number])
    return found


@kernel
def _castling(
    text: NDArray[np.uint8],
    begin: int,
    end: int,
    pos: Position,
    legal: NDArray[np.uint16],
    num_legal: int,
) -> int:
    length = end - begin
    if length != 3 and length != 5:
        return NOT_FOUND
    sign = text[begin]
    for at in range(begin, end):
        if text[at] != (sign if (at - begin) % 2 == 0 else _DASH):
            return NOT_FOUND
    to_h_side = length == 3
    for number in range(num_legal):
        move = np.uint64(legal[number])
        origin, target = move & U63, (move >> TO_SHIFT) & U63
        if pos[KINGS] & (U1 << origin) == U0 or pos[3] & (U1 << target) == U0:
            continue
        is_white = pos[6] & (U1 << origin) != U0
        if is_white == (pos[6] & (U1 << target) != U0) and (target > origin) == to_h_side:
            return int(legal[number])
    return NOT_FOUND
