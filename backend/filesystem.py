"""The system calls of everything that is meant to last: one object, so that a test can put another
in its place that fails at the n-th call, or remembers what a power cut would leave.

Only `commit.py`, `appending.py` and `gamefile.py` call it; the database is SQLite's own business.
"""

import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import Final, Protocol

_NO_FULL_SYNC: Final = frozenset((errno.ENOTSUP, errno.EINVAL, errno.ENOTTY))
"""Some network and FUSE volumes do not know F_FULLFSYNC; there fsync is the best there is."""


class FileSystem(Protocol):
    """Each raises OSError on failure, and a file descriptor stays the caller's to close."""

    def create(self, path: Path) -> int: ...
    def open(self, path: Path) -> int: ...
    def size(self, fd: int) -> int: ...
    def write(self, fd: int, data: memoryview) -> int: ...
    def write_at(self, fd: int, data: memoryview, offset: int) -> int: ...
    def truncate(self, fd: int, length: int) -> None: ...
    def sync(self, fd: int) -> None: ...
    def close(self, fd: int) -> None: ...
    def make_directory(self, path: Path) -> None: ...
    def sync_directory(self, path: Path) -> None: ...
    def rename(self, old: Path, new: Path) -> None: ...
    def remove(self, path: Path) -> None: ...


class OsFileSystem:
    """The real one."""

    def create(self, path: Path) -> int:
        """A new file, to be written from its start."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def open(self, path: Path) -> int:
        """A file that grows, made when it is not there."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def write(self, fd: int, data: memoryview) -> int:
        return os.write(fd, data)

    def write_at(self, fd: int, data: memoryview, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def sync(self, fd: int) -> None:
        # On macOS fsync only hands the data to the drive.
        full_sync = getattr(fcntl, "F_FULLFSYNC", None)
        if full_sync is None:
            os.fsync(fd)
            return
        try:
            fcntl.fcntl(fd, full_sync)
        except OSError as error:
            if error.errno not in _NO_FULL_SYNC:
                raise
            os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def make_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700)

    def sync_directory(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def remove(self, path: Path) -> None:
        """Removes a file, or a directory with all it holds."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


OS: Final[FileSystem] = OsFileSystem()
