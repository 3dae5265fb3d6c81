"""The whole log of a run, as its database keeps it; also what the state has forgotten.

`read` asks the database, on a thread. Lines are made of events by `fold`, so they say here what
they said on the dashboard.
"""

import sqlite3
from pathlib import Path
from typing import Final

from backend.errors import RunDirectoryError
from backend.events import CheckpointRetired, Event, LogLine
from backend.fold import fold
from backend.state import RunState
from backend.store.reading import events_after
from backend.views import CheckpointView

MAX_LINES: Final = 100_000
"""The newest are kept; a line takes some 300 bytes while the screen is open."""
PAGE: Final = 5_000
"""Events that are read at a time."""


class LogBook:
    def __init__(self, database: Path) -> None:
        self._database = database
        self._seq = 0
        self.is_unreadable = True
        """The database could not be read last time."""

    def read(self) -> list[LogLine]:
        """Some lines that were not read before, oldest first; none when all are. May block."""
        lines: list[LogLine] = []
        if not self._database.is_file():
            return lines
        try:
            found = events_after(self._database, self._seq, PAGE)
        except (RunDirectoryError, sqlite3.OperationalError):
            return lines  # Being made or moved just now: it is asked again.
        self.is_unreadable = False
        for seq, event in found:
            self._seq = seq
            lines.extend(lines_of(event))
        return lines if lines or not found else self.read()


def lines_of(event: Event) -> tuple[LogLine, ...]:
    """What the log says of an event."""
    before = RunState()
    if isinstance(event, CheckpointRetired):  # Said of those alone that the state had known.
        before = RunState(checkpoints=(CheckpointView(name=event.name, step=0),))
    return fold(before, event).log
