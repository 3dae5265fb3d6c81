"""Forced playouts under the puct rule, and their removal from the training target.

Wu 2019, "Accelerating self-play learning in Go", section 3.2. In a search with root noise every
root move that was tried once is tried again until it has

    n_forced(a) = sqrt(k * P(a) * N)

visits, so that noise finds out about moves which the value at first glance would bury. What was
only forced must not be taught: of every move but the most visited one, up to n_forced visits are
taken off the target again, as far as the rule would not have given them by itself, and a move that
this leaves with a single visit is dropped.
"""

import numpy as np
from numpy.typing import NDArray

from backend.search.puct import PuctRule, exploration
from backend.search.tree import WIN, Arena
from model.rules.kernel import inlined


@inlined
def forced_edge(a: Arena, g: int, priors: NDArray[np.float32], k: float) -> int:
    """A root edge that lags behind its forced visits; -1 if none does. Refuted ones never do."""
    first = a.first_edge[g, 0]
    total = 0
    for e in range(first, first + a.num_edges[g, 0]):
        child = a.child[g, e]
        if child >= 0:
            total += a.visits[g, child]
    for number in range(a.num_edges[g, 0]):
        child = a.child[g, first + number]
        if child < 0 or a.proven[g, child] == WIN:
            continue
        if 0 < a.visits[g, child] < np.sqrt(k * priors[number] * total):
            return first + number
    return -1


def pruned_visits(
    visits: NDArray[np.int32],
    q: NDArray[np.float32],
    prior: NDArray[np.float32],
    rule: PuctRule,
) -> NDArray[np.int64]:
    """int64[n]: visits of the root's moves without those that were only forced.

    `prior` is the one that the search used, noise included; `q` is NaN where there are no visits.
    The most visited move keeps all of its own.
    """
    total = int(visits.sum())
    kept = visits.astype(np.int64)
    if total == 0:
        return kept
    best = int(np.argmax(visits))
    bonus = exploration(rule, total) * prior.astype(np.float64)
    gap = q[best] + bonus[best] / (1 + kept[best]) - np.nan_to_num(q, nan=-1.0)
    # PUCT of a move with n visits stays below the best one's while n > bonus / gap - 1.
    with np.errstate(divide="ignore", invalid="ignore"):
        earned = np.where(gap > 0, np.floor(bonus / gap), np.inf)
    forced = np.floor(np.sqrt(rule.forced_k * prior.astype(np.float64) * total))
    reduced = np.minimum(kept, np.maximum(kept - forced, earned)).astype(np.int64)
    reduced[(reduced <= 1) & (reduced < kept)] = 0
    reduced[best] = kept[best]
    return reduced
