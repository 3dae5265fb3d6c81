"""What an import or a teacher refused, and why: a table beside the shards."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from backend.commit import commit_file
from backend.text import clean

MAX_REJECTS: Final = 10_000
"""Further ones are counted only."""


def in_one_line(reason: str) -> str:
    """A reason as it may stand in the table."""
    return clean(reason.replace("\n", " ").replace("\t", " "), 200)


def write_rejects(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Tab-separated, with a line of names first."""
    lines = ["\t".join(map(str, row)) for row in (names, *rows)]
    commit_file(path, "\n".join([*lines, ""]).encode())
