"""The directory of one run: what lies where, who may hold it, and which settings it keeps."""

import errno
import fcntl
import os
import re
import time
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil

from backend.commit import commit_file, make_directory
from backend.config import Config
from backend.errors import ConfigError, RunDirectoryError, RunLockedError
from backend.filesystem import OS, FileSystem
from backend.settings import load_config
from backend.settings_text import dump_config

RUN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Names of runs and workers: harmless in every file system, URL and terminal."""

SUPERVISOR: Final = "supervisor"
"""The role of a holder that answers screens."""

NAMING_S: Final = 0.5
"""So long the name in a lock may be of a holder before."""
FOLDERS: Final = (
    "replay",
    "imported",
    "rescored",
    "checkpoints",
    "games",
    "logs",
    "quarantine",
    "backups",
)


@dataclass(frozen=True)
class Holder:
    """The process that holds a run, as it wrote itself into `lock`."""

    pid: int
    """0 when it has not written it yet."""
    role: str
    """`SUPERVISOR`, or the command that is at work; empty when it has not written it yet."""

    @classmethod
    def read(cls, fd: int) -> "Holder":
        pid, _, role = os.pread(fd, 128, 0).decode("utf-8", "replace").strip().partition(" ")
        return cls(int(pid) if pid.isdecimal() else 0, role)

    @property
    def is_supervisor(self) -> bool:
        return self.role in (SUPERVISOR, "")

    def refusal(self, path: Path) -> RunLockedError:
        """What to tell somebody who wants the run."""
        if self.is_supervisor:
            return RunLockedError(
                f"{path}: this run is in use by process {self.pid or 'unknown'}; "
                "stop it first, or attach to it with matrix0-tui"
            )
        return RunLockedError(
            f"{path}: `{self.role}` is at work on this run (process {self.pid}); "
            "wait until it is done, or end it with Ctrl-C where it runs"
        )


class RunDirectory:
    """Paths of a run. Holding one promises nothing about the disk; `create` and `lock` do."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        self.name = self.path.name
        self.config_file = self.path / "config.toml"
        self.kept_config_file = self.path / "config.toml.kept"
        """The same text once more, as it was at the last start: see `backend/resuming.py`."""
        self.preset_file = self.path / "preset"
        self.database = self.path / "matrix0.db"
        self.journal = self.path / "journal.jsonl"
        self.metrics_file = self.path / "metrics.jsonl"
        """Curves of training on imported games; those of self-play are in the database."""
        self.lock_file = self.path / "lock"
        self.socket_file = self.path / "socket"
        self.replay = self.path / "replay"
        self.imported = self.path / "imported"
        self.rescored = self.path / "rescored"
        self.checkpoints = self.path / "checkpoints"
        self.games = self.path / "games"
        self.logs = self.path / "logs"
        self.quarantine = self.path / "quarantine"
        self.backups = self.path / "backups"

    @property
    def reading_file(self) -> Path:
        """logs/trainer.reading: the shard that the trainer reads at this moment."""
        return self.logs / "trainer.reading"

    def log_file(self, source: str) -> Path:
        """logs/<source>.log, where the stderr of a process goes."""
        return self.logs / f"{source}.log"

    @property
    def exists(self) -> bool:
        """Whether a run was ever prepared here: its settings are saved."""
        return self.config_file.is_file()

    def create(self, *, fs: FileSystem = OS) -> None:
        """Makes the directory and its folders, private to this user; harmless when they are there.

        Raises RunDirectoryError for a name outside the grammar or a place that cannot be written.
        """
        if not RUN_NAME.fullmatch(self.name):
            raise RunDirectoryError(
                f"{self.path}: the last part must be a run name: 1 to 64 of a-z 0-9 . _ - "
                f"and not start with . _ or -, not {self.name!r}"
            )
        try:
            for folder in FOLDERS:
                make_directory(self.path / folder, fs=fs)
        except OSError as error:
            raise _uncreatable(self.path, error) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            is_read_only = os.statvfs(self.path).f_flag & os.ST_RDONLY
            number = errno.EROFS if is_read_only else errno.EACCES
            raise _unusable(self.path, OSError(number, os.strerror(number)))

    def read_config(self) -> Config:
        """The settings this run keeps. Raises ConfigError when they are missing or unusable."""
        if not self.exists:
            raise ConfigError(f"{self.config_file}: not there; {self.path} holds no run")
        try:
            return load_config(self.config_file)
        except ConfigError as error:
            if not self.kept_config_file.exists():
                raise
            hint = f"as it was at the last start it is in {self.kept_config_file.name}"
            raise ConfigError(f"{error}; {hint}") from error

    def read_preset(self) -> str:
        """The preset the run was made from; empty when none was named. For display only."""
        return self.preset_file.read_text("utf-8").strip() if self.preset_file.is_file() else ""

    def settle(
        self, asked: Config | None, preset: str = "", *, fs: FileSystem = OS
    ) -> tuple[Config, list[str]]:
        """The settings in force, and how what is asked for differs from them.

        A new run takes and saves what is asked. A run that exists keeps its own settings, since
        its networks and shards were made by them; each difference is one line for the user.
        """
        if self.exists:
            kept = self.read_config()
            return kept, config_differences(kept, asked) if asked is not None else []
        config = asked or Config()
        commit_file(self.preset_file, f"{preset}\n".encode(), fs=fs)
        self.write_config(config, fs=fs)
        return config, []

    def write_config(self, config: Config, *, fs: FileSystem = OS) -> None:
        """Keeps these settings from now on; errors of the commit when the disk does not take them.

        The run exists once they are there.
        """
        text = dump_config(config).encode()
        commit_file(self.kept_config_file, text, fs=fs)
        commit_file(self.config_file, text, fs=fs)

    def lock(self, role: str) -> "RunLock":
        """Holds the run until released or until this process is gone.

        What the process writes in the meantime is for this user alone.

        `role` is what the holder does: `SUPERVISOR`, or the command as a person types it.

        Raises RunLockedError, naming the holder, when another process has it.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(self.lock_file, flags, 0o600)
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _patiently_read(fd)
            os.close(fd)
            raise holder.refusal(self.path) from error
        except OSError as error:
            os.close(fd)
            raise RunDirectoryError(f"{self.path}: no lock here: {error.strerror}") from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {role}\n".encode(), 0)
        return RunLock(fd)

    def holder(self) -> Holder | None:
        """Who holds the run; None when nobody does."""
        try:
            fd = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Holder.read(fd)
        finally:
            os.close(fd)
        return None


def _patiently_read(fd: int) -> Holder:
    """The holder; one that has just taken the lock writes its name a moment later."""
    deadline = time.monotonic() + NAMING_S
    while True:
        holder = Holder.read(fd)
        if (holder.pid and psutil.pid_exists(holder.pid)) or time.monotonic() > deadline:
            return holder
        time.sleep(0.005)


class RunLock:
    """An exclusive hold on a run directory."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        self._mask = os.umask(0o077)

    def release(self) -> None:
        """Lets go; harmless when done twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            os.umask(self._mask)

    def __enter__(self) -> "RunLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def config_differences(kept: Config, asked: Config) -> list[str]:
    """One line for each setting in which they differ, for example `training.batch_size: …`."""
    return [
        f"{name}: the run keeps {ours!r}, asked was {theirs!r}"
        for name, ours, theirs in differing(kept, asked)
        if name != "keys"  # The screen takes those that are asked for.
    ]


def differing(kept: Config, asked: Config) -> list[tuple[str, object, object]]:
    """Name and both values of each setting in which they differ."""
    found: list[tuple[str, object, object]] = []
    for table in fields(kept):
        ours, theirs = getattr(kept, table.name), getattr(asked, table.name)
        if not is_dataclass(ours):
            found.append((table.name, ours, theirs))
            continue
        found += [
            (f"{table.name}.{key.name}", getattr(ours, key.name), getattr(theirs, key.name))
            for key in fields(ours)
        ]
    return [row for row in found if row[1] != row[2]]


def _uncreatable(path: Path, error: OSError) -> RunDirectoryError:
    if path.exists():
        return _unusable(path, error)
    # Parents are made too, so "no such file or directory" only means that none can be made there.
    place = error.errno in (errno.ENOENT, errno.EROFS)
    reason = "this place takes no directories" if place else error.strerror or str(error)
    return RunDirectoryError(f"{path}: cannot be created: {reason}")


def _unusable(path: Path, error: OSError) -> RunDirectoryError:
    reason = error.strerror or str(error)
    return RunDirectoryError(f"{path}: cannot be used as a run directory: {reason}")
