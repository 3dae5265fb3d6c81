"""Test suites in EPD: best moves, moves to avoid, and points for moves.

… bm Nxd5; id "WAC.003";                      the move is right or wrong
… am Qxb2; id "BK.07";                        any other is right
… bm f5; c0 "f5=10, Be5+=2, Bf2=3";           points of the strategic test suite, 10 the most
                                              (100 in newer versions)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess

from backend.errors import ReplayError
from backend.limits_config import LIMITS, LimitsConfig
from backend.replay.source import DAMAGE, decompressed

MAX_BYTES: Final = 64 << 20
_POINTS: Final = re.compile(r"([^\s,=]+(?:=[QRBN])?[+#]?)\s*=\s*(\d{1,5})")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class EpdFault:
    """A line that is no task, and why."""

    line: int
    reason: str


def read_epd(path: Path, limits: LimitsConfig = LIMITS) -> Iterator[Task | EpdFault]:
    """Every line of a suite; empty ones and those with # are passed over. ReplayError when it
    cannot be read."""
    try:
        with path.open("rb") as raw:
            content = decompressed(raw, limits).read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except (*DAMAGE, UnicodeDecodeError) as error:
        raise ReplayError(f"{path}: cannot be read: {error}") from error
    if len(content) > MAX_BYTES:
        raise ReplayError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            yield _task(line, number)
        except ValueError as error:
            yield EpdFault(line=number, reason=str(error)[:200])


def _task(line: str, number: int) -> Task:
    if line.count('"') % 2:
        raise ValueError("a quote that never closes")
    board, operations = chess.Board.from_epd(line)
    if not board.is_valid():
        raise ValueError(f"no legal position: {board.status()!s}")
    points: dict[chess.Move, float] = {}
    otherwise = 0.0
    scored = operations.get("c0")
    if isinstance(scored, str) and (found := _POINTS.findall(scored)):
        listed = {board.parse_san(san): float(value) for san, value in found}
        most = max(listed.values())
        if most > 0:
            points = {move: value / most for move, value in listed.items()}
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
        board=board,
        points=points,
        otherwise=otherwise,
        theme=theme if dot and rest.isdecimal() else "",
    )


def _moves(value: object) -> list[chess.Move]:
    return (
        [move for move in value if isinstance(move, chess.Move)] if isinstance(value, list) else []
    )
