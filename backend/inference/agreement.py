"""How far two evaluators differ on the same positions, in the terms of play.

Shapes: N positions, K move slots.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.config import InferenceConfig


@dataclass(frozen=True)
class Answers:
    """What an evaluator said of some positions."""

    logits_NK: NDArray[np.float32]
    wdl_N3: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Differences from the reference over a set of positions."""

    policy_kl: float
    """Mean KL divergence of the policy over legal moves from the reference's, nats."""
    top1_flips: float
    """Share of positions where another move has the highest prior (0 to 1)."""
    value_error: float
    """Mean absolute difference of win - loss (0 to 2)."""
    max_value_error: float

    def fault(self, limits: InferenceConfig) -> str:
        """What is beyond the limits, for people; empty when it agrees."""
        found = (
            ("policy KL", self.policy_kl, limits.max_policy_kl),
            ("top-1 flips", self.top1_flips, limits.max_top1_flips),
            ("value error", self.value_error, limits.max_value_error),
        )
        return ", ".join(f"{what} {x:.2g} > {limit:g}" for what, x, limit in found if x > limit)


def compare(reference: Answers, other: Answers, num_moves_N: NDArray[np.int16]) -> Agreement:
    """How `other` differs from `reference`; exactly zero when they are equal."""
    listed = np.arange(reference.logits_NK.shape[1]) < num_moves_N[:, None]
    wanted, got = log_policy(reference, listed), log_policy(other, listed)
    kl_N = np.where(listed, np.exp(wanted) * (wanted - got), 0).sum(axis=1)
    value_error_N = np.abs(value(reference) - value(other))
    return Agreement(
        # Rounding may leave a mean that is a little below zero.
        policy_kl=max(0.0, float(kl_N.mean())),
        top1_flips=float((wanted.argmax(axis=1) != got.argmax(axis=1)).mean()),
        value_error=float(value_error_N.mean()),
        max_value_error=float(value_error_N.max()),
    )


def log_policy(answers: Answers, listed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Logarithms of the probabilities of the listed moves, float64[N, K]."""
    logits = np.where(listed, answers.logits_NK.astype(np.float64), -1e9)
    logits -= logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return result


def value(answers: Answers) -> NDArray[np.float32]:
    """Win - loss, float32[N]."""
    found: NDArray[np.float32] = answers.wdl_N3[:, 0] - answers.wdl_N3[:, 2]
    return found
