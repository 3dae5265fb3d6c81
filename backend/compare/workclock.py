"""How long a run had been at work at any instant: without pauses and the time between two starts.

Runs are compared on this clock: a night that one of them was stopped must not count as slowness.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from backend.events import PauseChanged
from backend.store.reading import read_only

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WorkClock:
    at: Floats
    """Wall clock of every row of the event log; never falling."""
    worked_s: Floats
    """Seconds at work until then."""

    @property
    def total_s(self) -> float:
        return float(self.worked_s[-1]) if self.worked_s.size else 0.0

    def of(self, at: Floats) -> Floats:
        """Seconds at work at these instants. Without an event log, since the first of them."""
        if self.at.size < 2:
            return at - at[0] if at.size else at
        return np.interp(at, self.at, self.worked_s)


def read_work_clock(database: Path) -> WorkClock:
    """An end by force leaves no mark, so a start ends with the last event before the next one."""
    with read_only(database) as connection:
        query = (
            "SELECT at, kind, CASE kind WHEN 'PauseChanged' THEN body END FROM events ORDER BY seq"
        )
        rows = connection.execute(query).fetchall()
    times, worked = np.empty(len(rows)), np.empty(len(rows))
    total, before, is_paused = 0.0, 0.0, False
    for i, (at, kind, body) in enumerate(rows):
        at = max(at, before)
        if kind == "RunStarted":
            is_paused = False
        elif before and not is_paused:
            total += at - before
        if body is not None:
            is_paused = msgspec.json.decode(body, type=PauseChanged).paused
        before = at
        times[i], worked[i] = at, total
    return WorkClock(times, worked)
