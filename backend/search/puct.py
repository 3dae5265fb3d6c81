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
from backend.search.tree import DRAW, LOSS, UNKNOWN, WIN, Arena, child_proven
from model.rules.kernel import kernel

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


@kernel
def exploration(rule: PuctRule, visits: int) -> float:
    """c(N) * sqrt(N): what a prior of 1 is worth to an edge without visits."""
    c = rule.c_puct + rule.c_factor * np.log((visits + rule.c_base + 1.0) / rule.c_base)
    return c * np.sqrt(max(1.0, np.float64(visits)))


@kernel
def edge_value(a: Arena, g: int, edge: int) -> float:
    """Q of a visited edge for the mover (-1 to 1): exact if its child is proven, else the mean."""
    proven = child_proven(a, g, edge)
    if proven == UNKNOWN:
        return a.value_sum[g, edge] / a.visits[g, edge]
    if proven == DRAW:
        return 0.0
    return 1.0 if proven == LOSS else -1.0


@kernel
def select_puct(a: Arena, g: int, node: int, rule: PuctRule) -> int:
    """The edge to follow. Edges that are proven to lose are taken only if no other is left."""
    first = a.first_edge[g, node]
    last = first + a.num_edges[g, node]
    visits = 0
    value_sum = 0.0
    visited_mass = 0.0
    for e in range(first, last):
        if a.visits[g, e] > 0:
            visits += a.visits[g, e]
            value_sum += a.value_sum[g, e]
            visited_mass += a.prior[g, e]
    own = np.float64(a.wdl[g, node, 0]) - np.float64(a.wdl[g, node, 2])
    parent_q = (own + value_sum) / (1 + visits)
    reduction = 0.0 if node == 0 else rule.fpu_reduction
    unvisited_q = max(-1.0, parent_q - reduction * np.sqrt(visited_mass))
    scale = exploration(rule, visits)
    best = first
    best_score = -np.inf
    for e in range(first, last):
        n = a.visits[g, e]
        q = edge_value(a, g, e) if n > 0 else unvisited_q
        score = q + scale * a.prior[g, e] / (1.0 + n)
        if child_proven(a, g, e) == WIN:
            score += _REFUTED
        if score > best_score:
            best_score = score
            best = e
    return best


@kernel
def mix_root_noise(a: Arena, g: int, noise: NDArray[np.float64], frac: float) -> None:
    """prior = (1 - frac) * network's + frac * noise at the root; frac 0 takes old noise away."""
    first = a.first_edge[g, 0]
    for k in range(a.num_edges[g, 0]):
        clean = np.exp(np.float64(a.log_prior[g, first + k]))
        a.prior[g, first + k] = (1.0 - frac) * clean + frac * noise[k]


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
