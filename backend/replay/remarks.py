"""What a remark in a game says to us: that its move is a book's, or what the position is worth.

    {book}   {[%eval 0.35]}   {[%eval #-3,22]}

Compiled; `pgn.py` says the same with regular expressions.
"""

import numpy as np
from numpy.typing import NDArray

from backend.replay.pgn import MATE_EVAL
from backend.replay.played import NO_EVAL
from model.rules import kernel

_SPACE, _DELETE = 32, 127
_0, _9 = ord("0"), ord("9")
_DASH, _PLUS, _DOT, _HASH, _COMMA = ord("-"), ord("+"), ord("."), ord("#"), ord(",")
_UNDERSCORE, _BRACKET, _END_BRACKET = ord("_"), ord("["), ord("]")


def word_of(text: bytes) -> NDArray[np.uint8]:
    """uint8[n], for kernels to compare with."""
    return np.frombuffer(text, np.uint8).copy()


_BOOK = word_of(b"book")
_EVAL = word_of(b"[%eval")


@kernel
def says_book(text: NDArray[np.uint8], at: int, end: int) -> int:
    """1 if a remark begins with the word book, 0 if not, -1 if signs beyond ASCII decide it."""
    while at < end and is_space(text[at]):
        at += 1
    if at < end and text[at] > _DELETE:
        return -1
    if not has_word(text, at, end, _BOOK):
        return 0
    at += len(_BOOK)
    if at == end:
        return 1
    sign = text[at]
    if sign > _DELETE:
        return -1
    letter = sign | 32
    is_word = (97 <= letter <= 122 and sign >= 65) or _0 <= sign <= _9 or sign == _UNDERSCORE
    return 0 if is_word else 1


@kernel
def evaluation(text: NDArray[np.uint8], at: int, end: int) -> int:
    """The first `[%eval x]` of a remark that is sound, in centipawns; NO_EVAL without one."""
    while at < end:
        if text[at] == _BRACKET and has_word(text, at, end, _EVAL):
            value = _value(text, at + len(_EVAL), end)
            if value != NO_EVAL:
                return value
        at += 1
    return NO_EVAL


@kernel
def _value(text: NDArray[np.uint8], at: int, end: int) -> int:
    """Behind `[%eval`: pawns with up to two digits behind the point, or `#` and a mate's length."""
    if at >= end or not is_space(text[at]):
        return NO_EVAL
    at += 1
    is_mate = at < end and text[at] == _HASH
    if is_mate:
        at += 1
    sign = 1
    if at < end and (text[at] == _DASH or text[at] == _PLUS):
        if text[at] == _DASH:
            sign = -1
        at += 1
    whole = digits = hundredths = 0
    while at < end and _0 <= text[at] <= _9 and digits < 10:
        whole = 10 * whole + int(text[at]) - _0
        digits += 1
        at += 1
    if at < end and text[at] == _DOT and not is_mate:
        at += 1
        weight = 10
        while at < end and _0 <= text[at] <= _9 and weight > 0:
            hundredths += weight * (int(text[at]) - _0)
            weight //= 10
            digits += 1
            at += 1
    if digits == 0:
        return NO_EVAL
    if at < end and text[at] == _COMMA:  # The depth.
        at += 1
        while at < end and _0 <= text[at] <= _9:
            at += 1
    if at >= end or text[at] != _END_BRACKET:
        return NO_EVAL
    if is_mate:
        return sign * MATE_EVAL if whole > 0 else NO_EVAL
    return sign * min(100 * whole + hundredths, MATE_EVAL - 1)


@kernel
def is_space(sign: int) -> bool:
    """Whether a byte is a blank to Python's `\\s`."""
    return sign == _SPACE or 9 <= sign <= 13 or 28 <= sign <= 31


@kernel
def has_word(text: NDArray[np.uint8], at: int, end: int, word: NDArray[np.uint8]) -> bool:
    """Whether `word` stands there."""
    if end - at < len(word):
        return False
    for number in range(len(word)):  # noqa: SIM110 - a kernel has no generators
        if text[at + number] != word[number]:
            return False
    return True
