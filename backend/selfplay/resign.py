"""When a decided game need not be played at full price: softly, or by resigning.

Soft (KataGo, `reduceVisits`): once every one of the last few searches says that the same side wins,
budgets shrink and positions count less. The game still ends on the board, so nothing can be wrong.

Hard (AlphaGo Zero, Leela Chess Zero): a side resigns when its own last few searches are all below a
threshold. A share of the games is played through whatever happens; they say how often a side that
would have resigned did not lose after all, and the threshold is the most eager one whose rate of
such false positives stays within the target. Until they are evidence enough nobody resigns.

Values are expected scores from -1 to 1.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from backend.config import SelfPlayConfig
from backend.replay.records import BLACK_WON, MIN_RESIGN_VALUE, WHITE_WON

_REMEMBERED_SIDES: Final = 2000
"""Two a game. Older ones were played by networks that are long gone."""


def decided(white_values: Sequence[float], config: SelfPlayConfig) -> float:
    """How decided a game is, 0 to 1, by its searches so far; the square as in KataGo."""
    threshold, plies = config.soft_resign_value, config.soft_resign_plies
    if threshold == 0.0 or len(white_values) < plies:
        return 0.0
    last = white_values[-plies:]
    agreed = max(min(last), -max(last))
    return float(min(1.0, max(0.0, (agreed - threshold) / (1.0 - threshold))) ** 2)


class Resignation:
    """Who may resign, and what the games that were played through say about it."""

    def __init__(self, config: SelfPlayConfig) -> None:
        self.threshold: float | None = None
        """A side whose values are all at or below minus this resigns; None: nobody does."""
        self.false_frac: float | None = None
        """Share of sides that would have resigned and did not lose; None without a threshold."""
        self._config = config
        self._sides: deque[tuple[float, bool]] = deque(maxlen=_REMEMBERED_SIDES)
        """For each side of a game played through: how sure of losing it ever was, and if it did."""

    @property
    def is_enabled(self) -> bool:
        return self._config.resign_false_frac > 0.0

    def plays_through(self, rng: np.random.Generator) -> bool:
        """Whether a new game must be finished on the board; all are until there is a threshold."""
        if not self.is_enabled or self.threshold is None:
            return True
        return bool(rng.random() < self._config.resign_playthrough_frac)

    def resigns(self, white_values: Sequence[float], *, black_moves: bool) -> bool:
        """Whether the side to move gives up; the last value is from its own search just now."""
        if self.threshold is None:
            return False
        own = _own_values(white_values, is_black=black_moves)[-self._config.resign_plies :]
        return len(own) == self._config.resign_plies and max(own) <= -self.threshold

    def observe(self, white_values: Sequence[float], *, black_moved: bool, result: int) -> None:
        """Learn from a game that was played through to a result; Black made the last search."""
        if not self.is_enabled:
            return
        for is_black, values in (
            (black_moved, white_values),
            (not black_moved, white_values[:-1]),
        ):
            trough = _trough(_own_values(values, is_black=is_black), self._config.resign_plies)
            if trough <= -MIN_RESIGN_VALUE:
                self._sides.append((trough, result == (WHITE_WON if is_black else BLACK_WON)))
        self._calibrate()

    def _calibrate(self) -> None:
        """Take the lowest threshold whose rate, by Laplace's rule of succession, is in the target.

        The rule asks for evidence: with a target of 5 % a first threshold needs 18 sides, none of
        them wrong.
        """
        self.threshold = self.false_frac = None
        if not self._sides:
            return
        troughs = np.array([trough for trough, _ in self._sides])
        order = np.argsort(troughs)
        troughs = troughs[order]
        num_false = np.cumsum([not self._sides[k][1] for k in order])
        num_sides = np.arange(1, len(troughs) + 1)
        is_last_of_equals = np.append(troughs[1:] > troughs[:-1], True)
        rate = (num_false + 1) / (num_sides + 2)
        fit = np.flatnonzero(is_last_of_equals & (rate <= self._config.resign_false_frac))
        if len(fit):
            self.threshold = float(-troughs[fit[-1]])
            self.false_frac = float(num_false[fit[-1]] / num_sides[fit[-1]])


def _own_values(white_values: Sequence[float], *, is_black: bool) -> list[float]:
    """Values, to itself, of the side that made the last of these searches; each ply has one."""
    sign = -1.0 if is_black else 1.0
    return [sign * value for value in white_values[::-1][::2]][::-1]


def _trough(own_values: Sequence[float], plies: int) -> float:
    """The highest threshold at which this side would have resigned, negated; 1 if at none."""
    if len(own_values) < plies:
        return 1.0
    windows = np.lib.stride_tricks.sliding_window_view(np.array(own_values), plies)
    return float(windows.max(axis=1).min())
