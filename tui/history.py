"""The curves of a run as its database has them: every reading, not only those the state keeps.

`read` asks the database, on a thread; `take` puts what it found behind what is known, on the
thread of the screen. Without a database there is no history, and charts show the state's curves.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend.errors import RunDirectoryError
from backend.store.reading import Points, games_so_far, points
from tui.raster import Floats
from tui.series import Series
from tui.viewport import Axis

READ_S = 2.0
"""The supervisor writes readings as often."""


@dataclass
class Track:
    """One metric."""

    steps: Floats
    at: Floats
    series: Series
    games: Floats

    def along(self, axis: Axis) -> Floats:
        """The x of every value; never falling."""
        tracks = {"step": self.steps, "time": self.at, "games": self.games}
        return tracks[axis]


class Found(NamedTuple):
    """What the database had that was not known."""

    tracks: dict[str, tuple[Points, Series | None]]
    """By metric; with the finished series where nothing was known before."""
    games: tuple[Floats, Floats]
    valid_to: float
    """Up to which step what was known counted at the time."""


class History:
    def __init__(self, database: Path) -> None:
        self._database = database
        self._tracks: dict[str, Track] = {}
        self._games: tuple[Floats, Floats] = (np.empty(0), np.empty(0))
        self._valid_to = np.inf
        self._last_step = 0
        self.version = 0
        """Rises when there is something new to draw."""
        self.read_s = READ_S
        """How often the database should be asked for new readings."""
        self.until: Callable[[], float] = lambda: np.inf
        """Readings of a later wall clock are left out."""

    @property
    def is_empty(self) -> bool:
        return not self._tracks

    def track(self, name: str) -> Track | None:
        return self._tracks.get(name)

    def follow(self, step: int) -> None:
        """Tell it the step of the run: when that falls, what came after it did not happen."""
        if step < self._last_step:
            self._valid_to = min(self._valid_to, step)
        self._last_step = step

    def read(self, names: Iterable[str]) -> Found | None:
        """What is new of these metrics; None while the database cannot be read. May block."""
        found: dict[str, tuple[Points, Series | None]] = {}
        valid_to = self._valid_to
        until = self.until()
        if not self._database.is_file():
            return None
        try:
            for name in names:
                known = self._tracks.get(name)
                after = -1 if known is None else int(min(known.steps[-1], valid_to))
                new = points(self._database, name, after, until)
                if new.steps.size:
                    found[name] = (new, Series(new.values) if known is None else None)
            return Found(found, games_so_far(self._database), valid_to)
        except (RunDirectoryError, sqlite3.DatabaseError):
            return None  # Being made or moved, or damaged: the charts show what the state has.

    def take(self, found: Found | None) -> bool:
        """Whether anything has changed."""
        if found is None or found.valid_to != self._valid_to:
            return False  # The trainer went back meanwhile: the next reading knows of it.
        cut = self._cut()
        self._games = found.games
        for name, (new, series) in found.tracks.items():
            known = self._tracks.get(name)
            if known is None:
                made = series or Series(new.values)
                self._tracks[name] = Track(new.steps, new.at, made, self._games_at(new.at))
                continue
            fresh = new.steps > known.steps[-1] if known.steps.size else slice(None)
            known.series.extend(new.values[fresh])
            known.steps = np.concatenate((known.steps, new.steps[fresh]))
            known.at = np.maximum.accumulate(np.concatenate((known.at, new.at[fresh])))
            known.games = self._games_at(known.at)
        if found.tracks or cut:
            self.version += 1
        return bool(found.tracks) or cut

    def placed(self, x: Floats, axis: Axis, onto: Axis) -> Floats:
        """Points of one axis on another, by the longest curve; NaN where nothing tells."""
        if axis == onto:
            return x
        longest = max(self._tracks.values(), key=lambda t: t.steps.size, default=None)
        if longest is None or longest.steps.size < 2:
            return np.full(x.shape, np.nan)
        return np.interp(x, longest.along(axis), longest.along(onto))

    def _cut(self) -> bool:
        if self._valid_to == np.inf:
            return False
        limit, self._valid_to = self._valid_to, np.inf
        for name, track in list(self._tracks.items()):
            length = int(np.searchsorted(track.steps, limit, side="right"))
            if length == 0:
                del self._tracks[name]
            elif length < track.steps.size:
                track.series.cut(length)
                track.steps, track.at = track.steps[:length], track.at[:length]
                track.games = track.games[:length]
        return True

    def _games_at(self, at: Floats) -> Floats:
        when, games = self._games
        return np.interp(at, when, games, left=0.0) if when.size else np.zeros(at.shape)
