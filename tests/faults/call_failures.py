"""Every system call of every way to write, failing once or from then on, or writing little.

For n = 1 until no call is left: the n-th fails. What had been acknowledged must be there, what was
refused must be refused with an error of ours, no temporary file may stay, the same write must
succeed once the disk works again, and no file whose fsync failed may be fsynced again.
"""

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from backend import checkpoints
from backend.commit import commit_file, is_temporary
from backend.errors import CheckpointError, Matrix0Error
from backend.filesystem import OsFileSystem
from backend.gamefile import GameFile
from backend.replay.shards import list_shards, read_shard, write_shard
from backend.rundir import RunDirectory
from backend.store.journal import Journal, read_journal
from tests.backend.fakes.worker import random_game
from tests.backend.test_cycle import decided
from tests.faults.power_cuts import IN_MEMORY
from tests.faults.workload import CONFIG

KINDS: Final = ("no space", "input/output error", "short write")
FACTS: Final = tuple(decided(f"step-{number:08d}", number) for number in range(1, 4))
OLD, NEW = b"old " * 300, b"new " * 400


class Flawed(OsFileSystem):
    """Fails at the n-th call, or from it on; writes at most 700 bytes a call."""

    def __init__(self, kind: str, fail_at: int = 0, *, for_good: bool = False) -> None:
        self.calls = 0
        self.failed = False
        self.is_mended = False
        self.synced_again = 0
        self._kind = kind
        self._fail_at = fail_at
        self._for_good = for_good
        self._void: list[int] = []
        """Files whose fsync failed, kept open so that nothing takes their inode."""

    def _call(self) -> bool:
        """Counts; raises when it is the turn of a failure, True when the write is to be short."""
        self.calls += 1
        is_turn = self.calls == self._fail_at or (self._for_good and self.calls > self._fail_at > 0)
        if self.is_mended or not is_turn:
            return False
        self.failed = True
        if self._kind == "short write":
            return True
        code = errno.ENOSPC if self._kind == "no space" else errno.EIO
        raise OSError(code, os.strerror(code))

    def create(self, path: Path) -> int:
        self._call()
        return super().create(path)

    def open(self, path: Path) -> int:
        self._call()
        return super().open(path)

    def write(self, fd: int, data: memoryview) -> int:
        return super().write(fd, data[: 1 if self._call() else 700])

    def write_at(self, fd: int, data: memoryview, offset: int) -> int:
        return super().write_at(fd, data[: 1 if self._call() else 700], offset)

    def truncate(self, fd: int, length: int) -> None:
        self._call()
        super().truncate(fd, length)

    def sync(self, fd: int) -> None:
        self.synced_again += any(os.path.sameopenfile(fd, void) for void in self._void)
        try:
            self._call()
        except OSError:
            self._void.append(os.dup(fd))
            raise

    def close(self, fd: int) -> None:
        super().close(fd)  # The descriptor is gone even when close reports an error.
        self._call()

    def make_directory(self, path: Path) -> None:
        self._call()
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        self._call()

    def rename(self, old: Path, new: Path) -> None:
        self._call()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._call()
        super().remove(path)

    def forget(self) -> None:
        for fd in self._void:
            os.close(fd)


class Way:
    """One way to write: `prepare` with a sound disk, then `write`; `read` says what is there."""

    name = ""

    def __init__(self, place: Path, fs: Flawed) -> None:
        self.place = place
        self.fs = fs

    def prepare(self) -> None: ...
    def write(self) -> None: ...
    def read(self) -> object: ...
    def close(self) -> None: ...

    old: object = None
    new: object = None


class File(Way):
    name = "a file that is replaced"
    old, new = OLD, NEW

    def prepare(self) -> None:
        commit_file(self.place / "file", OLD)

    def write(self) -> None:
        commit_file(self.place / "file", NEW, fs=self.fs)

    def read(self) -> object:
        return (self.place / "file").read_bytes()


class Checkpoint(Way):
    name = "a checkpoint"
    old, new = ["step-00000001"], ["step-00000001", "step-00000002"]

    def prepare(self) -> None:
        self._save(1, OsFileSystem())

    def write(self) -> None:
        if self.read() != self.new:
            self._save(2, self.fs)

    def _save(self, step: int, fs: OsFileSystem) -> None:
        arrays = {"weights": np.full(300, step, np.float32)}
        checkpoints.save(
            self.place,
            step=step,
            model=CONFIG.model,
            parts={"model": arrays, "ema": arrays, "optimizer": arrays},
            fs=fs,
        )

    def read(self) -> object:
        names = checkpoints.list_checkpoints(self.place)
        try:
            for name in names:
                checkpoints.verify(self.place / name)
        except CheckpointError as error:
            return str(error)
        return names


