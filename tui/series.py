"""The values of one curve with their extremes at every coarseness, so that a million draw at once.

    level 0   the values themselves
    level k   least and greatest of every 8 entries of level k - 1; the last one may be of fewer

Knows neither steps nor times: a curve's x are looked up by the index of a value.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tui.raster import Average, Floats

FANOUT: Final = 8


class Band(NamedTuple):
    """Some neighbouring values, or the extremes of groups of them."""

    starts: npt.NDArray[np.intp]
    """Index of the first value of each group."""
    least: Floats
    greatest: Floats


class Series:
    """Grows at its end, and can be cut there. NaN is a gap; a group has one only if all are."""

    def __init__(self, values: Floats | None = None) -> None:
        self.values = np.empty(0)
        self._levels: list[tuple[Floats, Floats]] = []
        self._smooth: dict[float, tuple[Average, Series]] = {}
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return self.values.size

    @property
    def has_finite(self) -> bool:
        least = self._levels[-1][0] if self._levels else self.values
        return bool(np.isfinite(least).any())

    def extend(self, values: Floats) -> None:
        if not values.size:
            return
        kept = len(self)
        self.values = np.concatenate((self.values, values))
        least = greatest = self.values
        level = 0
        while least.size > FANOUT:
            kept //= FANOUT  # The group that was not full is made anew.
            if level == len(self._levels):
                self._levels.append((np.empty(0), np.empty(0)))
            known = self._levels[level]
            starts = np.arange(0, least.size - kept * FANOUT, FANOUT)
            low = np.fmin.reduceat(least[kept * FANOUT :], starts)
            high = np.fmax.reduceat(greatest[kept * FANOUT :], starts)
            least = np.concatenate((known[0][:kept], low))
            greatest = np.concatenate((known[1][:kept], high))
            self._levels[level] = (least, greatest)
            level += 1
        for average, smooth in self._smooth.values():
            smooth.extend(average.extended(values))

    def cut(self, length: int) -> None:
        """Forgets what comes after the first `length` values."""
        kept = self.values[:length]
        self.values, self._levels, self._smooth = np.empty(0), [], {}
        self.extend(kept)

    def smoothed(self, decay: float) -> "Series":
        """The bias-corrected moving average, kept and grown with the values."""
        if decay <= 0:
            return self
        if decay not in self._smooth:
            average = Average(decay)
            self._smooth[decay] = (average, Series(average.extended(self.values)))
        return self._smooth[decay][1]

    def band(self, first: int, last: int, most: int) -> Band:
        """Values `first` to `last` (exclusive), in at most about `most` groups."""
        size, level = 1, 0
        while (last - first) / size > most and level < len(self._levels):
            size *= FANOUT
            level += 1
        index = np.arange(first // size, -(-last // size))
        if level == 0:
            return Band(index, self.values[first:last], self.values[first:last])
        least, greatest = self._levels[level - 1]
        return Band(index * size, least[index], greatest[index])
