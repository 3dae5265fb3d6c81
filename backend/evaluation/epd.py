"""Test suites in EPD: best moves, moves to avoid, and points for moves.

… bm Nxd5; id "WAC.003";                      the move is right or wrong
… am Qxb2; id "BK.07";                        any other is right
… bm f5; c0 "f5=10, Be5+=2, Bf2=3";           points of the strategic test suite, 10 the most
                                              (100 in newer versions)
… c7 "f5 Be5+" c8 "10 2"; c9 "f4f5 d4e5";      the same again: moves, their points, moves in UCI
… ce 35; … dm 3;                              what the position is worth to the mover
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess

from backend.errors import ReplayError
from backend.limits_config import LIMITS, LimitsConfig
from backend.replay.source import (
    DAMAGE,
    MAX_READ,
    UTF8_MARK,
    UTF16_MARKS,
    decompressed,
    lines_of,
)

_POINTS: Final = re.compile(r"([^\s,=]+(?:=[QRBN])?[+#]?)\s*=\s*(\d{1,5})")

_NUMBER: Final = re.compile(r"[0-9]{1,5}")
FIFTY_MOVES: Final = 100
"""Plies without a capture or pawn move, after which a game is drawn."""
MOST_CP: Final = 1 << 20
"""A mate, in centipawns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A position and what a move there is worth."""

    name: str
    board: chess.Board
    points: dict[chess.Move, float]
    """0 to 1 for each move; what is not listed has `otherwise`."""
    otherwise: float
    theme: str
    """The suite's own part, as in STS(v1.0) Undermine.001; empty if it has none."""
    value_cp: int | None = None
    """Of `ce`, or of a mate by `dm`, as the mover sees it; None where the suite does not say."""
    line: int = 0
    """From 1; 0 of a task from no file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EpdFault:
    """A line that is no task, and why."""

    line: int
    reason: str


def read_epd(path: Path, limits: LimitsConfig = LIMITS) -> Iterator[Task | EpdFault]:
    """Every line of a suite, in bounded memory; empty ones and those with # are passed over.

    ReplayError when it cannot be opened or is no text; damage further on is a fault, the last.
    """
    try:
        with path.open("rb") as raw:
            yield from tasks_of(str(path), decompressed(raw, limits))
    except DAMAGE as error:
        raise ReplayError(f"{path}: cannot be read: {error}") from error


def tasks_of(
    path: str, stream: io.BufferedReader, *, passed_over: int = 0
) -> Iterator[Task | EpdFault]:
    """The same of an open file; so many lines are passed over without being looked at."""
    number = 0
    try:
        for number, content, is_too_long in lines_of(stream):
            if number == 1 and content.startswith(UTF16_MARKS):
                raise ReplayError(f"{path}: UTF-16 text; save it as UTF-8")
            if number <= passed_over:
                continue
            if is_too_long:
                yield EpdFault(line=number, reason=f"longer than {MAX_READ} bytes")
            elif (found := _line(content.removeprefix(UTF8_MARK), number)) is not None:
                yield found
    except DAMAGE as error:
        if not number:
            raise ReplayError(f"{path}: cannot be read: {error}") from error
        yield EpdFault(line=number + 1, reason=f"the file is damaged from here on: {error}")


def _line(content: bytes, number: int) -> Task | EpdFault | None:
    """None where there is nothing, or a remark."""
    try:
        line = content.decode("utf-8").strip()
        return None if not line or line.startswith("#") else _task(line, number)
    except UnicodeDecodeError:
        return EpdFault(line=number, reason="not UTF-8")
    except ValueError as error:
        return EpdFault(line=number, reason=str(error)[:200])


def _task(line: str, number: int) -> Task:
    if line.count('"') % 2:
        raise ValueError("a quote that never closes")
    board, operations = chess.Board.from_epd(line)
    if not board.is_valid():
        raise ValueError(f"no legal position: {board.status()!s}")
    if board.is_insufficient_material() or board.halfmove_clock >= FIFTY_MOVES:
        raise ValueError("the game is drawn there: no move is asked for")
    points, otherwise = _points(board, operations), 0.0
    if not points:
        best, avoid = _moves(operations.get("bm")), _moves(operations.get("am"))
        if best:
            points = dict.fromkeys(best, 1.0)
        elif avoid:
            points, otherwise = dict.fromkeys(avoid, 0.0), 1.0
        else:
            raise ValueError("neither bm nor am nor points for moves")
    for move in points:
        if not board.is_legal(move):
            raise ValueError(f"{move.uci()} is not legal")
    name = operations.get("id")
    name = name if isinstance(name, str) and name else f"line {number}"
    theme, dot, rest = name.rpartition(".")
    return Task(
        name=name,
        line=number,
        board=board,
        points=points,
        otherwise=otherwise,
        theme=theme if dot and rest.isdecimal() else "",
        value_cp=_value_cp(operations),
    )


def _points(board: chess.Board, operations: Mapping[str, object]) -> dict[chess.Move, float]:
    """0 to 1 for each move that has points in `c0`, or in `c8` for those of `c9` or `c7`."""
    listed: dict[chess.Move, float] = {}
    scored, points = operations.get("c0"), operations.get("c8")
    if isinstance(scored, str) and (found := _POINTS.findall(scored)):
        listed = {board.parse_san(san): float(value) for san, value in found}
    elif isinstance(points, str):
        numbers = [float(word) for word in points.split() if _NUMBER.fullmatch(word)]
        for opcode, parse in (("c9", board.parse_uci), ("c7", board.parse_san)):
            moves = operations.get(opcode)
            if isinstance(moves, str) and len(moves.split()) == len(numbers) and not listed:
                listed = dict(zip(map(parse, moves.split()), numbers, strict=True))
    most = max(listed.values(), default=0)
    return {move: value / most for move, value in listed.items()} if most > 0 else {}


def _value_cp(operations: Mapping[str, object]) -> int | None:
    """Of `dm` or `ce`, at most MOST_CP either way."""
    mate, value = operations.get("dm"), operations.get("ce")
    if isinstance(mate, int) and mate:
        return MOST_CP if mate > 0 else -MOST_CP
    if isinstance(value, int):
        return max(-MOST_CP + 1, min(MOST_CP - 1, value))
    return None


def _moves(value: object) -> list[chess.Move]:
    return (
        [move for move in value if isinstance(move, chess.Move)] if isinstance(value, list) else []
    )
