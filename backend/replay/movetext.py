"""The moves of a game played from its text, by compiled code.

The text is taken apart as `pgn.py` does it, for what is written properly; anything else ends with
UNSURE, and `pgn.py` and python-chess read the game instead, and say what is wrong with it.

    1. e4 {[%eval 0.3]} e5 {book} (1... c5 2. Nf3) 2. Nf3 $1 1-0
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.replay.played import NO_EVAL, PLAYED, UNSURE, Play, conclude, enter
from backend.replay.records import NO_RESULT
from backend.replay.remarks import evaluation, has_word, is_space, says_book, word_of
from backend.replay.san import NOT_FOUND, san_to_move
from model.rules import Position, kernel, make_move

_NO_WORD: Final = 9
_SPACE, _NEWLINE, _DELETE = 32, 10, 127
_OPEN, _CLOSE, _PAREN, _END_PAREN = ord("{"), ord("}"), ord("("), ord(")")
_REST, _ESCAPE, _GLYPH, _DOT, _STAR = ord(";"), ord("%"), ord("$"), ord("."), ord("*")
_0, _1, _9, _DASH = ord("0"), ord("1"), ord("9"), ord("-")
_HALF = word_of(b"1/2-1/2")


def play_text(
    text: NDArray[np.uint8],
    begin: int,
    end: int,
    start: Position,
    play: Play,
    *,
    most_in_variations: int,
    is_turned: bool,
) -> bool:
    """Whether the moves in `text[begin:end]` could be read; then `play` has them."""
    play.end[:] = start
    status = _play_text(
        text,
        begin,
        end,
        most_in_variations,
        is_turned,
        play.end,
        play.moves,
        play.positions,
        play.num_moves,
        play.chosen,
        play.index,
        play.is_book,
        play.eval_cp,
        play.keys,
        play.legal,
        play.facts,
    )
    return status == PLAYED


@kernel
def _play_text(
    text: NDArray[np.uint8],
    at: int,
    end: int,
    most_in_variations: int,
    is_turned: bool,
    pos: Position,
    moves: NDArray[np.uint16],
    positions: NDArray[np.uint64],
    num_moves: NDArray[np.int16],
    chosen: NDArray[np.int16],
    index: NDArray[np.int16],
    is_book: NDArray[np.bool_],
    eval_cp: NDArray[np.int32],
    keys: NDArray[np.uint64],
    legal: NDArray[np.uint16],
    facts: NDArray[np.int64],
) -> int:
    ply = num_index = depth = passed_over = 0
    result = _NO_WORD
    is_line_start = True
    while at < end:
        sign = text[at]
        if sign == _NEWLINE:
            is_line_start = True
            at += 1
            continue
        if is_space(sign):
            is_line_start = False
            at += 1
            continue
        if sign == _REST or (sign == _ESCAPE and is_line_start):
            while at < end and text[at] != _NEWLINE:
                at += 1
            continue
        is_line_start = False
        if sign == _OPEN:
            closed = at + 1
            while closed < end and text[closed] != _CLOSE:
                closed += 1
            if closed == end:
                return UNSURE
            if depth == 0 and ply > 0:
                said = says_book(text, at + 1, closed)
                if said < 0:
                    return UNSURE
                if said > 0:
                    is_book[ply - 1] = True
                if eval_cp[ply - 1] == NO_EVAL:
                    eval_cp[ply - 1] = evaluation(text, at + 1, closed)
            at = closed + 1
        elif sign == _GLYPH:
            at += 1
            while at < end and _0 <= text[at] <= _9:
                at += 1
        elif sign == _PAREN:
            depth += 1
            at += 1
        elif sign == _END_PAREN:
            depth -= 1
            at += 1
            if depth < 0:
                return UNSURE
        elif sign == _CLOSE:
            return UNSURE
        else:
            word = at
            while at < end and _is_in_word(text[at]):
                at += 1
            if at == word:
                return UNSURE
            if depth > 0:
                passed_over += 1
                if passed_over > most_in_variations:
                    return UNSURE
                continue
            said = _result(text, word, at)
            if said != _NO_WORD:
                if result != _NO_WORD:
                    return UNSURE
                result = said
                continue
            word = _behind_number(text, word, at)
            if word == at:
                continue
            if word < 0 or result != _NO_WORD or ply >= len(moves):
                return UNSURE
            num_legal = enter(
                pos, ply, num_index, is_turned, positions, num_moves, index, keys, legal
            )
            move = san_to_move(text, word, at, pos, legal, num_legal)
            if move == NOT_FOUND:
                return UNSURE
            for number in range(num_legal):
                if int(legal[number]) == move:
                    chosen[ply] = number
            moves[ply] = move
            is_book[ply] = False
            eval_cp[ply] = NO_EVAL
            num_index += num_legal
            ply += 1
            make_move(pos, move, pos)
    if depth > 0 or result == _NO_WORD or ply == 0:
        return UNSURE
    conclude(pos, ply, num_index, result, keys, legal, facts)
    return PLAYED


@kernel
def _is_in_word(sign: int) -> bool:
    """Printable ASCII that ends no word; what is none ends it, and begins one of no length."""
    if sign <= _SPACE or sign >= _DELETE:
        return False
    return sign not in (_OPEN, _CLOSE, _PAREN, _END_PAREN, _REST, _GLYPH)


@kernel
def _result(text: NDArray[np.uint8], begin: int, end: int) -> int:
    """The result that a word is, as records have it; _NO_WORD if it is none."""
    length = end - begin
    if length == 1 and text[begin] == _STAR:
        return NO_RESULT
    if length == 3 and text[begin + 1] == _DASH:
        if text[begin] == _1 and text[begin + 2] == _0:
            return 1
        if text[begin] == _0 and text[begin + 2] == _1:
            return -1
    if length == len(_HALF) and has_word(text, begin, end, _HALF):
        return 0
    return _NO_WORD


@kernel
def _behind_number(text: NDArray[np.uint8], begin: int, end: int) -> int:
    """Where the move begins behind `12.` or `12...`; `end` if there is none, -1 if it is odd."""
    at = begin
    while at < end and _0 <= text[at] <= _9:
        at += 1
    if at == end:
        return end
    dots = at
    while at < end and text[at] == _DOT:
        at += 1
    if at > begin and at == dots:
        # Digits without a dot behind them: castling written with zeros is whole.
        return begin if text[begin] == _0 else -1
    for other in range(at, end):
        if text[other] == _DOT:
            return -1
    return at
