"""Puzzles from CSV files as Lichess publishes them (https://database.lichess.org/#puzzles).

    PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags

The position is the one before the opponent's move that sets the puzzle up: the first of the moves
is his, then solver and opponent take turns, and the solver moves last. Columns go by their names; a
row is read whole or reported with its line and a reason.
"""

import csv
import io
import re
from collections.abc import Iterator
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

NEEDED: Final = ("PuzzleId", "FEN", "Moves", "Rating")
MAX_RATING: Final = 4000
MAX_MOVES: Final = 100
_RATING: Final = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Puzzle:
    """One puzzle; every move of it was found legal."""

    name: str
    board: chess.Board
    """With the opponent's move made, and on its stack: the solver is to move."""
    solution: tuple[chess.Move, ...]
    """From here on, the solver's moves first and last."""
    rating: int
    themes: tuple[str, ...]
    line: int = 0
    """From 1, the header included; 0 of a puzzle from no file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PuzzleFault:
    """A row that is none, and why. Lines count from 1."""

    line: int
    reason: str


def read_puzzles(path: Path, limits: LimitsConfig = LIMITS) -> Iterator[Puzzle | PuzzleFault]:
    """Every row of a CSV file, plain, .gz or .zst.

    ReplayError when it cannot be opened or is no such file; damage further on is a fault, the last.
    """
    try:
        with path.open("rb") as raw:
            yield from puzzles_of(str(path), decompressed(raw, limits), limits.puzzles)
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error


def puzzles_of(
    path: str, stream: io.BufferedReader, most: int, *, passed_over: int = 0
) -> Iterator[Puzzle | PuzzleFault]:
    """The same of an open file; so many lines are passed over without being looked at."""
    try:
        header = stream.readline(MAX_READ)
    except DAMAGE as error:
        raise ReplayError(f"{path}: damaged: {error}") from error
    columns = _columns(path, header)
    number = 1
    try:
        for number, line, is_too_long in lines_of(stream, first=2):
            if number > most + 1:
                yield PuzzleFault(line=number, reason=f"what follows {most} rows is left out")
                return
            if number <= passed_over:
                continue
            if is_too_long:
                yield PuzzleFault(line=number, reason=f"longer than {MAX_READ} bytes")
            elif line.strip():
                yield _puzzle(line, number, columns)
    except DAMAGE as error:
        yield PuzzleFault(line=number + 1, reason=f"the file is damaged from here on: {error}")


def _columns(path: str, header: bytes) -> list[str]:
    if header.startswith(UTF16_MARKS):
        raise ReplayError(f"{path}: UTF-16 text; save it as UTF-8")
    try:
        columns = _fields(header.removeprefix(UTF8_MARK))
    except ValueError as error:
        raise ReplayError(f"{path}: the first line is no header: {error}") from error
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise ReplayError(f"{path}: its first line has no column {', '.join(missing)}")
    if len(set(columns)) != len(columns):
        raise ReplayError(f"{path}: its first line has a column twice")
    return columns


def _fields(line: bytes) -> list[str]:
    """ValueError when the line is no row of CSV."""
    if b"\0" in line:
        raise ValueError("NUL byte")
    try:
        rows = list(csv.reader([line.decode("utf-8").rstrip("\r\n")], strict=True))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return rows[0] if rows else []


def _puzzle(line: bytes, number: int, columns: list[str]) -> Puzzle | PuzzleFault:
    try:
        fields = _fields(line)
        if len(fields) != len(columns):
            raise ValueError(f"{len(fields)} fields, the header has {len(columns)}")
        row = dict(zip(columns, fields, strict=True))
        board, solution = _moves(row["FEN"], row["Moves"])
        if not _RATING.fullmatch(row["Rating"]) or int(row["Rating"]) > MAX_RATING:
            raise ValueError(f"rating {row['Rating'][:20]!r} is no whole number up to {MAX_RATING}")
        if not row["PuzzleId"]:
            raise ValueError("it has no id")
    except ValueError as error:
        return PuzzleFault(line=number, reason=str(error)[:200])
    return Puzzle(
        name=row["PuzzleId"],
        line=number,
        board=board,
        solution=solution,
        rating=int(row["Rating"]),
        themes=tuple(row.get("Themes", "").split()),
    )


def _moves(fen: str, moves: str) -> tuple[chess.Board, tuple[chess.Move, ...]]:
    """The board after the setting up, and the solution. ValueError for what is no puzzle."""
    words = moves.split()
    if not 2 <= len(words) <= MAX_MOVES or len(words) % 2:
        raise ValueError(f"{len(words)} moves; the opponent's and an odd number more are needed")
    board = chess.Board(fen)
    if not board.is_valid():
        raise ValueError(f"no legal position: {board.status()!s}")
    start = board.copy(stack=False)
    for ply, uci in enumerate(words):
        move = board.parse_uci(uci)
        if not move:
            raise ValueError("a null move")
        board.push(move)
        if ply % 2 == 0 and (board.is_insufficient_material() or board.halfmove_clock >= 100):
            raise ValueError("the game is drawn before the solver moves")
        if ply == 0:
            start = board.copy()
    return start, tuple(board.move_stack[1:])
