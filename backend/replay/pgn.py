"""Games out of PGN files, one at a time, whatever their size: each is read whole or refused.

    bytes -> gzip or zstd undone -> lines -> the text of one game -> PgnGame, or PgnFault

python-chess knows the rules and the notation of moves; the text is taken apart here. Its own reader
passes over what it cannot read, so that a game that was cut inside a move looks whole, and copies
the rest of a line for every comment in it, so that a line of a megabyte can take hours.
"""

import io
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar, cast

import chess
import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.limits_config import LIMITS, LimitsConfig
from backend.replay import records
from backend.replay.boards import move_code, position_array, position_words
from backend.replay.source import DAMAGE, MAX_READ, UTF8_MARK, UTF16_MARKS, decompressed

STANDARD_INPUT: Final = "-"


RESULTS: Final = {
    "1-0": records.WHITE_WON,
    "1/2-1/2": records.DRAW,
    "0-1": records.BLACK_WON,
    "*": records.NO_RESULT,
}
STANDARD_CHESS: Final = frozenset(("", "standard", "chess", "normal", "from position", "?"))
_TAG_START: Final = re.compile(rb'\[\s*\w+\s+"')
_TAG: Final = re.compile(r'\[\s*(\w+)\s+"(.*)"\s*\]\s*')
TOKEN: Final = re.compile(
    r"\{(?P<comment>[^}]*)(?P<closed>\}?)"
    r"|(?P<aside>;[^\n]*|^%[^\n]*|\$\d*)"
    r"|(?P<bracket>[()}])"
    r"|(?P<word>[^\s(){};$]+)",
    re.MULTILINE,
)
_MOVE_NUMBER: Final = re.compile(r"\d+\.+|\d+$|\.+")
_BOOK: Final = re.compile(r"\s*book\b")
MATE_EVAL: Final = 1 << 20
"""A mate, whatever its length, in centipawns."""
MAX_RATING: Final = 4000
_RATING: Final = re.compile(r"[0-9]{1,4}")
_EVAL: Final = re.compile(
    r"\[%eval[ \t\n\v\f\r\x1c-\x1f]"
    r"(?:#(?P<mate>[+-]?(?=0*[1-9])[0-9]{1,10})"
    r"|(?P<pawns>[+-]?(?:[0-9]{1,10}(?:\.[0-9]{0,2})?|\.[0-9]{1,2})))"
    r"(?:,[0-9]*)?\]"
)
"""Pawns as White sees them, or `#` and the moves to a mate, and perhaps the depth. A mate in 0 is
none: the move that mates has no evaluation behind it."""

TextT = TypeVar("TextT")
GameT = TypeVar("GameT")


@dataclass(frozen=True, kw_only=True)
class PgnGame:
    """A game of standard chess that can be played from its first move to its last."""

    number: int
    """Its place in the file, from 1."""
    start: NDArray[np.uint64]
    """uint64[8]."""
    moves: list[int]
    """Move codes, castling as king takes rook."""
    book: frozenset[int]
    """Plies that an opening book had forced: nobody chose them."""
    result: int
    """What the file says: WHITE_WON, DRAW, BLACK_WON or NO_RESULT."""
    final: chess.Board
    """The position after the last move."""
    evals: dict[int, int]
    """By ply: `[%eval x]` behind its move, in centipawns as White sees it; a mate is ±MATE_EVAL."""
    rating: int
    """Mean of those of the players who have one; 0 without."""


@dataclass(frozen=True, kw_only=True)
class PgnFault:
    """A game, or the rest of a file, that was refused."""

    number: int
    """The game's place in the file, from 1."""
    reason: str


class PgnFile:
    """An open source of PGN: a file, compressed or not, or standard input."""

    def __init__(
        self,
        name: str,
        raw: io.BufferedReader,
        size: int | None,
        limits: LimitsConfig = LIMITS,
    ) -> None:
        self.name = name
        self._raw = raw
        self._size = size
        self._limits = limits

    def share_read(self) -> float | None:
        """How much of the file was read, 0 to 1; None for standard input."""
        return min(1.0, self._raw.tell() / self._size) if self._size else None

    def stream(self) -> io.BufferedReader:
        """What the file holds; errors as of `decompressed`."""
        return decompressed(self._raw, self._limits)

    def games(self) -> Iterator[PgnGame | PgnFault]:
        """Every game in turn. A damaged file ends with a fault that says so."""
        return self.walk(
            lambda stream: game_texts(stream, self._limits),
            lambda text, number: read_game(text, number, self._limits),
        )

    def walk(
        self,
        split: Callable[[io.BufferedReader], Iterator[TextT]],
        read: Callable[[TextT, int], GameT | PgnFault | None],
        number: int = 0,
    ) -> Iterator[GameT | PgnFault]:
        """The same with texts and games of the caller's kind; `number` of them were before."""
        try:
            stream = self.stream()
            if stream.peek(2)[:2] in UTF16_MARKS:
                yield PgnFault(number=1, reason="UTF-16 text; save it as UTF-8")
                return
            for text in split(stream):
                game = read(text, number + 1)
                if game is not None:
                    number += 1
                    yield game
        except DAMAGE as error:
            yield PgnFault(number=number + 1, reason=f"the file is damaged from here on: {error}")
            return
        if not number:
            yield PgnFault(number=1, reason="there is no game in this file")


