"""The end of a worker's log, for whoever wants to know why it died."""

from pathlib import Path
from typing import Final

from backend.text import clean

LINES: Final = 50
LINE_LENGTH: Final = 300
_BYTES: Final = 64 * 1024


def size_of(log: Path) -> int:
    """Bytes; 0 where there is none."""
    return log.stat().st_size if log.exists() else 0


def last_words(log: Path, after: int) -> tuple[str, ...]:
    """The last lines that were written behind byte `after`, cleaned and cut."""
    size = size_of(log)
    if size < after:  # It was set aside when the worker started.
        after = 0
    if size <= after:
        return ()
    with log.open("rb") as file:
        file.seek(max(after, size - _BYTES))
        lines = file.read(_BYTES).decode("utf-8", "replace").splitlines()
    return tuple(clean(line, LINE_LENGTH) for line in lines[-LINES:])
