"""Curves to dots: numpy only, knows neither Textual nor what is drawn.

P points, C dot columns, R dot rows (row 0 on top). A terminal cell holds 2 x 4 braille dots.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Dots = npt.NDArray[np.bool_]

DOTS_X: Final = 2
DOTS_Y: Final = 4
_BLOCK: Final = 64
_BRAILLE_BITS: Final = np.array(
    [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint16
)


def ema(y_P: Floats, decay: float) -> Floats:
    """Bias-corrected moving average: the first value counts fully. NaN stays NaN, unaveraged."""
    return Average(decay).extended(y_P)


@dataclass
class Average:
    """A moving average that goes on where it stopped."""

    decay: float
    mean: float = 0.0
    """Not yet corrected for its beginning at 0."""
    weight: float = 0.0
    """What the values so far weigh together, up to 1."""

    def extended(self, y_P: Floats) -> Floats:
        """The averages after each further value."""
        if self.decay <= 0:
            return y_P.copy()
        out = np.full(y_P.shape, np.nan)
        finite = ~np.isnan(y_P)
        values = y_P[finite]
        # Within a block by one matrix product, from block to block by hand: 1 M values in 30 ms.
        blocks = np.zeros((-(-values.size // _BLOCK), _BLOCK))
        blocks.reshape(-1)[: values.size] = values
        powers = self.decay ** np.arange(1, _BLOCK + 1)
        lag = np.subtract.outer(np.arange(_BLOCK), np.arange(_BLOCK))
        kernel = np.where(lag >= 0, (1 - self.decay) * self.decay ** np.maximum(lag, 0), 0.0)
        means = blocks @ kernel.T
        before = np.empty(len(blocks))
        mean = self.mean
        for i, last in enumerate(means[:, -1].tolist()):
            before[i] = mean
            mean = last + float(powers[-1]) * mean
        means += before[:, None] * powers
        flat = means.reshape(-1)[: values.size]
        left = (1 - self.weight) * self.decay ** np.arange(1, values.size + 1)
        out[finite] = flat / (1 - left)
        if values.size:
            self.mean, self.weight = float(flat[-1]), float(1 - left[-1])
        return out


def column_of(x_P: Floats, low: float, high: float, num_columns: int) -> npt.NDArray[np.intp]:
    """The column of each x; `low` falls in the first and `high` in the last."""
    if high <= low:
        return np.full(x_P.shape, num_columns - 1, dtype=np.intp)
    scaled = (x_P - low) / (high - low) * (num_columns - 1)
    return np.clip(np.rint(scaled), 0, num_columns - 1).astype(np.intp)


def decimate(
    x_P: Floats,
    y_P: Floats,
    low: float,
    high: float,
    num_columns: int,
    top_P: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Least and greatest y of every column, NaN where a column has none: no outlier is lost.

    `top_P` where a point stands for several: `y_P` is their least value, this their greatest.
    """
    least = np.full(num_columns, np.inf)
    greatest = np.full(num_columns, -np.inf)
    finite = np.isfinite(y_P)
    columns = column_of(x_P[finite], low, high, num_columns)
    np.minimum.at(least, columns, y_P[finite])
    np.maximum.at(greatest, columns, (y_P if top_P is None else top_P)[finite])
    empty = np.isinf(least)
    least[empty] = np.nan
    greatest[empty] = np.nan
    return least, greatest


def connect(
    x_P: Floats,
    y_P: Floats,
    low: float,
    high: float,
    num_columns: int,
    top_P: Floats | None = None,
) -> tuple[Floats, Floats]:
    """As `decimate`, with the columns between two neighbouring points filled by a straight line.

    A NaN between two points is a gap and stays one.
    """
    least, greatest = decimate(x_P, y_P, low, high, num_columns, top_P)
    columns = column_of(x_P, low, high, num_columns)
    finite = np.isfinite(y_P)
    starts = np.flatnonzero(finite & ~np.concatenate(([False], finite[:-1])))
    ends = np.flatnonzero(finite & ~np.concatenate((finite[1:], [False])))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        run = slice(start, end + 1)
        between = np.arange(columns[start], columns[end] + 1)
        hollow = between[np.isnan(least[between])]
        if hollow.size:
            filled = np.interp(hollow, columns[run], y_P[run])
            least[hollow] = filled
            greatest[hollow] = filled
    return least, greatest


def row_of(y: Floats, low: float, high: float, num_rows: int) -> Floats:
    """Dot row of each y as a whole number, 0 on top; NaN stays NaN, values outside are clipped."""
    if high <= low:
        return np.where(np.isnan(y), np.nan, float(num_rows // 2))
    scaled = (high - y) / (high - low) * (num_rows - 1)
    return np.clip(np.rint(scaled), 0, num_rows - 1)


def spans(top_C: Floats, bottom_C: Floats, num_rows: int, *, joined: bool) -> Dots:
    """Dots [R, C] with every column lit from `top` to `bottom` (rows); NaN columns stay dark.

    `joined` stretches a column towards its left neighbour, so that a steep line has no holes.
    """
    top, bottom = top_C.copy(), bottom_C.copy()
    if joined and top.size > 1:
        both = ~np.isnan(top_C[1:]) & ~np.isnan(top_C[:-1])
        drop = both & (top_C[1:] > bottom_C[:-1] + 1)
        rise = both & (bottom_C[1:] < top_C[:-1] - 1)
        top[1:][drop] = bottom_C[:-1][drop] + 1
        bottom[1:][rise] = top_C[:-1][rise] - 1
    rows = np.arange(num_rows)[:, None]
    lit: Dots = (rows >= top[None, :]) & (rows <= bottom[None, :])
    return lit


def dash(dots_RC: Dots, on: int, off: int) -> Dots:
    """The same line broken into dashes along x; `off` 0 leaves it whole."""
    if off <= 0:
        return dots_RC
    keep = np.arange(dots_RC.shape[1]) % (on + off) < on
    return dots_RC & keep[None, :]


def braille(dots_RC: Dots) -> npt.NDArray[np.uint16]:
    """Low byte of the braille character of every cell, [R / 4, C / 2]; 0 is an empty cell."""
    rows, columns = dots_RC.shape
    cells = dots_RC.reshape(rows // DOTS_Y, DOTS_Y, columns // DOTS_X, DOTS_X)
    packed: npt.NDArray[np.uint16] = np.einsum(
        "rycx,yx->rc", cells.astype(np.uint16), _BRAILLE_BITS
    )
    return packed


def ticks(low: float, high: float, count: int, *, log: bool = False) -> list[float]:
    """At most `count` round numbers within [low, high], rising.

    `log` takes 1, 2 and 5 of each decade as long as at least two of them fit.
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or count < 1:
        return []
    if log and low > 0:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [d * 10.0**k for k in range(first, last + 1) for d in digits]
            found = [t for t in found if low <= t <= high]
            if 2 <= len(found) <= count:
                return found
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 25.0, 50.0):
        step = factor * power
        start = math.ceil(low / step - 1e-9)
        end = math.floor(high / step + 1e-9)
        if end - start + 1 <= count:
            return [round(i * step, 12) for i in range(start, end + 1)]
    return []
