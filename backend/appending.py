"""A file that only grows: what is appended is on disk as a whole, or not there at all."""

import os
from pathlib import Path

from backend.commit import OS
from backend.disk import writing_to


class Appender:
    """Appends to one file, of which there is one writer."""

    def __init__(self, path: Path, keep: int) -> None:
        """Opens or makes the file and cuts it to its first `keep` bytes. OSError if it cannot."""
        self._path = path
        self._length = keep
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.ftruncate(self._fd, keep)
        OS.sync(self._fd)
        OS.sync_directory(path.parent)

    def append(self, data: bytes) -> None:
        """RunDirectoryError when the disk takes it no more; the file is then as before."""
        with writing_to(self._path):
            try:
                done = 0
                while done < len(data):
                    done += os.pwrite(self._fd, data[done:], self._length + done)
                OS.sync(self._fd)
            except OSError:
                os.ftruncate(self._fd, self._length)
                raise
        self._length += len(data)

    def close(self) -> None:
        os.close(self._fd)
