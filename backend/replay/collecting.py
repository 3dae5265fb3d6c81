"""Games of others, one after the other, gathered into shards of a good size.

Shapes: P positions to learn from, N their legal moves together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.replay import records
from backend.replay.centipawns import wdl_of_centipawns
from backend.replay.played import NO_EVAL, Play, take_taught
from backend.replay.provenance import Source, SourceKind
from backend.replay.schema import Array, open_targets
from backend.replay.shards import ShardWriter, WrittenShard, offsets_of
from model.config import Orientation
from model.rules import Position

_BLACK: Final = np.uint64(1)

_FIRST_ROWS: Final = 1 << 14

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Lesson:
    """What is said of a game, puzzle or task beside its moves."""

    start: Position
    kind: int
    outcome: int
    result: int
    origin: int = records.FROM_START
    opening_plies: int = 0
    source: Source
    number: int
    """Its place in the source, from 1."""
    rating: int = 0
    themes: Sequence[str] = ()
    prob: NDArray[np.float16] | None = None
    """[N]: of a task's one position; None: the moves that were played."""
    eval_cp: int = NO_EVAL
    """Of the start, as White sees it."""


class Collector:
    """Gathers lessons into shards of one side of the split."""

    def __init__(
        self,
        directory: Path,
        side: str,
        kind: SourceKind,
        orientation: Orientation,
        size: int,
        on_shard: Callable[[WrittenShard], None],
    ) -> None:
        """`side` begins the names of the shards; one is written when it has `size` positions."""
        self._writer = ShardWriter(directory, side + kind, producer=kind, orientation=orientation)
        self._size = size
        self._on_shard = on_shard
        self._rows = _Rows()
        self._lessons: list[Lesson] = []
        self._moves: list[NDArray[np.uint16]] = []
        self._num_positions: list[int] = []

    @property
    def is_empty(self) -> bool:
        return not self._lessons

    @property
    def is_full(self) -> bool:
        return self._rows.num_positions >= self._size

    def add(self, lesson: Lesson, play: Play) -> int:
        """Take in the plies of `play` that are to be learned from; returns how many."""
        count = self._rows.append(play, lesson)
        self._lessons.append(lesson)
        self._moves.append(play.moves[: play.num_plies].copy())
        self._num_positions.append(count)
        return count

    def flush(self) -> None:
        """Write what is there."""
        if not self._lessons:
            return
        sources = _numbered([lesson.source for lesson in self._lessons])
        themes = _numbered([theme for lesson in self._lessons for theme in lesson.themes])
        columns = self._columns(sources, themes)
        written = self._writer.write_columns(
            columns, sources=tuple(sources), themes=tuple(themes), created=0.0
        )
        self._rows.clear()
        self._lessons, self._moves, self._num_positions = [], [], []
        self._on_shard(written)

    def _columns(self, sources: dict[Source, int], themes: dict[str, int]) -> dict[str, Array]:
        lessons = self._lessons
        num_plies = np.array([len(moves) for moves in self._moves], np.int64)
        results = np.array([lesson.result for lesson in lessons], np.int8)
        game = np.repeat(np.arange(len(lessons), dtype=np.int32), self._num_positions)
        rows = self._rows.columns()
        eval_cp = rows.pop("eval_cp")
        ply = rows["ply"]
        is_black = (rows["positions"][:, 7] & _BLACK) != 0
        targets = records.targets_of(results[game], is_black, num_plies[game] - ply)
        return (
            rows
            | open_targets(len(ply))
            | {
                "policy_offset": offsets_of(rows["num_moves"]),
                "root_wdl": _root_wdl(eval_cp, is_black),
                "result_wdl": targets.wdl,
                "has_result": targets.has_result,
                "plies_left": targets.plies_left,
                "kind": np.repeat(
                    np.array([x.kind for x in lessons], np.uint8), self._num_positions
                ),
                "policy_weight": np.ones(len(ply), np.float16),
                "value_weight": np.ones(len(ply), np.float16),
                "game_of_position": game,
                "game_start": np.stack([lesson.start for lesson in lessons]),
                "game_move_offset": offsets_of(num_plies),
                "game_moves": np.concatenate(self._moves),
                "game_result": results,
                "game_outcome": np.array([lesson.outcome for lesson in lessons], np.uint8),
                "game_origin": np.array([lesson.origin for lesson in lessons], np.uint8),
                "game_opening_plies": np.array([x.opening_plies for x in lessons], np.int16),
                "game_source": np.array([sources[lesson.source] for lesson in lessons], np.uint16),
                "game_number": np.array([lesson.number for lesson in lessons], np.int64),
                "game_rating": np.array([lesson.rating for lesson in lessons], np.int16),
                "game_theme_offset": offsets_of(
                    np.array([len(x.themes) for x in lessons], np.int64)
                ),
                "game_themes": np.array([themes[t] for x in lessons for t in x.themes], np.uint16),
            }
        )


class _Rows:
    """The columns of positions as they grow: allocated once, doubled when they are full."""

    def __init__(self) -> None:
        self.num_positions = 0
        self._num_index = 0
        self._by_position: dict[str, Array] = {
            "positions": np.empty((_FIRST_ROWS, 8), np.uint64),
            "num_moves": np.empty(_FIRST_ROWS, np.int16),
            "ply": np.empty(_FIRST_ROWS, np.int16),
            "eval_cp": np.empty(_FIRST_ROWS, np.int32),
        }
        self._by_index: dict[str, Array] = {
            "policy_index": np.empty(_FIRST_ROWS * 32, np.int16),
            "policy_prob": np.empty(_FIRST_ROWS * 32, np.float16),
        }

    def append(self, play: Play, lesson: Lesson) -> int:
        first, first_index = self.num_positions, self._num_index
        _make_room(self._by_position, "ply", first + len(play.moves))
        _make_room(self._by_index, "policy_index", first_index + play.num_index)
        prob = self._by_index["policy_prob"]
        self.num_positions, self._num_index = take_taught(
            play,
            lesson.eval_cp,
            first,
            first_index,
            self._by_position["positions"],
            self._by_position["num_moves"],
            self._by_position["ply"],
            self._by_position["eval_cp"],
            self._by_index["policy_index"],
            prob,
        )
        if lesson.prob is not None:
            prob[first_index : self._num_index] = lesson.prob
        return self.num_positions - first

    def columns(self) -> dict[str, Array]:
        """What is there, until the next is appended."""
        return {name: rows[: self.num_positions] for name, rows in self._by_position.items()} | {
            name: rows[: self._num_index] for name, rows in self._by_index.items()
        }

    def clear(self) -> None:
        self.num_positions = self._num_index = 0


def _make_room(columns: dict[str, Array], one: str, length: int) -> None:
    """Double all, which are as long as `one` of them, until `length` rows fit in."""
    while length > len(columns[one]):
        for name, rows in columns.items():
            columns[name] = np.concatenate([rows, np.empty_like(rows)])


def _numbered(names: Sequence[T]) -> dict[T, int]:
    """Each once, in the order in which they come."""
    return {name: number for number, name in enumerate(dict.fromkeys(names))}


def _root_wdl(eval_cp: NDArray[np.int32], is_black: NDArray[np.bool_]) -> NDArray[np.float32]:
    """float32[P, 3] for the movers; NaN where nobody said."""
    wdl = np.full((len(eval_cp), 3), np.nan, np.float32)
    said = eval_cp != NO_EVAL
    if said.any():
        mover = np.where(is_black[said], -eval_cp[said], eval_cp[said])
        wdl[said] = wdl_of_centipawns(mover)
    return wdl
