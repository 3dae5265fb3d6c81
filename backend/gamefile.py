"""games/selfplay.pgn: every admitted game once, although a process may die at any moment.

The database holds the length that its rows vouch for. Text is appended behind that length and
fsynced, then the rows and the new length are committed together: what a death leaves behind the
vouched length is cut off by the next append.
"""

import contextlib
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from backend.appending import renew, write_all_at
from backend.disk import writing_to
from backend.filesystem import OS, FileSystem

_GAME_ID: Final = re.compile(rb'^\[GameId "([^"\n]{1,200})"\]', re.MULTILINE)
_GAME_START: Final = re.compile(rb"^\[Event ", re.MULTILINE)


class GameFile:
    """Appends to one PGN file."""

    def __init__(self, path: Path, *, fs: FileSystem = OS) -> None:
        self._path = path
        self._fs = fs
        self._is_void = False
        """An fsync failed: nobody knows what the disk has of this file."""

    def append(self, text: str, vouched: int) -> int:
        """Puts `text` behind the first `vouched` bytes, durably, and returns the new length.

        RunDirectoryError when the disk takes nothing more, NotCommittedError when the file could
        not be made anew after an fsync that failed.
        """
        with writing_to(self._path):
            return self._append(text, vouched)

    def _append(self, text: str, vouched: int) -> int:
        fs = self._fs
        is_new = not self._path.exists()
        if self._is_void:
            renew(self._path, vouched, fs=fs)
            self._is_void = False
        fd = fs.open(self._path)
        try:
            end = min(vouched, fs.size(fd))  # Shorter when somebody has taken it away.
            fs.truncate(fd, end)
            data = text.encode()
            write_all_at(fs, fd, data, end)
            try:
                fs.sync(fd)
            except OSError:
                self._is_void = True
                raise
        finally:
            with contextlib.suppress(OSError):  # What counts has been synced, or is told already.
                fs.close(fd)
        if is_new:
            fs.sync_directory(self._path.parent)
        return end + len(data)

    def shards(self, vouched: int) -> frozenset[str]:
        """Stems of the shards whose games are among the first `vouched` bytes."""
        with self._mapped() as data:
            return frozenset(_stem(match[1]) for match in _GAME_ID.finditer(data, 0, vouched))

    def trusted_length(self, present: frozenset[str]) -> int:
        """What a database made anew may vouch for, when rows cannot say it any more.

        Games of the newest shard in the file may be incomplete: if that shard is still among
        `present` (stems), they are left out, to be appended again.
        """
        with self._mapped() as data:
            games = [(match.start(), _stem(match[1])) for match in _GAME_ID.finditer(data)]
            if not games:
                return 0
            newest = games[-1][1]
            if newest not in present:
                return len(data)
            first = next(at for at, stem in games if stem == newest)
            heads = (match.start() for match in _GAME_START.finditer(data, 0, first))
            # Where the head of that game is damaged, what stands before its name is kept as it is.
            return max(heads, default=first)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[bytes | mmap.mmap]:
        """What is in the file, which grows by a gigabyte in a day or two; not all in memory."""
        if not self._path.exists() or not self._path.stat().st_size:
            yield b""
            return
        with (
            self._path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            yield data


def _stem(game_id: bytes) -> str:
    """The shard of a game id, `<stem>:<number>`."""
    return game_id.decode("utf-8", "replace").rpartition(":")[0]
