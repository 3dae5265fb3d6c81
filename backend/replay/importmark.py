"""Up to where an import that was interrupted had read: `import.json` beside its shards.

Written with each shard, removed at the end. It only saves time: without it everything is read
again, and what is there already is passed over.
"""

from pathlib import Path
from typing import Final

import msgspec

from backend.commit import commit_file, remove

NAME: Final = "import.json"
_MOST_BYTES: Final = 32 << 20
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A game that was refused."""

    file: str
    number: int
    """Its place in the file, from 1: game of a PGN, line of anything else."""
    reason: str
    file_number: int = 0
    """Of the files that were asked for."""


class ImportMark(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing before it is missing in the shards."""

    asked: str
    """Kind, orientation and filters; another import does not go on here."""
    done: list[str]
    """SHA-256 of the files of which nothing is missing."""
    sha256: str
    """Of the file that was being read."""
    number: int
    """Games, or lines, before the first that is in no shard."""
    offset: int
    """Bytes of text before it."""
    shards: list[str]
    """Their names: the mark holds only as long as they are all there."""
    rejected: int
    rejects: list[Reject]
    """Before the mark."""


def read_mark(directory: Path, asked: str) -> ImportMark | None:
    """None where there is none that this import may go on from."""
    path = directory / NAME
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return None
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=ImportMark)
    except _UNREADABLE:
        return None
    if mark.asked != asked or not all((directory / Path(n).name).is_file() for n in mark.shards):
        return None
    return mark if mark.number >= 0 and mark.offset >= 0 else None


def write_mark(directory: Path, mark: ImportMark) -> None:
    """Replaces the one that is there."""
    commit_file(directory / NAME, msgspec.json.encode(mark))


def remove_mark(directory: Path) -> None:
    """Harmless without one."""
    remove(directory / NAME)
