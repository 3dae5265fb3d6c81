"""How far a search moved away from the network's own opinion, and what that makes it worth.

KL(target || prior) is what the policy could learn from a position. Its mean is the first thing to
watch: near 0 the searches improve nothing, however well the loss falls.

Policy-surprise weighting (KataGo, `docs/KataGoMethods.md`) gives positions with a high divergence
more weight in the policy loss. KataGo writes such rows several times; here their weight is stored,
so that a position is presented, and paid for, as often as any other. The weights of a game sum to
what they were.

Shapes: P positions of one game, n legal moves.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

IDLE_SURPRISE: Final = 0.01
"""A mean divergence below this (nats) leaves the policy nothing to learn."""
_TINY: Final = 1e-30


def divergence(target: NDArray[np.float32], prior: NDArray[np.float32]) -> float:
    """KL(target || prior) in nats, of two distributions over the same n moves."""
    p = target.astype(np.float64)
    q = np.maximum(prior.astype(np.float64), _TINY)
    seen = p > 0
    return max(0.0, float((p[seen] * np.log(p[seen] / q[seen])).sum()))


def policy_weights(
    divergences: Sequence[float], weights: Sequence[float], frac: float
) -> NDArray[np.float64]:
    """float64[P]: `weights` with the share `frac` of their sum dealt out by divergence.

    (1 - frac) + frac * KL / mean KL times the weight; the mean is over the game, by weight, so
    positions of weight 0 neither count nor gain. NaN, where the network was never asked (a mate on
    the board), counts as the mean: nobody knows whether the target is news to it.
    """
    kl, base = np.array(divergences, np.float64), np.array(weights, np.float64)
    known = np.isfinite(kl)
    total = (kl[known] * base[known]).sum()
    if frac == 0.0 or total <= 0.0:
        return base
    mean = total / base[known].sum()
    factor = np.where(known, kl / mean, 1.0)
    return np.asarray(base * ((1.0 - frac) + frac * factor))
