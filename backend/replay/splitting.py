"""A stream of PGN in pieces of one game each: bounds within a buffer, found by compiled code.

A game begins where tags follow moves; without tags, after an empty line. So a remark that never
closes spoils one game, not the rest of the file.

    buffer   [ game | game | game | the beginning of one ........ free ]
                                   ^ goes to the front, then more is read behind it
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.replay.source import MAX_READ, UTF8_MARK
from model.rules import kernel

_CHUNK: Final = 1 << 20
"""Bytes that are read at once."""
_MOST_FOUND: Final = 1 << 12
"""Games that are found at once."""

_SCANNED, _LINE_START, _HAS_TAGS, _HAS_MOVES, _HAS_GAP = range(5)
_NEWLINE, _QUOTE, _BRACKET, _ESCAPE, _REST = 10, 34, ord("["), ord("%"), ord(";")


@dataclass(slots=True)
class GameText:
    """The text of one game: `buffer[begin:end]`, until the next is asked for."""

    buffer: NDArray[np.uint8]
    begin: int
    end: int
    offset: int
    """Where in the stream it begins, in bytes."""
    is_too_large: bool
    """Then nothing is in the buffer."""

    def content(self) -> bytes:
        return self.buffer[self.begin : self.end].tobytes()


def split_games(
    stream: io.BufferedReader, most_bytes: int, *, offset: int = 0
) -> Iterator[GameText]:
    """One game after the other, in bounded memory. `offset`: of the stream's first byte."""
    buffer = np.empty(most_bytes + 2 * _CHUNK, np.uint8)
    view = buffer.data
    state = np.array([0, 1, 0, 0, 0], np.int64)
    bounds = np.empty(_MOST_FOUND, np.int64)
    filled = begin = 0
    is_too_large = is_over = False
    if stream.peek(3).startswith(UTF8_MARK) and not offset:
        offset += len(stream.read(len(UTF8_MARK)))
    while True:
        if not is_over:
            count = stream.readinto(view[filled : filled + _CHUNK])
            is_over = not count
            filled += count or 0
        found = _MOST_FOUND
        while found == _MOST_FOUND:
            found = _boundaries(buffer, filled, is_over, state, bounds)
            for end in bounds[:found].tolist():
                too_large = is_too_large or end - begin > most_bytes
                yield GameText(buffer, begin, end, offset + begin, too_large)
                begin, is_too_large = end, False
        if is_over:
            break
        if filled - begin > most_bytes:
            # What is not yet looked at is kept: the end of the game may be in it.
            is_too_large = True
            begin = int(state[_SCANNED])
        buffer[: filled - begin] = buffer[begin:filled].copy()
        state[_SCANNED] -= begin
        offset += begin
        filled -= begin
        begin = 0
    rest = buffer[begin:filled]
    if is_too_large or rest.tobytes().strip():
        too_large = is_too_large or len(rest) > most_bytes
        yield GameText(buffer, begin, filled, offset + begin, too_large)


@kernel
def movetext_start(text: NDArray[np.uint8], at: int, end: int) -> int:
    """Where the first line begins that is neither empty nor a tag or a remark of a line; -1 where
    bytes beyond ASCII stand before it outside of tags."""
    while at < end:
        stop = at
        while stop < end and text[stop] != _NEWLINE:
            stop += 1
        first = text[at]
        if first != _BRACKET and first != _ESCAPE and first != _REST:
            for other in range(at, stop):
                if not _is_space(text[other]):
                    return -1 if text[other] >= 128 or text[other] < 32 else at
        at = stop + 1
    return end


@kernel
def _boundaries(
    text: NDArray[np.uint8],
    filled: int,
    is_over: bool,
    state: NDArray[np.int64],
    bounds: NDArray[np.int64],
) -> int:
    """Write where games end in text[:filled]; returns how many. `state` is for the next call."""
    at = int(state[_SCANNED])
    is_line_start = state[_LINE_START] != 0
    has_tags, has_moves, has_gap = (
        state[_HAS_TAGS] != 0,
        state[_HAS_MOVES] != 0,
        state[_HAS_GAP] != 0,
    )
    found = 0
    while at < filled and found < len(bounds):
        stop = at
        longest = min(filled, at + MAX_READ)
        while stop < longest and text[stop] != _NEWLINE:
            stop += 1
        is_whole = stop < longest
        if is_whole:
            stop += 1
        elif stop - at < MAX_READ and not is_over:
            break
        is_tag = is_line_start and _is_tag(text, at, stop)
        is_empty = is_line_start and _is_blank(text, at, stop)
        is_line_start = is_whole
        if (is_tag and (has_moves or has_gap)) or (is_empty and has_moves and not has_tags):
            bounds[found] = at
            found += 1
            has_tags = has_moves = has_gap = False
        has_tags = has_tags or is_tag
        has_moves = has_moves or (not is_tag and not is_empty)
        has_gap = has_gap or (is_empty and has_tags and not has_moves)
        at = stop
    state[_SCANNED] = at
    state[_LINE_START] = is_line_start
    state[_HAS_TAGS], state[_HAS_MOVES], state[_HAS_GAP] = has_tags, has_moves, has_gap
    return found


@kernel
def _is_space(sign: int) -> bool:
    return sign == 32 or 9 <= sign <= 13


@kernel
def _is_blank(text: NDArray[np.uint8], at: int, end: int) -> bool:
    for other in range(at, end):  # noqa: SIM110 - a kernel has no generators
        if not _is_space(text[other]):
            return False
    return True


@kernel
def _is_tag(text: NDArray[np.uint8], at: int, end: int) -> bool:
    """`[Name "`, with blanks where there may be some."""
    if text[at] != _BRACKET:
        return False
    at += 1
    while at < end and _is_space(text[at]):
        at += 1
    name = at
    while at < end and _is_in_name(text[at]):
        at += 1
    gap = at
    while at < end and _is_space(text[at]):
        at += 1
    return gap > name and at > gap and at < end and text[at] == _QUOTE


@kernel
def _is_in_name(sign: int) -> bool:
    letter = sign | 32
    return (97 <= letter <= 122 and sign >= 65) or 48 <= sign <= 57 or sign == 95
