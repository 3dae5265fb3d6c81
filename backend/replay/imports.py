"""Games, puzzles and tasks of others into shards, in bounded memory, each of them once.

    file -> candidates (`candidates.py`) -> known already? -> learned or held out -> shards

What is there already, from this import or an earlier one, is passed over. With each shard it is
noted up to where nothing is missing (`import.json`), so an import that was killed goes on there
when it is started again, and ends with the very same files.
"""

import hashlib
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from backend.commit import sweep
from backend.limits_config import LIMITS, LimitsConfig
from backend.replay.candidates import (
    NO_FILTERS,
    Asked,
    Candidate,
    Filters,
    Refusal,
    ResultError,
    epd_candidates,
    pgn_candidates,
    puzzle_candidates,
)
from backend.replay.collecting import Collector
from backend.replay.gamereader import Place
from backend.replay.importmark import ImportMark, Reject, read_mark, remove_mark, write_mark
from backend.replay.knowngames import KnownGames, game_hash, is_held_out, task_hash
from backend.replay.pgn import STANDARD_INPUT, open_pgn
from backend.replay.provenance import Source, SourceKind
from backend.replay.rejects import MAX_REJECTS, in_one_line, write_rejects
from backend.replay.shards import WrittenShard, list_shards, read_shard
from backend.text import clean
from model.config import Orientation

LEARNED: Final = "train-"
"""Prefix of shards to learn from; the kind of their sources follows."""
HELD_OUT: Final = "val-"
"""Prefix of shards that are only ever measured on."""
REPORT: Final = "rejects.tsv"
"""In the directory of the shards: what the last import refused, and why."""
SHARD_POSITIONS: Final = 16_384
"""A shard is written when it holds so many; about 4 MB, and as much while it is collected."""

_TOO_MANY: Final = (
    "it and what follows are left out: [limits] games = {limits.games}, "
    "positions = {limits.positions}"
)
_READERS: Final = {
    "pgn": pgn_candidates,
    "puzzles": puzzle_candidates,
    "epd": epd_candidates,
}


@dataclass(kw_only=True)
class ImportTally:
    """How far an import has come; what it hands back at the end."""

    file: str = ""
    share_read: float | None = None
    """Of this file, 0 to 1; None where nobody knows its length."""
    games: int = 0
    """Taken in, held-out ones included; puzzles and tasks count as games."""
    positions: int = 0
    """With a policy to learn; held-out ones included."""
    held_out_games: int = 0
    held_out_positions: int = 0
    duplicates: int = 0
    """Games that were there already."""
    filtered: int = 0
    """Games that were not asked for: too weak, too short, nothing to learn from."""
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    """The first MAX_REJECTS of them."""
    is_stopped: bool = False
    """Whether it was asked to stop before the end."""
    went_on_at: int = 0
    """Games, or lines, that an import which was interrupted had dealt with; 0: none was."""


