"""The runs there are to compare, each with how it stands; cheap enough to ask every few seconds."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from backend.compare.side import DAMAGED, state_of
from backend.errors import RunDirectoryError
from backend.rundir import RunDirectory
from backend.runs import RunView, list_runs, view


class Listed(NamedTuple):
    run: RunView
    state: str
    detail: str

    @property
    def path(self) -> Path:
        return Path(self.run.directory)


def overview(folder: Path, others: Sequence[Path] = ()) -> list[Listed]:
    """Those of `folder`, the most recently active first, behind `others` that lie elsewhere."""
    found: list[RunView] = []
    with suppress(RunDirectoryError):  # Without the folder there are still the others.
        found = list_runs(folder)
    known = {run.directory for run in found}
    elsewhere = [RunDirectory(path) for path in others]
    found = [view(run) for run in elsewhere if run.exists and str(run.path) not in known] + found
    return [_listed(run) for run in found]


def _listed(run: RunView) -> Listed:
    try:
        return Listed(run, *state_of(run, Path(run.directory) / "matrix0.db"))
    except (sqlite3.Error, RunDirectoryError, msgspec.MsgspecError):
        return Listed(run, DAMAGED, "")
