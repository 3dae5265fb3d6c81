"""A chess clock: time controls as people write them, and what each side has left.

Nothing here reads the time by itself: the clock is given the function that does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import chess

from backend.errors import ConfigError

MAX_BASE_S: Final = 10 * 3600.0
MAX_INCREMENT_S: Final = 600.0
_WRITTEN: Final = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)(?:\+(\d{1,4}(?:\.\d{1,3})?))?", re.ASCII)


@dataclass(frozen=True)
class TimeControl:
    """One period for the whole game."""

    base_s: float
    increment_s: float = 0.0
    """Added after each move."""

    def __str__(self) -> str:
        """As people say it: minutes and seconds, 5+3."""
        return f"{self.base_s / 60:g}+{self.increment_s:g}"

    @property
    def tag(self) -> str:
        """As PGN has it: seconds, 300+3."""
        return f"{self.base_s:g}+{self.increment_s:g}" if self.increment_s else f"{self.base_s:g}"


def parse_time_control(text: str) -> TimeControl:
    """Minutes and seconds, as in 5+3, 10 or 0.5+1. ConfigError for anything else."""
    found = _read(text, 60.0)
    if found is None:
        raise ConfigError(
            f"no clock {text!r}: minutes and the seconds added after a move, as in 5+3 or 10"
        )
    return found


def read_tag(text: str) -> TimeControl | None:
    """The TimeControl tag of a PGN; None for none, and for those with several periods."""
    return _read(text, 1.0)


def _read(text: str, unit_s: float) -> TimeControl | None:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    base_s, increment_s = float(found.group(1)) * unit_s, float(found.group(2) or 0)
    fits = 0 < base_s <= MAX_BASE_S and increment_s <= MAX_INCREMENT_S
    return TimeControl(base_s, increment_s) if fits else None


class GameClock:
    """Two times, of which one or none runs."""

    def __init__(self, control: TimeControl, now: Callable[[], float]) -> None:
        """`now` gives seconds that never go back."""
        self.control = control
        self._now = now
        self._left = {chess.WHITE: control.base_s, chess.BLACK: control.base_s}
        self._since = 0.0
        self.running: chess.Color | None = None
        """Whose time runs."""

    def left_s(self, side: chess.Color) -> float:
        """Never below 0."""
        gone_s = self._now() - self._since if side == self.running else 0.0
        return max(0.0, self._left[side] - gone_s)

    @property
    def flagged(self) -> chess.Color | None:
        """Whose time is up."""
        side = self.running
        return side if side is not None and self.left_s(side) <= 0.0 else None

    def run(self, side: chess.Color | None) -> None:
        """Let the time of one side run; with None it stands."""
        if side != self.running:
            self._settle()
            self.running, self._since = side, self._now()

    def press(self) -> None:
        """The side whose time runs has moved: it gets its increment, and the clock stands."""
        side = self.running
        self._settle()
        if side is not None:
            self._left[side] += self.control.increment_s

    def set_back(self, left_s: Mapping[chess.Color, float]) -> None:
        """Show these times; the clock stands."""
        self.running = None
        self._left = dict(left_s)

    def _settle(self) -> None:
        if self.running is not None:
            self._left[self.running] = self.left_s(self.running)
        self.running = None


def clock_text(left_s: float) -> str:
    """'1:05:00', '4:32', and below ten seconds '0:09.4'; rounded so that 0 is only said at 0."""
    if left_s < 10.0:
        tenths = -int(-left_s * 10 // 1)
        return f"0:{tenths / 10:04.1f}"
    seconds = -int(-left_s // 1)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