def import_pgn(
    files: Sequence[str],
    directory: Path,
    orientation: Orientation,
    *,
    kind: SourceKind = "pgn",
    limits: LimitsConfig = LIMITS,
    filters: Filters = NO_FILTERS,
    on_progress: Callable[[ImportTally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ImportTally:
    """Write what is in `files` (`-` is standard input) as shards into `directory`; puzzles or tasks
    if `kind` says so.

    `on_progress` is called after each game with the tally so far; do not keep it. ReplayError, with
    nothing done, when a file cannot be opened or a shard that is there is damaged.
    """
    sources = []
    for name in files:
        if name != STANDARD_INPUT:
            with open_pgn(name, limits):
                pass
        sources.append(Source(name=_shown(name), kind=kind, sha256=_sha256(name)))
    sweep(directory)
    work = _Import(directory, orientation, kind, limits, filters, sources)
    return work.run(files, on_progress, should_stop)


def known_games(directory: Path) -> KnownGames:
    """All games in the directory's imported shards. ReplayError names a damaged one."""
    known = KnownGames()
    for prefix in (LEARNED, HELD_OUT):
        for path in list_shards(directory, prefix):
            shard = read_shard(path)
            is_task = np.array([source.kind == "epd" for source in shard.metadata.sources])
            for number, start in enumerate(shard.columns["game_start"]):
                if is_task[shard.columns["game_source"][number]]:
                    known.add(task_hash(start))
                else:
                    known.add(game_hash(start, shard.moves(number)))
    return known


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a game stands: in which file, and where in it."""

    file: int
    place: Place


class _Import:
    def __init__(
        self,
        directory: Path,
        orientation: Orientation,
        kind: SourceKind,
        limits: LimitsConfig,
        filters: Filters,
        sources: list[Source],
    ) -> None:
        self._directory = directory
        self._orientation: Orientation = orientation
        self._kind = kind
        self._limits = limits
        self._filters = filters
        self._sources = sources
        self._known = known_games(directory)
        self._collectors = {
            side: Collector(directory, side, kind, orientation, SHARD_POSITIONS, self._note_shard)
            for side in (LEARNED, HELD_OUT)
        }
        self._first_pending: dict[str, _Position] = {}
        self._here: tuple[int, Candidate | Refusal] | None = None
        self._shards: list[str] = []
        self._tally = ImportTally()
        self._asked = f"{kind} {orientation} {filters}"
        self._mark = read_mark(directory, self._asked)
        if self._mark is not None:
            self._shards = list(self._mark.shards)

    def run(
        self,
        files: Sequence[str],
        on_progress: Callable[[ImportTally], None],
        should_stop: Callable[[], bool],
    ) -> ImportTally:
        tally = self._tally
        num_seen = 0
        for file_number, name in enumerate(files):
            place = self._place_in(file_number)
            if place is None:
                continue
            with open_pgn(name, self._limits) as file:
                tally.file = file.name
                asked = Asked(
                    source=self._sources[file_number],
                    limits=self._limits,
                    orientation=self._orientation,
                    filters=self._filters,
                    place=place,
                )
                for found in _READERS[self._kind](file, asked):
                    self._here = file_number, found
                    if should_stop():
                        tally.is_stopped = True
                        break
                    num_seen += 1
                    if num_seen > self._limits.games or tally.positions >= self._limits.positions:
                        self._reject(_TOO_MANY.format(limits=self._limits))
                        break
                    self._take(found)
                    tally.share_read = file.share_read()
                    on_progress(tally)
            if tally.is_stopped:
                break
        for side in self._collectors:
            self._flush(side)
        if tally.rejects:
            rows = [(reject.file, reject.number, reject.reason) for reject in tally.rejects]
            write_rejects(self._directory / REPORT, ("file", "game", "reason"), rows)
        if tally.is_stopped:
            self._note()
        else:
            remove_mark(self._directory)
        return tally

    def _place_in(self, file_number: int) -> Place | None:
        """Where to begin in this file; None when an interrupted import had done with it."""
        sha256 = self._sources[file_number].sha256
        if self._mark is None or not sha256:
            return Place()
        if sha256 in self._mark.done:
            return None
        if sha256 != self._mark.sha256:
            return Place()
        mark, self._mark = self._mark, None
        self._tally.rejects = list(mark.rejects)
        self._tally.rejected = mark.rejected
        self._tally.went_on_at = mark.number
        return Place(mark.number, mark.offset)

    def _take(self, found: Candidate | Refusal) -> None:
        tally = self._tally
        if isinstance(found, Refusal):
            self._reject(found.reason)
            return
        if found.lesson is None:
            tally.filtered += 1
            return
        if found.digest in self._known:
            tally.duplicates += 1
            return
        try:
            lesson = found.lesson()
        except ResultError as error:
            self._reject(str(error))
            return
        self._known.add(found.digest)
        side = HELD_OUT if is_held_out(found.digest) else LEARNED
        collector = self._collectors[side]
        if collector.is_empty:
            self._first_pending[side] = self._position()
        num_positions = collector.add(lesson, found.play)
        tally.games += 1
        tally.positions += num_positions
        if side == HELD_OUT:
            tally.held_out_games += 1
            tally.held_out_positions += num_positions
        if collector.is_full:
            self._flush(side)
            self._note()

    def _flush(self, side: str) -> None:
        self._collectors[side].flush()
        self._first_pending.pop(side, None)

    def _note_shard(self, shard: WrittenShard) -> None:
        self._shards.append(shard.name)

    def _position(self) -> _Position:
        """Where the game stands that is being taken."""
        if self._here is None:
            return _Position(0, Place())
        file_number, found = self._here
        return _Position(file_number, Place(found.number - 1, found.offset))

    def _note(self) -> None:
        """Everything before the first game that is in no shard need not be read again."""
        first = min(self._first_pending.values(), key=_order, default=self._position())
        before = [r for r in self._tally.rejects if (r.file_number, r.number) < _order(first)]
        write_mark(
            self._directory,
            ImportMark(
                asked=self._asked,
                done=[source.sha256 for source in self._sources[: first.file]],
                sha256=self._sources[first.file].sha256,
                number=first.place.number,
                offset=first.place.offset,
                shards=self._shards,
                rejected=self._tally.rejected - len(self._tally.rejects) + len(before),
                rejects=before,
            ),
        )

    def _reject(self, reason: str) -> None:
        here = self._position()
        self._tally.rejected += 1
        if len(self._tally.rejects) < MAX_REJECTS:
            self._tally.rejects.append(
                Reject(
                    file=clean(self._tally.file),
                    number=here.place.number + 1,
                    reason=in_one_line(reason),
                    file_number=here.file,
                )
            )


def _order(position: _Position) -> tuple[int, int]:
    return position.file, position.place.number + 1


def _shown(name: str) -> str:
    return "standard input" if name == STANDARD_INPUT else clean(Path(name).name, 200)


def _sha256(name: str) -> str:
    """Of a file as it lies on disk; empty for what is no file."""
    if name == STANDARD_INPUT or not stat.S_ISREG(Path(name).stat().st_mode):
        return ""
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
