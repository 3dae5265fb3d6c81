"""The PUCT rule of AlphaZero: take the edge with the highest Q + U.

    U(a) = c(N) * P(a) * sqrt(N) / (1 + n(a)),   c(N) = c_puct + factor * ln((N + base + 1) / base)

N is the number of visits below the node, n(a) those of one edge (Silver et al. 2018, Science 362,
supplement; the growing c is from its pseudocode). Q lies in -1..1. An unvisited edge is taken for
the node's own value less `fpu_reduction` times the square root of the visited share of the policy,
as in Leela Chess Zero. At the root nothing is taken off: a network that knows nothing must have all
its moves tried there, or the target repeats the order of move generation.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.config import SearchConfig
from backend.search.tree import DRAW, LOSS, UNKNOWN, WIN, Arena, num_candidates
from model.rules.kernel import inlined

_REFUTED: Final = -1e9
_SHAPED_CAP: Final = 0.01
_TINY: Final = 1e-20


class PuctRule(NamedTuple):
    """The constants of the rule, as in SearchConfig."""

    c_puct: float
    c_base: float
    c_factor: float
    fpu_reduction: float
    forced_k: float


@inlined
def exploration(rule: PuctRule, visits: int) -> float:
    """c(N) * sqrt(N): what a prior of 1 is worth to an edge without visits."""
    c = rule.c_puct + rule.c_factor * np.log((visits + rule.c_base + 1.0) / rule.c_base)
    return c * np.sqrt(max(1.0, np.float64(visits)))


@inlined
def child_value(a: Arena, g: int, child: int) -> float:
    """Q of the edge to a visited child (-1 to 1): exact if the child is proven, else the mean."""
    proven = a.proven[g, child]
    if proven == UNKNOWN:
        return a.value_sum[g, child] / a.visits[g, child]
    if proven == DRAW:
        return 0.0
    return 1.0 if proven == LOSS else -1.0


@inlined
def select_puct(a: Arena, g: int, node: int, rule: PuctRule, priors: NDArray[np.float32]) -> int:
    """The edge to follow. Edges that are proven to lose are taken only if no other is left.

    `priors` are those of the node's edges, at the root with noise mixed in.
    """
    first = a.first_edge[g, node]
    candidates = num_candidates(a, g, node)
    visits = 0
    value_sum = 0.0
    visited_mass = 0.0
    for k in range(candidates):
        child = a.child[g, first + k]
        if child >= 0:
            visits += a.visits[g, child]
            value_sum += a.value_sum[g, child]
            visited_mass += priors[k]
    own = np.float64(a.wdl[g, node, 0]) - np.float64(a.wdl[g, node, 2])
    parent_q = (own + value_sum) / (1 + visits)
    reduction = 0.0 if node == 0 else rule.fpu_reduction
    unvisited_q = max(-1.0, parent_q - reduction * np.sqrt(visited_mass))
    scale = exploration(rule, visits)
    best = first
    best_score = -np.inf
    for k in range(candidates):
        child = a.child[g, first + k]
        if child < 0:
            score = unvisited_q + scale * priors[k]
        else:
            score = child_value(a, g, child) + scale * priors[k] / (1.0 + a.visits[g, child])
            if a.proven[g, child] == WIN:
                score += _REFUTED
        if score > best_score:
            best_score = score
            best = first + k
    return best


def noise_concentration(prior: NDArray[np.float64], config: SearchConfig) -> NDArray[np.float64]:
    """float64[n]: parameters of the Dirichlet noise over the root's moves.

    Alike for all moves, or shaped as in KataGo: half of the total is alike, the other half goes to
    moves whose log prior (capped at 1 %) is above the mean, in proportion. Noise then tries rather
    what the network holds possible.
    """
    n = len(prior)
    total = config.dirichlet_total or config.dirichlet_alpha * n
    shares = np.full(n, 1.0 / n)
    if config.dirichlet_shaped:
        log_prior = np.log(np.minimum(prior, _SHAPED_CAP) + _TINY)
        above = np.maximum(log_prior - log_prior.mean(), 0.0)
        if above.sum() > 0.0:
            shares = (shares + above / above.sum()) / 2.0
    return np.asarray(total * shares)
