"""A sequential test between two Elo differences, from pairs of games.

Generalised sequential probability ratio test on the pentanomial: the five counts of pairs that
scored 0, 1/2, 1, 3/2 and 2 points. The likelihood of each hypothesis is that of the most likely
distribution over the five which fulfils it. Theory: M. Van den Bergh, "A note on maximum likelihood
estimation for the multinomial distribution" (Proposition 1.1, logistic Elo), "Normalized Elo" and
its sequel on practice (4.1); empty counts are taken for 1/1000, as fishtest does, whose published
values the tests hold this against. Wald's bounds are crossed by a little more than they ask for:
without a correction for it, the errors are somewhat below alpha and beta.

Counts are numpy arrays [..., 5], so that thousands of matches can be simulated at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Scale = Literal["normalised", "logistic"]
Decision = Literal["elo0", "elo1", ""]
"""Which hypothesis is accepted; empty while neither is."""
Array = npt.NDArray[np.float64]

NORMALISED_ELO: Final = 800 / math.log(10)
"""Normalised Elo of a score that lies one standard deviation of a game above 1/2."""
SHARES: Final = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
"""Share of its two points that a pair of each kind scored."""
_EMPTY: Final = 1e-3
_MAX_ROUNDS: Final = 50


class Bounds(NamedTuple):
    """Of the log-likelihood ratio, natural logarithm."""

    low: float
    """Here and below, `elo0` is accepted."""
    high: float
    """Here and above, `elo1` is accepted."""


@dataclass(frozen=True, kw_only=True)
class Sprt:
    """Whether the difference is `elo0` or `elo1`, the greater one."""

    elo0: float = 0.0
    elo1: float = 10.0
    alpha: float = 0.05
    """Probability of accepting `elo1` when the difference is `elo0`."""
    beta: float = 0.05
    """Probability of accepting `elo0` when the difference is `elo1`."""
    scale: Scale = "normalised"
    """normalised: the excess score over the standard deviation of a game; it says how many games a
    proof takes, whatever the share of draws. logistic: the usual Elo of the score."""

    @property
    def bounds(self) -> Bounds:
        low = math.log(self.beta / (1 - self.alpha))
        return Bounds(low, math.log((1 - self.beta) / self.alpha))

    def llr(self, pairs: Sequence[int]) -> float:
        """Log-likelihood ratio of `elo1` against `elo0`; 0 before the first pair."""
        return float(self.llrs(np.asarray(pairs, np.float64)))

    def llrs(self, counts: Array) -> Array:
        """The same for many matches at once: [..., 5] -> [...]."""
        total = counts.sum(-1, keepdims=True)
        kept = np.where(counts > 0, counts, _EMPTY)
        weight = kept.sum(-1, keepdims=True)
        seen = kept / weight
        fit = _with_score if self.scale == "logistic" else _with_excess
        ratio = np.log(fit(seen, self._target(self.elo1)) / fit(seen, self._target(self.elo0)))
        llr = np.where(total > 0, weight * seen * ratio, 0.0).sum(-1)
        return np.asarray(llr, np.float64)

    def decide(self, llr: float) -> Decision:
        low, high = self.bounds
        return "elo1" if llr >= high else "elo0" if llr <= low else ""

    def _target(self, elo: float) -> float:
        """The score; on the normalised scale, the excess over 1/2 in deviations of a pair."""
        if self.scale == "logistic":
            return float(1 / (1 + 10 ** (-elo / 400)))
        return elo / NORMALISED_ELO * math.sqrt(2)  # A pair's share deviates by 1/√2 of a game's.

    def __str__(self) -> str:
        unit = "normalised Elo" if self.scale == "normalised" else "Elo"
        return f"{self.elo0:+g} against {self.elo1:+g} {unit}"


def _with_score(seen: Array, score: float) -> Array:
    """The most likely distribution with this expected share, given the observed one [..., 5]."""
    return _balanced(seen, np.broadcast_to(SHARES - score, seen.shape))


def _with_excess(seen: Array, excess: float) -> Array:
    """The most likely one whose mean lies `excess` standard deviations above 1/2.

    The condition is not linear in the probabilities: it is linearised at the last solution until
    nothing changes.
    """
    fitted = np.full_like(seen, 0.2)
    for _ in range(_MAX_ROUNDS):
        mean = (fitted * SHARES).sum(-1, keepdims=True)
        deviation = np.sqrt((fitted * (SHARES - mean) ** 2).sum(-1, keepdims=True))
        condition = SHARES - 0.5 - excess * (deviation + (SHARES - mean) ** 2 / deviation) / 2
        before, fitted = fitted, _balanced(seen, condition)
        if np.abs(fitted - before).max() < 1e-10:
            break
    return fitted


def _balanced(seen: Array, condition: Array) -> Array:
    """The most likely distribution under which `condition` [..., 5] has the mean 0.

    It is seen / (1 + x · condition). The mean falls as x rises between the two poles: Newton's
    steps, and half the way to a pole where one would lead beyond it.
    """
    low = -1 / condition.max(-1, keepdims=True)
    high = -1 / condition.min(-1, keepdims=True)
    x = np.zeros_like(low)
    for _ in range(_MAX_ROUNDS):
        part = condition / (1 + x * condition)
        mean = (seen * part).sum(-1, keepdims=True)
        low, high = np.where(mean > 0, x, low), np.where(mean > 0, high, x)
        before, x = x, x + mean / (seen * part**2).sum(-1, keepdims=True)
        x = np.where((low < x) & (x < high), x, (low + high) / 2)
        if (np.abs(x - before) <= 1e-12 * (1 + np.abs(x))).all():
            break
    fitted: Array = seen / (1 + x * condition)
    return fitted