@contextmanager
def open_pgn(name: str, limits: LimitsConfig = LIMITS) -> Iterator[PgnFile]:
    """Opens a .pgn, .pgn.gz or .pgn.zst, told apart by its first bytes, or `-` for standard input.

    ReplayError when it cannot be opened.
    """
    if name == STANDARD_INPUT:
        yield PgnFile("standard input", cast(io.BufferedReader, sys.stdin.buffer), None, limits)
        return
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(Path(name).open("rb"))
            size = os.fstat(raw.fileno()).st_size
        except OSError as error:
            raise ReplayError(f"{name}: cannot be read: {error.strerror}") from error
        yield PgnFile(name, raw, size, limits)


def game_texts(stream: io.BufferedReader, limits: LimitsConfig = LIMITS) -> Iterator[bytes | None]:
    """The text of one game after the other; None for one that is too large.

    A game begins where tags follow moves; without tags, after an empty line. So a comment that
    never closes spoils one game, not the rest of the file.
    """
    text = bytearray()
    most_bytes = limits.game_kib << 10
    has_tags = has_moves = has_gap = is_too_large = False
    is_line_start = True
    if stream.peek(3).startswith(UTF8_MARK):
        stream.read(len(UTF8_MARK))
    while line := stream.readline(MAX_READ):
        is_tag = is_line_start and _TAG_START.match(line) is not None
        is_empty = is_line_start and not line.strip()
        is_line_start = line.endswith(b"\n")
        ends_before = is_tag and (has_moves or has_gap)
        if ends_before or (is_empty and has_moves and not has_tags):
            yield None if is_too_large else bytes(text)
            text.clear()
            has_tags = has_moves = has_gap = is_too_large = False
        has_tags |= is_tag
        has_moves |= not is_tag and not is_empty
        has_gap |= is_empty and has_tags and not has_moves
        if len(text) + len(line) > most_bytes:
            is_too_large = True
        else:
            text += line
    if text.strip() or is_too_large:
        yield None if is_too_large else bytes(text)


def too_large(limits: LimitsConfig) -> str:
    return f"its text is larger than {limits.game_kib} KiB"


class RefusedError(Exception):
    """Why a game is not taken; its text is the reason."""


def read_game(text: bytes | None, number: int, limits: LimitsConfig) -> PgnGame | PgnFault | None:
    """The game in `text`; None when there are only remarks in it."""
    if text is None:
        return PgnFault(number=number, reason=too_large(limits))
    if 0 in text:
        return PgnFault(number=number, reason="binary data, not text")
    try:
        return _parse(decode(text), number, limits)
    except RefusedError as refused:
        return PgnFault(number=number, reason=str(refused))


def decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")  # What the standard of 1994 says, and what old files hold.


def _parse(text: str, number: int, limits: LimitsConfig) -> PgnGame | None:
    tags, movetext = split_tags(text)
    if len(text) - len(movetext) > limits.game_tags_kib << 10:
        raise RefusedError(f"its tags are larger than {limits.game_tags_kib} KiB")
    score = _read_moves(movetext, start_of(tags), limits)
    if not tags and not score.moves and score.result is None:
        return None
    if score.result is None:
        raise RefusedError("it stops without a result: cut off, or a result is missing")
    tag = RESULTS.get(tags.get("Result", "*"), records.NO_RESULT)
    if tag not in (records.NO_RESULT, score.result):
        raise RefusedError(f"the tag says {tags['Result']}, behind the moves stands another result")
    if not score.moves:
        raise RefusedError("it has no moves")
    return PgnGame(
        number=number,
        start=score.start,
        moves=score.moves,
        book=frozenset(score.book),
        result=score.result,
        final=score.board,
        evals=score.evals,
        rating=rating_of(tags),
    )


def rating_of(tags: dict[str, str]) -> int:
    """Mean of `WhiteElo` and `BlackElo`, of one where the other is unknown, 0 without either."""
    white, black = _elo(tags.get("WhiteElo")), _elo(tags.get("BlackElo"))
    return (white + black) // 2 if white and black else white or black


@lru_cache(maxsize=4096)
def _elo(tag: str | None) -> int:
    """0 where it is no rating."""
    if tag is None or not _RATING.fullmatch(tag):
        return 0
    return int(tag) if int(tag) <= MAX_RATING else 0


