"""Elo with its interval from pairs of games.

Two games of a pair share an opening and are not independent, so the pair is the unit: it scores 0,
1/4, 1/2, 3/4 or 1 of its two points. The 95 % interval is that of the mean over pairs, after a lost
and a won pair were added (Agresti and Coull 1998, for proportions): it stays honest where all pairs
are alike.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

MAX_ELO: Final = 1200.0
"""Estimates are cut here: a score of 0 or 1 has no finite Elo."""
_Z95: Final = 1.959964
_SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


class Elo(NamedTuple):
    """Difference in Elo points, with the ends of its 95 % interval."""

    elo: float
    low: float
    high: float


def elo_of_score(score: float) -> float:
    """Logistic Elo difference of an expected score (0 to 1), within ±MAX_ELO."""
    if score <= 0:
        return -MAX_ELO
    if score >= 1:
        return MAX_ELO
    return max(-MAX_ELO, min(MAX_ELO, -400 * math.log10(1 / score - 1)))


def elo_of_pairs(pairs: Sequence[int]) -> Elo:
    """Estimate from the numbers of pairs that scored 0, 0.5, 1, 1.5 and 2 points."""
    if len(pairs) != 5 or any(count < 0 for count in pairs) or not any(pairs):
        raise ValueError(f"pairs = {pairs!r} must be five counts, not all zero")
    mean, error = _mean_and_error(pairs)
    low, high = elo_of_score(mean - _Z95 * error), elo_of_score(mean + _Z95 * error)
    score = sum(n * share for n, share in zip(pairs, _SHARES, strict=True)) / sum(pairs)
    elo = elo_of_score(score)
    return Elo(elo, min(low, elo), max(high, elo))


def los_of_pairs(pairs: Sequence[int]) -> float:
    """Likelihood of superiority: how probable it is that the expected score is above 1/2 (0 to 1).

    97.5 % is where the interval of `elo_of_pairs` leaves 0 out.
    """
    mean, error = _mean_and_error(pairs)
    return (1 + math.erf((mean - 0.5) / error / math.sqrt(2))) / 2


def _mean_and_error(pairs: Sequence[int]) -> tuple[float, float]:
    """Mean share of a pair and its standard error, with a lost and a won pair added."""
    padded = [pairs[0] + 1, *pairs[1:4], pairs[4] + 1]
    total = sum(padded)
    mean = sum(n * share for n, share in zip(padded, _SHARES, strict=True)) / total
    squares = sum(n * (share - mean) ** 2 for n, share in zip(padded, _SHARES, strict=True))
    return mean, math.sqrt(squares) / total
