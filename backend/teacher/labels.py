"""What a teacher has said: shards of it, and what is not yet in one.

    imported/train-teacher-…     positions to learn from
    imported/val-teacher-…       those of games, or alone, that are held out for good
    imported/labels-<crc>.jsonl  answers that are in no shard yet, one checked line each

An answer counts once it is a line on disk; when the games it belongs to are a shard, the file is
begun anew with what is still open. Whatever is killed in between, no position is in two shards.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from backend.checkedlines import CheckedLines
from backend.replay.provenance import Source, Teacher
from backend.replay.records import GameRecord
from backend.replay.shards import (
    ShardWriter,
    build_columns,
    list_shards,
    read_metadata,
    read_shard,
)
from backend.teacher.scoring import Line
from model.config import Orientation
from model.rules import zobrist

KIND: Final = "teacher"
LEARNED: Final = f"train-{KIND}"
HELD_OUT: Final = f"val-{KIND}"
SHARD_POSITIONS: Final = 16_384
"""A shard is written when it holds so many."""
_FEW: Final = 4096
"""New keys are kept in a set until there are so many; a sorted array holds them in 8 bytes."""


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    key: int
    lines: tuple[Line, ...]


_decoder: msgspec.json.Decoder[_Answer] = msgspec.json.Decoder(_Answer)


def source_of(teacher: Teacher) -> Source:
    """The source that labelled positions name."""
    return Source(name=f"{teacher.engine} {teacher.limit}", kind=KIND, teacher=teacher)


def key_of(position: NDArray[np.uint64]) -> int:
    """Equal for equal positions, clocks and earlier repetitions apart."""
    return int(zobrist(position))


class KnownPositions:
    """Keys of positions, 8 bytes each."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.uint64)
        self._new: set[int] = set()

    def add(self, key: int) -> None:
        self._new.add(key)
        if len(self._new) >= _FEW + len(self._sorted) // 16:
            fresh = np.fromiter(self._new, np.uint64, len(self._new))
            self._sorted = np.union1d(self._sorted, fresh)
            self._new.clear()

    def __contains__(self, key: int) -> bool:
        if key in self._new:
            return True
        at = int(np.searchsorted(self._sorted, np.uint64(key)))
        return at < len(self._sorted) and int(self._sorted[at]) == key


class Labels:
    """The labels of one teacher in one directory, of which there is one writer."""

    def __init__(self, directory: Path, teacher: Teacher, orientation: Orientation) -> None:
        """ReplayError names a damaged shard."""
        self._source = source_of(teacher)
        self.known = KnownPositions()
        """In a shard, or asked about since the start."""
        for path in (
            path for prefix in (LEARNED, HELD_OUT) for path in list_shards(directory, prefix)
        ):
            if self._source in read_metadata(path).sources:
                for position in read_shard(path).columns["positions"]:
                    self.known.add(key_of(position))
        self._writers = {
            prefix: ShardWriter(directory, prefix, producer=KIND, orientation=orientation)
            for prefix in (LEARNED, HELD_OUT)
        }
        self._games: dict[str, list[tuple[GameRecord, Sequence[str]]]] = {
            LEARNED: [],
            HELD_OUT: [],
        }
        self._positions = 0
        self._identity = msgspec.json.encode(teacher).decode()
        self._path = directory / f"labels-{zlib.crc32(self._identity.encode()):08x}.jsonl"
        self._lines = CheckedLines(self._path, self._identity)
        self.answers: dict[int, tuple[Line, ...]] = {}
        """In no shard yet, by key."""
        for said in self._lines.found:
            answer = _decoder.decode(said)
            if answer.key not in self.known:
                self.answers[answer.key] = answer.lines
        self._lines.found.clear()

    def heard(self, answers: dict[int, tuple[Line, ...]]) -> None:
        """Keeps answers; they are on disk when this returns."""
        self._lines.append(
            msgspec.json.encode(_Answer(key, lines)) for key, lines in answers.items()
        )
        self.answers |= answers

    def add(self, game: GameRecord, themes: Sequence[str], *, is_held_out: bool) -> None:
        """A game whose positions are labelled; its themes by name."""
        prefix = HELD_OUT if is_held_out else LEARNED
        self._games[prefix].append((game, themes))
        self._positions += len(game.samples)
        if self._positions >= SHARD_POSITIONS:
            self.flush()

    def flush(self) -> None:
        """Write what was added as shards, then forget the answers they were made of."""
        for prefix, games in self._games.items():
            if games:
                self._write(self._writers[prefix], games)
            for game, _ in games:
                for sample in game.samples:
                    self.answers.pop(key_of(sample.position), None)
            games.clear()
        self._positions = 0
        self._lines.begin_anew(
            msgspec.json.encode(_Answer(key, lines)) for key, lines in self.answers.items()
        )

    def close(self) -> None:
        """The file of answers goes when none is left that is in no shard."""
        self._lines.close()
        if not self.answers:
            self._lines.remove()

    def _write(
        self, writer: ShardWriter, games: Sequence[tuple[GameRecord, Sequence[str]]]
    ) -> None:
        names = {name: n for n, name in enumerate(dict.fromkeys(t for _, ts in games for t in ts))}
        numbered = [replace(game, themes=sorted(names[t] for t in ts)) for game, ts in games]
        writer.write_columns(
            build_columns(numbered), sources=(self._source,), themes=tuple(names), created=0.0
        )
