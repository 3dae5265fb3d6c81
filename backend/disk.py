"""A disk that takes nothing more: full, read-only, over a quota, failing. One error says which."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from backend.errors import RunDirectoryError

_REFUSALS: Final = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
)
_SQLITE_REFUSALS: Final = frozenset(
    (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
)
_PRIMARY: Final = 0xFF
"""The low byte of an extended result code of SQLite is the code it refines."""


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """What the disk refuses within is raised as RunDirectoryError; other errors pass unchanged."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _PRIMARY not in _SQLITE_REFUSALS:
            raise
        raise _refused(path, str(error)) from error
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise _refused(path, error.strerror or str(error)) from error


def _refused(path: Path, reason: str) -> RunDirectoryError:
    volume = path.parent
    while not volume.is_mount() and volume != volume.parent:
        volume = volume.parent
    free_mib = shutil.disk_usage(volume).free / 2**20
    return RunDirectoryError(
        f"{path} cannot be written: {reason} (volume {volume}, {free_mib:,.0f} MiB free); "
        "make room and start again, nothing that was finished is lost"
    )
