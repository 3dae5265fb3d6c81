"""What a teacher is asked about: positions of games that are shards already, or of lines of EPD.

shard    a game with the positions of it that are recorded; its end, rating and themes are kept
line     a position alone; the teacher's choice becomes the one move of its game
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.limits_config import LimitsConfig
from backend.replay import records
from backend.replay.boards import position_array, position_words
from backend.replay.knowngames import game_hash, is_held_out, task_hash
from backend.replay.pgn import PgnFile, open_pgn
from backend.replay.shards import Shard, list_shards, read_metadata, read_shard
from backend.replay.source import DAMAGE, MAX_READ, UTF8_MARK, UTF16_MARKS
from backend.rundir import RunDirectory

_FEN_FIELDS: Final = 6
_EPD_FIELDS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A game and the positions of it that are asked about."""

    start: NDArray[np.uint64]
    """uint64[8]."""
    moves: list[int]
    """Every ply; empty for a position alone."""
    positions: NDArray[np.uint64]
    """uint64[P, 8]."""
    plies: list[int]
    """[P]: where in the game they stand."""
    outcome: int = records.TRUNCATED
    result: int = records.NO_RESULT
    origin: int = records.FROM_START
    opening_plies: int = 0
    number: int = 0
    """Game or line of where it is from, from 1; 0 where nobody said."""
    rating: int = 0
    themes: tuple[str, ...] = ()
    is_task: bool = False
    """A position of a suite: its move is the suite's answer, not what was played."""

    def is_held_out(self) -> bool:
        """Whether it is never learned from: as the import of the same game or task decides."""
        if self.is_task or not self.moves:
            return is_held_out(task_hash(self.start))
        return is_held_out(game_hash(self.start, np.array(self.moves, np.uint16)))


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyFault:
    """A line or file that holds no position to ask about, and why."""

    number: int
    reason: str


class Studies(Protocol):
    """Where studies come from."""

    name: str
    """Of the file that is read."""

    def share_read(self) -> float | None:
        """How far it has come, 0 to 1; None where nobody knows the whole."""

    def __iter__(self) -> Iterator[Study | StudyFault]: ...


class ShardStudies:
    """The games of shards, in the order of the files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.name = ""
        self._paths = paths
        self._sizes = [path.stat().st_size for path in paths]
        self._done = 0.0

    def share_read(self) -> float | None:
        return self._done / max(1, sum(self._sizes))

    def __iter__(self) -> Iterator[Study | StudyFault]:
        for path, size in zip(self._paths, self._sizes, strict=True):
            self.name, before = path.name, self._done
            try:
                shard = read_shard(path)
            except ReplayError as error:
                yield StudyFault(number=0, reason=str(error))
            else:
                for game in range(shard.num_games):
                    self._done = before + size * (game + 1) / shard.num_games
                    yield _study(shard, game)
            self._done = before + size


class LineStudies:
    """The positions of an EPD or FEN file, plain, .gz or .zst, or of standard input."""

    def __init__(self, file: PgnFile) -> None:
        self.name = Path(file.name).name
        self.share_read = file.share_read
        self._file = file

    def __iter__(self) -> Iterator[Study | StudyFault]:
        number = 0
        try:
            stream = self._file.stream()
            if stream.peek(2)[:2] in UTF16_MARKS:
                yield StudyFault(number=1, reason="UTF-16 text; save it as UTF-8")
                return
            while line := stream.readline(MAX_READ):
                number += 1
                text = line.removeprefix(UTF8_MARK).decode("utf-8", "replace").strip()
                if text and not text.startswith("#"):
                    yield _of_line(text, number)
        except DAMAGE as error:
            reason = f"the file is damaged from here on: {error}"
            yield StudyFault(number=number + 1, reason=reason)


@contextmanager
def open_lines(name: str, limits: LimitsConfig) -> Iterator[LineStudies]:
    """ReplayError when the file cannot be opened; `-` is standard input."""
    with open_pgn(name, limits) as file:
        yield LineStudies(file)


def shards_of(run: RunDirectory, folder: str) -> list[Path]:
    """The shards of `replay` or `imported` that no teacher has made. ReplayError without any."""
    place = run.replay if folder == "replay" else run.imported
    kinds = {path: read_metadata(path).sources for path in list_shards(place)}
    paths = [path for path, sources in kinds.items() if all(s.teacher is None for s in sources)]
    if not paths:
        raise ReplayError(f"{place}: there are no games to label; name a file of positions")
    return paths


def _study(shard: Shard, game: int) -> Study:
    columns = shard.columns
    first, last = np.searchsorted(columns["game_of_position"], [game, game + 1])
    begin, end = columns["game_theme_offset"][game : game + 2]
    source = shard.metadata.sources[columns["game_source"][game]]
    return Study(
        start=columns["game_start"][game].copy(),
        moves=shard.moves(game).tolist(),
        positions=columns["positions"][first:last].copy(),
        plies=columns["ply"][first:last].tolist(),
        outcome=int(columns["game_outcome"][game]),
        result=int(columns["game_result"][game]),
        origin=int(columns["game_origin"][game]),
        opening_plies=int(columns["game_opening_plies"][game]),
        number=int(columns["game_number"][game]),
        rating=int(columns["game_rating"][game]),
        themes=tuple(shard.metadata.themes[t] for t in columns["game_themes"][begin:end].tolist()),
        is_task=source.kind == "epd",
    )


def _of_line(line: str, number: int) -> Study | StudyFault:
    fields = line.split()
    is_fen = len(fields) >= _FEN_FIELDS and fields[4].isdecimal() and fields[5].isdecimal()
    board = chess.Board(None, chess960=True)
    try:
        board.set_fen(" ".join(fields[: _FEN_FIELDS if is_fen else _EPD_FIELDS]))
    except ValueError as error:
        return StudyFault(number=number, reason=str(error))
    if not board.is_valid():
        return StudyFault(number=number, reason=f"not a legal position: {board.status()!r}")
    if not any(board.generate_legal_moves()):
        return StudyFault(number=number, reason="the game is over: there is no move to choose")
    position = position_array(position_words(board))
    return Study(start=position, moves=[], positions=position[None], plies=[0], number=number)
