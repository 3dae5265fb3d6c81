"""How far an exported network is from the one it was made of, at its worst position.

Shapes: N positions, K move slots.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.inference.agreement import Answers, log_policy, value


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an artefact may differ by."""

    policy: float
    """Of the probability of any legal move."""
    flips_frac: float
    """Share of positions where another move may have the highest prior (0 to 1)."""
    value: float
    """Of win - loss (0 to 2)."""


FLOAT32: Final = Limits(policy=1e-3, flips_frac=0.002, value=1e-3)
"""Two libraries that add in another order; a flip is two moves that are as good as equal."""
FLOAT16: Final = Limits(policy=0.02, flips_frac=0.02, value=0.02)
"""Eleven bits of mantissa in every layer."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The greatest differences over a set of positions."""

    positions: int
    max_policy_error: float
    """The most that the probability of a legal move differs."""
    top1_flips: int
    """Positions where another legal move has the highest prior."""
    max_value_error: float
    """The most that win - loss differs."""

    def fault(self, limits: Limits) -> str:
        """What is beyond the limits, for people; empty when it agrees. No number is too much."""
        found = (
            ("max |Δp|", self.max_policy_error, limits.policy),
            ("first choices that differ", self.top1_flips / self.positions, limits.flips_frac),
            ("max |Δv|", self.max_value_error, limits.value),
        )
        return ", ".join(f"{what} {x:.2g} > {most:g}" for what, x, most in found if not x <= most)


def worst(reference: Answers, other: Answers, num_moves_N: NDArray[np.int16]) -> Parity:
    """How `other` differs from `reference`; an answer that is no number differs without end."""
    listed = np.arange(reference.logits_NK.shape[1]) < num_moves_N[:, None]
    wanted, got = log_policy(reference, listed), log_policy(other, listed)
    policy_error = np.where(listed, np.abs(np.exp(wanted) - np.exp(got)), 0)
    return Parity(
        positions=len(num_moves_N),
        max_policy_error=_greatest(policy_error),
        top1_flips=int((wanted.argmax(axis=1) != got.argmax(axis=1)).sum()),
        max_value_error=_greatest(np.abs(value(reference) - value(other))),
    )


def _greatest(errors: NDArray[np.floating]) -> float:
    return float(np.nan_to_num(errors, nan=np.inf).max())
