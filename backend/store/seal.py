"""The seal of a database: the SHA-256 of its main file, in a file beside it.

SQLite finds less than half of the flipped bits that change an answer, so the main file is changed
only when we say so, by moving the write-ahead log into it, and sealed again afterwards. The log has
checksums of its own. A seal that does not fit means damage, or another program's hand.
"""

from pathlib import Path
from typing import Final

from backend.commit import commit_file, sha256_of
from backend.filesystem import OS, FileSystem

BROKEN: Final = "broken\n"
"""What the file says while the database is being changed."""


def seal_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.seal")


def fits(database: Path) -> bool | None:
    """Whether a database is what was sealed; None when nobody can tell, after a kill for example.

    OSError when it cannot be read.
    """
    seal = seal_of(database)
    said = seal.read_text("ascii", "replace") if seal.exists() else BROKEN
    if said == BROKEN or not database.exists():
        return None
    return said == f"{sha256_of(database)}\n"


def break_seal(database: Path, *, fs: FileSystem = OS) -> None:
    """To be called before the main file changes."""
    commit_file(seal_of(database), BROKEN.encode(), fs=fs)


def set_seal(database: Path, *, fs: FileSystem = OS) -> None:
    """To be called when the main file has changed and is synced."""
    commit_file(seal_of(database), f"{sha256_of(database)}\n".encode(), fs=fs)
