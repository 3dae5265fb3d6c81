"""A file of lines that each carry the checksum of what they say: of work that is not done yet.

    {"crc32":3371000550,"said":"what this is about"}
    {"crc32":184932011,"said":…}

The first line says what the work is: a file of other work, or whose first line is damaged, is begun
anew. Of a damaged line what it said is done again. What was appended is on disk.
"""

import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from backend.appending import Appender
from backend.commit import commit_file, remove
from backend.disk import writing_to


class _Line(msgspec.Struct, frozen=True):
    crc32: int
    said: msgspec.Raw


_decoder: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


class CheckedLines:
    """One file, of which there is one writer."""

    def __init__(self, path: Path, identity: str) -> None:
        """`identity` is all that makes the work what it is.

        RunDirectoryError when the disk does not take the file.
        """
        self._path = path
        self._identity = msgspec.json.encode(identity)
        self.found: list[bytes] = []
        """What the sound lines of an earlier start said, each as JSON; for the owner to empty."""
        self.num_damaged = 0
        """Lines that are not what was written."""
        whole = self._read(self._identity)
        with writing_to(path):
            self._file = Appender(path, whole)
        if whole == 0:
            self.append([self._identity])

    def append(self, said: Iterable[bytes]) -> None:
        """Adds a line for each JSON value; all are on disk when this returns."""
        lines = b"".join(map(_line, said))
        if lines:
            self._file.append(lines)

    def begin_anew(self, said: Iterable[bytes]) -> None:
        """Puts a file with these lines alone in the place of the old one, in one instant."""
        content = b"".join(map(_line, (self._identity, *said)))
        self._file.close()
        with writing_to(self._path):
            commit_file(self._path, content)
            self._file = Appender(self._path, len(content))

    def remove(self) -> None:
        """The work is done and its outcome is kept elsewhere."""
        remove(self._path)

    def close(self) -> None:
        self._file.close()

    def _read(self, identity: bytes) -> int:
        """Takes up what is there; returns how many bytes of the file stay."""
        data = self._path.read_bytes() if self._path.exists() else b""
        first, *lines, _torn = (*data.split(b"\n"), b"") if data else (b"", b"")
        if _said(first) != identity:
            self.num_damaged += bool(first) and not _said(first)
            return 0
        for line in lines:
            said = _said(line)
            if said:
                self.found.append(said)
            else:
                self.num_damaged += 1
        return data.rfind(b"\n") + 1


def _line(said: bytes) -> bytes:
    return b'{"crc32":%d,"said":%s}\n' % (zlib.crc32(said), said)


def _said(line: bytes) -> bytes:
    """What a line says; empty when it is damaged."""
    try:
        outer = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return b""
    return bytes(outer.said) if zlib.crc32(outer.said) == outer.crc32 else b""
