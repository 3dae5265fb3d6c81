"""journal.jsonl: what cannot be derived from shards and checkpoints, one checked line each.

    {"crc32":3735928559,"entry":{"seq":1,"at":1763958000.0,"fact":{"type":"Promoted",...}}}

Appended and fsynced before the database knows of it, so the database can be rebuilt from files.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from backend.appending import Appender
from backend.commands import ClientCommand
from backend.commit import NotCommittedError
from backend.disk import writing_to
from backend.errors import RunDirectoryError
from backend.events import Event
from backend.filesystem import OS, FileSystem

Fact = Event | ClientCommand
"""Events that were decided, and orders that a person gave."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    seq: int
    at: float
    """Wall clock, seconds since 1970."""
    fact: Fact


class _Line(msgspec.Struct, frozen=True):
    crc32: int
    entry: msgspec.Raw


_entry_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
_line_decoder: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


@dataclass(frozen=True)
class Reading:
    """What a journal holds."""

    entries: tuple[Entry, ...]
    damaged: tuple[int, ...]
    """Numbers (from 1) of whole lines that are not what was written."""
    unknown: tuple[int, ...]
    """Numbers of lines that are what was written, by a newer Matrix0: we do not know the fact."""
    whole_bytes: int
    """Length up to the last newline; a torn line may follow."""


def read_journal(path: Path) -> Reading:
    """Everything that can be trusted in a journal; an absent file is an empty one."""
    data = path.read_bytes() if path.exists() else b""
    *lines, _torn = data.split(b"\n")
    entries = []
    damaged = []
    unknown = []
    for number, line in enumerate(lines, 1):
        raw = _checked(line)
        entry = None if raw is None else _decode(raw)
        if raw is None:
            damaged.append(number)
        elif entry is None:
            unknown.append(number)
        else:
            entries.append(entry)
    whole_bytes = data.rfind(b"\n") + 1
    return Reading(tuple(entries), tuple(damaged), tuple(unknown), whole_bytes)


def _checked(line: bytes) -> msgspec.Raw | None:
    """The entry of a line, which is what was written."""
    try:
        outer = _line_decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return outer.entry if zlib.crc32(outer.entry) == outer.crc32 else None


def _decode(raw: msgspec.Raw) -> Entry | None:
    try:
        return _entry_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def encode_lines(seq: int, facts: Iterable[tuple[float, Fact]]) -> bytes:
    """The lines of (wall clock, fact) entries that are numbered from `seq` on."""
    lines = []
    for number, (at, fact) in enumerate(facts, seq):
        entry = msgspec.json.encode(Entry(seq=number, at=at, fact=fact))
        lines.append(b'{"crc32":%d,"entry":%s}\n' % (zlib.crc32(entry), entry))
    return b"".join(lines)


class Journal:
    """Appends to one journal; there is one writer, the holder of the run's lock."""

    def __init__(self, path: Path, *, fs: FileSystem = OS) -> None:
        """Opens it and removes a torn last line (it was never acknowledged)."""
        self.reading = read_journal(path)
        self._seq = max((entry.seq for entry in self.reading.entries), default=0)
        try:
            with writing_to(path):
                self._file = Appender(path, self.reading.whole_bytes, fs=fs)
        except (OSError, NotCommittedError) as error:
            raise RunDirectoryError(f"{path}: {error}") from error

    def append(self, facts: Iterable[tuple[float, Fact]]) -> None:
        """Writes (wall clock, fact) entries durably; all of them or, after an error, none.

        RunDirectoryError when the disk takes nothing more.
        """
        dated = list(facts)
        self._file.append(encode_lines(self._seq + 1, dated))
        self._seq += len(dated)

    def close(self) -> None:
        self._file.close()
