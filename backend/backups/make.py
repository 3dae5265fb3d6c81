"""Makes a backup of a run that may be at work, without stopping it.

    files that never change  ─►  database (as of one instant)  ─►  journal, PGN  ─►  files again

What the database of the backup says is admitted was a file before it was a row, so the first pass
or the last has it; the journal is copied after the database, so it knows at least as much.
"""

import fcntl
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from backend import checkpoints
from backend.backups.manifest import (
    FILES,
    Manifest,
    StoredFile,
    list_backups,
    read_manifest,
    stamp_of,
    write_manifest,
)
from backend.clock import wall
from backend.commit import Writer, commit_file, make_directory, move, sha256_of, sweep
from backend.errors import BackupError, CheckpointError, Matrix0Error, ReplayError
from backend.filesystem import OS
from backend.replay.shards import hash_in_name
from backend.rundir import RunDirectory
from backend.store.journal import read_journal
from backend.store.snapshot import snapshot

LEAST_KEPT: Final = 3
_CHUNK: Final = 1 << 20
_SETTINGS: Final = ("config.toml", "preset")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A backup that is on disk."""

    path: Path
    """Its manifest."""
    files: int
    new_files: int
    """Of these, those that no earlier backup had."""
    new_bytes: int
    removed: list[str]
    """Manifests of backups that were removed: newer ones are kept."""
    left_out: list[str]
    """Damaged files, each with what is wrong; an earlier backup may have them whole."""


def back_up(
    run: RunDirectory,
    folder: Path,
    *,
    keep: int = LEAST_KEPT,
    clock: Callable[[], float] = wall,
    is_over: Callable[[], bool] = lambda: False,
) -> Made:
    """Backs `run` up into `folder` and removes all but the newest `keep` backups of it there.

    `is_over` is asked before each file whether nobody wants it any more: then it is broken off.
    Into a folder of the run itself files that never change are linked, not copied.
    BackupError when it cannot be made; what was there before stays.
    """
    if keep < LEAST_KEPT:
        raise BackupError(f"keep = {keep}: at least {LEAST_KEPT} backups are kept")
    if not run.exists:
        raise BackupError(f"{run.path}: holds no run")
    try:
        make_directory(folder / FILES)
        with _alone_in(folder):
            return _Making(run, folder, is_over).make(keep, clock())
    except OSError as error:
        raise BackupError(f"{folder}: no backup was made: {error}") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One backup at a time; a second waits."""
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@dataclass
class _Making:
    run: RunDirectory
    folder: Path
    is_over: Callable[[], bool]
    files: dict[str, StoredFile] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    admitted: list[str] = field(default_factory=list)
    """Shards that count, as the copied database says."""
    new_files: int = 0
    new_bytes: int = 0

    def make(self, keep: int, now: float) -> Made:
        for place in (self.folder, self.folder / FILES):
            sweep(place)
        self._add_unchanging()
        games, best = self._add_database()
        self._add_growing()
        self._add_unchanging()
        for name in self.admitted:
            if f"replay/{name}" not in self.files:
                self.left_out.setdefault(f"replay/{name}", "admitted, but the file is gone")
        manifest = Manifest(
            run=self.run.name,
            created=now,
            shards=len(self.admitted),
            games=games,
            best=best,
            files=dict(sorted(self.files.items())),
        )
        path = self._new_name(now)
        write_manifest(path, manifest)
        removed = rotate(self.folder, self.run.name, keep)
        left_out = [f"{name}: {what}" for name, what in sorted(self.left_out.items())]
        return Made(
            path=path,
            files=len(self.files),
            new_files=self.new_files,
            new_bytes=self.new_bytes,
            removed=removed,
            left_out=left_out,
        )

    def _new_name(self, now: float) -> Path:
        """Later than all that are there, also when the clock was put back: order is by name."""
        stamp = (time.strftime("%Y%m%d-%H%M%S", time.localtime(now)), 1)
        own = [p for p in list_backups(self.folder) if p.name.startswith(f"{self.run.name}-")]
        day, number = max([stamp, *((day, number + 1) for day, number in map(stamp_of, own))])
        ending = f"-{number}" if number > 1 else ""
        return self.folder / f"{self.run.name}-{day}{ending}.json"

    # Files that are never rewritten ---------------------------------------------------------------

    def _add_unchanging(self) -> None:
        for folder in (self.run.replay, self.run.imported, self.run.rescored):
            for path in sorted(folder.glob("*.safetensors")):
                self._add_shard(path)
        for name in checkpoints.list_checkpoints(self.run.checkpoints):
            self._add_checkpoint(self.run.checkpoints / name)

    def _add_shard(self, path: Path) -> None:
        name = path.relative_to(self.run.path).as_posix()
        if name in self.files:
            return
        try:
            self._keep(name, path, hash_in_name(path.name))
        except ReplayError as error:
            self.left_out[name] = str(error)

    def _add_checkpoint(self, path: Path) -> None:
        """All its files, or none. One that was removed meanwhile is no loss."""
        place = path.relative_to(self.run.path).as_posix()
        if f"{place}/{checkpoints.MANIFEST}" in self.files:
            return
        try:
            manifest = checkpoints.read_manifest(path)
        except CheckpointError as error:
            if path.exists():
                self.left_out[place] = str(error)
            return
        for part, record in manifest.files.items():
            self._keep(f"{place}/{part}", path / part, record.sha256)
        file = path / checkpoints.MANIFEST
        if file.exists():
            self._keep(f"{place}/{checkpoints.MANIFEST}", file, sha256_of(file))

    def _keep(self, name: str, path: Path, promised: str) -> None:
        """`promised`: the first digits of its SHA-256. Read once; known ones are not read again."""
        if self.is_over():
            raise BackupError(f"{self.folder}: broken off, since the run ends")
        try:
            sha256, size = sha256_of(path), path.stat().st_size
        except FileNotFoundError:
            return  # It left the run meanwhile.
        if not sha256.startswith(promised):
            self.left_out[name] = f"damaged: SHA-256 begins {sha256[:16]}, not {promised[:16]}"
            return
        target = self.folder / FILES / sha256
        if not target.exists():
            if self.folder == self.run.backups:
                self._link(path, target)
            else:
                self._copy(path, target, size)
            self.new_files += 1
            self.new_bytes += size
        self.files[name] = StoredFile(sha256, size)

    def _link(self, path: Path, target: Path) -> None:
        os.link(path, target)
        OS.sync_directory(target.parent)

    def _copy(self, path: Path, target: Path, size: int) -> None:
        """The first `size` bytes."""

        def fill(writer: Writer) -> None:
            with path.open("rb") as file:
                rest = size
                while rest and (chunk := file.read(min(rest, _CHUNK))):
                    writer.write(chunk)
                    rest -= len(chunk)

        commit_file(target, fill)

    # Files that change ----------------------------------------------------------------------------

    def _add_database(self) -> tuple[int, str]:
        """Games that are admitted, and the best network; none without a database."""
        if not self.run.database.exists():
            return 0, ""
        copied = snapshot(self.run.database, self.folder / FILES / "database")
        size = copied.path.stat().st_size
        target = copied.path.with_name(copied.sha256)
        if not target.exists():
            self.new_files += 1
            self.new_bytes += size
        move(copied.path, target)
        self.files["matrix0.db"] = StoredFile(copied.sha256, size)
        with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            rows = db.execute("SELECT name, state, games FROM shards").fetchall()
            meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        self.admitted = [name for name, state, _ in rows if state == "admitted"]
        for name, state, _ in rows:
            if state != "admitted":
                self.files.pop(f"replay/{name}", None)
        pgn = self.run.games / "selfplay.pgn"
        if pgn.exists():
            self._add_bytes("games/selfplay.pgn", pgn, int(meta.get("pgn_bytes", "0")))
        games = sum(games for _, state, games in rows if state == "admitted")
        return games, str(meta.get("best", ""))

    def _add_growing(self) -> None:
        run = self.run
        for name in _SETTINGS:
            if (run.path / name).is_file():
                self._add_bytes(name, run.path / name)
        if run.journal.exists():
            self._add_bytes("journal.jsonl", run.journal, read_journal(run.journal).whole_bytes)
        if run.metrics_file.exists():
            self._add_bytes("metrics.jsonl", run.metrics_file)
        for path in sorted(run.games.iterdir()):
            if path.name.startswith(("match-", "tournament-")) and ".tmp." not in path.name:
                self._add_bytes(f"games/{path.name}", path)

    def _add_bytes(self, name: str, path: Path, length: int | None = None) -> None:
        """A copy of the first `length` bytes as they are now."""
        try:
            with path.open("rb") as file:
                content = file.read() if length is None else file.read(length)
        except FileNotFoundError:
            return  # A match that is over: its games are in its PGN file now.
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
        target = self.folder / FILES / sha256
        if not target.exists():
            commit_file(target, content)
            self.new_files += 1
            self.new_bytes += size
        self.files[name] = StoredFile(sha256, size)


def rotate(folder: Path, run: str, keep: int) -> list[str]:
    """Removes all but the newest `keep` backups of a run, and files that none names any more.

    A manifest that cannot be read stays, and then no file goes: it may name it.
    """
    own = [path for path in list_backups(folder) if path.name.startswith(f"{run}-")]
    own = [path for path in own if _run_of(path) in (run, "")]
    removed = own[:-keep]
    for path in removed:
        path.unlink()
    needed: set[str] = set()
    for path in list_backups(folder):
        try:
            needed |= {file.sha256 for file in read_manifest(path).files.values()}
        except Matrix0Error:
            return [path.name for path in removed]
    for path in (folder / FILES).iterdir():
        if path.name not in needed:
            path.unlink()
    OS.sync_directory(folder)
    return [path.name for path in removed]


def _run_of(path: Path) -> str:
    """Empty for a manifest that cannot be read."""
    try:
        return read_manifest(path).run
    except BackupError:
        return ""