class Shard(Way):
    name = "a shard"
    old, new = [0], [0, 1]

    def prepare(self) -> None:
        self._write(0, OsFileSystem())

    def write(self) -> None:
        self._write(1, self.fs)

    def _write(self, seq: int, fs: OsFileSystem) -> None:
        games = [random_game(Random(seq))]
        # The same bytes at each try would need the same time in it; names differ, numbers do not.
        write_shard(
            self.place, "sp", seq, games, producer="", network="", orientation="white", fs=fs
        )

    def read(self) -> object:
        for path in list_shards(self.place):
            read_shard(path)
        return sorted({int(path.name.split("-")[1]) for path in list_shards(self.place)})


class JournalWay(Way):
    name = "the journal"
    old, new = FACTS[:1], FACTS[:2]

    def prepare(self) -> None:
        journal = Journal(self.place / "journal.jsonl")
        journal.append([(1.0, FACTS[0])])
        journal.close()
        self._journal: Journal | None = None

    def write(self) -> None:
        if self._journal is None:
            self._journal = Journal(self.place / "journal.jsonl", fs=self.fs)
        self._journal.append([(2.0, FACTS[1])])

    def read(self) -> object:
        reading = read_journal(self.place / "journal.jsonl")
        return reading.damaged or tuple(entry.fact for entry in reading.entries)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


class Games(Way):
    name = "the games"
    old, new = OLD, OLD + NEW

    def prepare(self) -> None:
        self._file = GameFile(self.place / "games.pgn", fs=self.fs)
        self._vouched = GameFile(self.place / "games.pgn").append(OLD.decode(), 0)

    def write(self) -> None:
        self._vouched = self._file.append(NEW.decode(), self._vouched)

    def read(self) -> object:
        return (self.place / "games.pgn").read_bytes()[: self._vouched]


class NewRun(Way):
    name = "a new run"
    old, new = False, True

    def write(self) -> None:
        run = RunDirectory(self.place / "runs" / "run")
        run.create(fs=self.fs)
        run.settle(CONFIG, fs=self.fs)

    def read(self) -> object:
        run = RunDirectory(self.place / "runs" / "run")
        return run.exists and run.read_config() == CONFIG


WAYS: Final[tuple[type[Way], ...]] = (File, Checkpoint, Shard, JournalWay, Games, NewRun)


@dataclass
class Failures:
    """What came of them."""

    tried: int = 0
    violations: list[str] = field(default_factory=list)


def fail_each(ways: tuple[type[Way], ...] = WAYS) -> Failures:
    """Lets every call of every way fail in every manner."""
    found = Failures()
    for way in ways:
        for kind in KINDS:
            for for_good in (False, True):
                number = 1
                while _fail(way, kind, number, for_good, found):
                    number += 1
    return found


def _fail(way: type[Way], kind: str, number: int, for_good: bool, found: Failures) -> bool:
    """False when there was no such call."""
    fs = Flawed(kind, number, for_good=for_good)
    with tempfile.TemporaryDirectory(prefix="call-fails-", dir=IN_MEMORY) as name:
        writing = way(Path(name), fs)
        writing.prepare()
        try:
            faults = _try(writing, fs)
        finally:
            writing.close()
            fs.forget()
    if not fs.failed:
        return False
    found.tried += 1
    label = f"{way.name}: {kind} at call {number}{' and after' if for_good else ''}: "
    found.violations += [label + fault for fault in faults]
    return True


def _try(writing: Way, fs: Flawed) -> list[str]:
    faults = []
    refused = _refusal(writing.write, faults)
    seen = writing.read()
    if seen not in ((writing.old, writing.new) if refused else (writing.new,)):
        faults.append(f"left {seen!r}")
    leftovers = [path for path in writing.place.rglob("*") if is_temporary(path)]
    if leftovers and not fs._for_good:
        faults.append(f"left {leftovers}")
    fs.is_mended = True
    if refused and _refusal(writing.write, faults):
        faults.append("was refused again on a sound disk")
    if writing.read() != writing.new:
        faults.append(f"in the end {writing.read()!r}")
    if fs.synced_again:
        faults.append("a file whose fsync had failed was synced again")
    return faults


def _refusal(write: Callable[[], Any], faults: list[str]) -> bool:
    try:
        write()
    except Matrix0Error:
        return True
    except OSError as error:
        faults.append(f"a bare {error!r}")
        return True
    return False
