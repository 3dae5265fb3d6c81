"""A file that only grows: what is appended is on disk as a whole, or not there at all.

After an fsync that failed nobody knows what the disk has of a file, and another fsync of it could
report success falsely. So the next append writes a new file, with what had been kept, in its place.
"""

import contextlib
from pathlib import Path
from typing import Final

from backend.commit import Writer, commit_file
from backend.disk import writing_to
from backend.filesystem import OS, FileSystem

_CHUNK: Final = 1 << 20


class Appender:
    """Appends to one file, of which there is one writer."""

    def __init__(self, path: Path, keep: int, *, fs: FileSystem = OS) -> None:
        """Begins with the first `keep` bytes of the file, if there is one.

        OSError or an error of the commit when the disk does not take it.
        """
        self._path = path
        self._length = keep
        self._fs = fs
        # What an earlier writer left may not have been synced, for all we know its fsync failed.
        renew(path, keep, fs=fs)
        self._fd: int | None = fs.open(path)

    def append(self, data: bytes) -> None:
        """RunDirectoryError when the disk takes it no more; the file is then as before.

        NotCommittedError when it could not be made anew after an fsync that failed.
        """
        with writing_to(self._path):
            if self._fd is None:
                renew(self._path, self._length, fs=self._fs)
                self._fd = self._fs.open(self._path)
            try:
                write_all_at(self._fs, self._fd, data, self._length)
            except OSError:
                with contextlib.suppress(OSError):  # The next append starts there anyway.
                    self._fs.truncate(self._fd, self._length)
                raise
            try:
                self._fs.sync(self._fd)
            except OSError:
                with contextlib.suppress(OSError):
                    self._fs.truncate(self._fd, self._length)
                self.close()
                raise
        self._length += len(data)

    @property
    def length(self) -> int:
        """Bytes that are kept."""
        return self._length

    def cut(self, length: int) -> None:
        """Takes back what was appended behind `length`; durable with the next append only."""
        self._length = min(length, self._length)
        if self._fd is not None:
            with contextlib.suppress(OSError):  # The next append starts there anyway.
                self._fs.truncate(self._fd, self._length)

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):  # All that was acknowledged has been synced.
                self._fs.close(fd)


def renew(path: Path, keep: int, *, fs: FileSystem = OS) -> None:
    """Puts a new file with the first `keep` bytes in the place of `path`; errors of a commit."""

    def copy(writer: Writer) -> None:
        rest = keep
        if not rest:
            return
        with path.open("rb") as old:
            while rest and (chunk := old.read(min(rest, _CHUNK))):
                writer.write(chunk)
                rest -= len(chunk)

    commit_file(path, copy, fs=fs)


def write_all_at(fs: FileSystem, fd: int, data: bytes, offset: int) -> None:
    """Writes `data` behind `offset`, however little one call takes. OSError if it cannot."""
    rest = memoryview(data)
    while rest:
        written = fs.write_at(fd, rest, offset)
        rest, offset = rest[written:], offset + written
