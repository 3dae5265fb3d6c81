"""A disk that takes nothing more: full, read-only, over a quota, failing. One error says which.

Lack of room passes: whoever has something to write waits for it, and those who make the bulk of
what is written stop a little before (`Reserve`).
"""

import errno
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from backend.commit import NotCommittedError
from backend.errors import RunDirectoryError

_NO_ROOM: Final = frozenset((errno.ENOSPC, errno.EDQUOT))
_REFUSALS: Final = _NO_ROOM | {errno.EFBIG, errno.EROFS, errno.EIO}
_SQLITE_REFUSALS: Final = frozenset(
    (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
)
_PRIMARY: Final = 0xFF
"""The low byte of an extended result code of SQLite is the code it refines."""
_HARDLY_ANY_MIB: Final = 1.0
"""SQLite reports some writes on a full disk as a mere error of input or output."""


_OF_A_NETWORK: Final = frozenset(
    (
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb3", "smbfs", "afpfs", "webdav"),
        *("fuse.sshfs", "macfuse", "ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs", "lustre"),
    )
)


class NoRoomError(RunDirectoryError):
    """The disk is full, or a quota is used up; the same write works when there is room."""


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """What the disk refuses within is raised as RunDirectoryError; other errors pass unchanged.

    NoRoomError when it is for lack of room.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        code = error.sqlite_errorcode & _PRIMARY
        if code not in _SQLITE_REFUSALS:
            raise
        free = _free_mib(volume_of(path.parent))
        full = code == sqlite3.SQLITE_FULL or free < _HARDLY_ANY_MIB
        raise _refused(path, str(error), is_full=full) from error
    except NotCommittedError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in _REFUSALS:
            raise
        raise _refusal(path, cause) from error
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise _refusal(path, error) from error


def network_file_system(path: Path) -> str:
    """What kind of one `path` lies on, by its volume; empty for a disk of this machine."""
    volume = str(volume_of(path))
    kinds = [p.fstype for p in psutil.disk_partitions(all=True) if p.mountpoint == volume]
    # The last one lies over the others.
    return kinds[-1] if kinds and kinds[-1].lower() in _OF_A_NETWORK else ""


class Reserve:
    """Room that is left free on the volume of a directory."""

    def __init__(
        self,
        directory: Path,
        mib: int,
        *,
        look_every_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._mib = mib
        self._look_every_s = look_every_s
        self._clock = clock
        self._looked_at = float("-inf")
        self._lacking = ""

    def lacking(self) -> str:
        """Why nothing more should be written now; empty when there is room."""
        now = self._clock()
        if now - self._looked_at >= self._look_every_s:
            self._looked_at = now
            volume = volume_of(self._directory)
            free = _free_mib(volume)
            self._lacking = ""
            if free < self._mib:
                self._lacking = f"for room on {volume}: {free:,.0f} of {self._mib} MiB free"
        return self._lacking


def volume_of(path: Path) -> Path:
    """The mount point that `path` lies below."""
    while not path.is_mount() and path != path.parent:
        path = path.parent
    return path


def _free_mib(volume: Path) -> float:
    return shutil.disk_usage(volume).free / 2**20


def _refusal(path: Path, error: OSError) -> RunDirectoryError:
    reason = error.strerror or str(error)
    return _refused(path, reason, is_full=error.errno in _NO_ROOM)


def _refused(path: Path, reason: str, *, is_full: bool) -> RunDirectoryError:
    kind = NoRoomError if is_full else RunDirectoryError
    volume = volume_of(path.parent)
    remedy = "make room" if is_full else "mend that and start again"
    return kind(
        f"{path} cannot be written: {reason} (volume {volume}, "
        f"{_free_mib(volume):,.0f} MiB free); {remedy}, nothing that was finished is lost"
    )
