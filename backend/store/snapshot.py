"""A copy of a database that others write to, whole and as of one instant.

Copying the file itself would miss what is still in the write-ahead log, or catch a page in halves.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from backend.commit import CommittedFile, Writer, commit_file
from backend.errors import RunDirectoryError
from backend.store.reading import read_only

_CHUNK = 1 << 20


def snapshot(database: Path, target: Path) -> CommittedFile:
    """Commits the copy as `target`, checked; one that is there is replaced.

    RunDirectoryError when there is no database, or an unsound one.
    """
    scratch = target.with_name(f"{target.name}-copying")
    try:
        with read_only(database) as source, closing(sqlite3.connect(scratch)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # No log beside the copy.
            faults = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if faults != "ok":
            raise RunDirectoryError(f"{database}: damaged, so it was not copied: {faults}")
        return commit_file(target, lambda writer: _copy(scratch, writer))
    except sqlite3.DatabaseError as error:
        raise RunDirectoryError(f"{database}: cannot be copied: {error}") from error
    finally:
        scratch.unlink(missing_ok=True)


def _copy(source: Path, writer: Writer) -> None:
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            writer.write(chunk)
