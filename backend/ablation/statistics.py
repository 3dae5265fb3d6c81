"""Means over seeds with their 95 % interval, by Student's t distribution.

    mean ± t · s / √n      s: standard deviation of the n values, n - 1 in the denominator

One value has no interval. Differences are taken seed by seed first: what a seed does to both arms
alike (the order of the data, the first weights) drops out.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95


class Estimate(NamedTuple):
    """A mean over seeds."""

    mean: float
    margin: float | None
    """Half of the width of the 95 % interval; None with one seed."""
    values: tuple[float, ...]
    """One a seed."""

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.margin is not None and abs(self.mean) > self.margin


def estimate(values: Sequence[float]) -> Estimate:
    """Of at least one value."""
    margin = None
    if len(values) > 1:
        margin = student_t(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(fmean(values), margin, tuple(values))


def student_t(freedom: int) -> float:
    """The t that a variable with so many degrees of freedom exceeds in size in 5 % of cases."""
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """P(|T| < t): Abramowitz and Stegun 26.7.3 and 26.7.4, finite sums for whole degrees."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    first = freedom % 2
    total, term = 0.0, cosine if first else 1.0
    for power in range(first, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    if first:
        return 2 / math.pi * (angle + sine * total)
    return sine * total