def split_tags(text: str) -> tuple[dict[str, str], str]:
    """Tags by name, and the text behind them."""
    tags: dict[str, str] = {}
    lines = io.StringIO(text)
    end = 0
    for line in lines:
        if line.strip() and line[0] not in "[%;":
            break
        end += len(line)
        found = _TAG.fullmatch(line)
        if found is not None:
            tags[found[1]] = found[2]
    return tags, text[end:]


def start_of(tags: dict[str, str]) -> chess.Board:
    """The position before the first move. RefusedError when it is none of standard chess."""
    variant = tags.get("Variant", "")
    if variant.strip().lower() not in STANDARD_CHESS:
        raise RefusedError(f"variant {variant!r} is not standard chess")
    if "FEN" not in tags:
        return chess.Board()
    try:
        board = chess.Board(tags["FEN"])
    except ValueError as error:
        raise RefusedError(f"its FEN tag is wrong: {error}") from error
    if board.has_chess960_castling_rights():
        raise RefusedError("its FEN tag has castling rights of Chess960")
    if not board.is_valid():
        raise RefusedError(f"its FEN tag is no legal position: {board.status()!r}")
    return board


class _Score:
    """The moves of a game as they are read."""

    def __init__(self, board: chess.Board, limits: LimitsConfig) -> None:
        self.board = board
        self._most_plies = limits.game_plies
        self.start = position_array(position_words(board))
        self.moves: list[int] = []
        self.book: set[int] = set()
        self.evals: dict[int, int] = {}
        self.result: int | None = None

    def play(self, san: str) -> None:
        if self.result is not None:
            raise RefusedError(f"{san!r} follows the result")
        if len(self.moves) >= self._most_plies:
            raise RefusedError(f"it is longer than {self._most_plies} plies")
        try:
            move = self.board.parse_san(san)
        except ValueError as error:
            raise RefusedError(f"ply {len(self.moves)}: {error}") from error
        if not move:
            raise RefusedError(f"ply {len(self.moves)}: a null move")
        self.moves.append(code_of(self.board, move))
        self.board.push(move)


def _read_moves(movetext: str, board: chess.Board, limits: LimitsConfig) -> _Score:
    """The main line; variations are passed over, remarks are read for `book` only."""
    score = _Score(board, limits)
    depth = passed_over = 0
    deadline = time.monotonic() + limits.game_s
    for token in TOKEN.finditer(movetext):
        kind = token.lastgroup
        if time.monotonic() > deadline:
            raise RefusedError(f"it takes longer than {limits.game_s:g} s to read")
        if kind == "closed":
            if not token["closed"]:
                raise RefusedError("a comment that never closes")
            if not depth and score.moves:
                _read_remark(token["comment"], score)
        elif kind == "bracket":
            depth += {"(": 1, ")": -1}.get(token["bracket"], 0)
            if depth < 0 or token["bracket"] == "}":
                raise RefusedError(f"a {token['bracket']!r} that closes nothing")
        elif kind == "word" and not depth:
            _read_word(token["word"], score)
        elif kind == "word":
            passed_over += 1
            if passed_over > limits.game_variation_moves:
                raise RefusedError(f"more than {limits.game_variation_moves} words in variations")
    if depth:
        raise RefusedError("a variation that never closes")
    return score


def _read_remark(text: str, score: _Score) -> None:
    ply = len(score.moves) - 1
    if _BOOK.match(text):
        score.book.add(ply)
    found = _EVAL.search(text)
    if found is None or ply in score.evals:
        return
    if found["mate"] is None:
        whole, _, part = found["pawns"].lstrip("+-").partition(".")
        value = min(100 * int(whole or "0") + int(part.ljust(2, "0")), MATE_EVAL - 1)
        score.evals[ply] = -value if found["pawns"].startswith("-") else value
    else:
        score.evals[ply] = -MATE_EVAL if found["mate"].startswith("-") else MATE_EVAL


def _read_word(word: str, score: _Score) -> None:
    if word in RESULTS:
        if score.result is not None:
            raise RefusedError("it has two results")
        score.result = RESULTS[word]
        return
    number = _MOVE_NUMBER.match(word)  # At its beginning alone: 0-0 and 9999x have none.
    san = (word[number.end() :] if number else word).rstrip("!?")
    if san and san != "e.p.":
        score.play(san)


def code_of(board: chess.Board, move: chess.Move) -> int:
    """The move's code; the board castles by a king's two steps, the code by taking the rook."""
    if board.is_castling(move):
        corner = 7 if move.to_square > move.from_square else 0
        move = chess.Move(move.from_square, move.from_square & 56 | corner)
    return move_code(move)
