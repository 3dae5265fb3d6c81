"""The Gumbel rule: search a sample of the root's moves by sequential halving.

Danihelka et al. 2022, "Policy improvement by planning with Gumbel" (ICLR). At the root, m moves
with the highest g(a) + log P(a) are looked at, g being Gumbel(0) noise; half of them are dropped at
each stage, by g(a) + log P(a) + sigma(q(a)):

    visits   m = 4, n = 16 simulations
      0  | a b c d      each stage gives every survivor the same number of visits
      2  | a   c
      6  | a            `visit_sequence` writes down how many visits the next move must have

Below the root the edge is taken whose visits lag most behind the improved policy
softmax(log P + sigma(q)), which is also the training target. A move that was never visited gets the
mixed value v_mix. q is scaled to 0..1, and sigma(q) = (c_visit + max visits) * c_scale * q.
"""

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.search.puct import edge_value
from backend.search.tree import WIN, Arena, child_proven
from model.rules.kernel import kernel

_OUT: Final = -1e9


class GumbelRule(NamedTuple):
    """The constants of sigma, as in SearchConfig."""

    c_visit: float
    c_scale: float


@lru_cache(maxsize=1024)
def visit_sequence(num_considered: int, simulations: int) -> tuple[int, ...]:
    """For each simulation, how many visits the move that it tries has had before.

    Sequential halving written as a table: the k-th simulation goes to the best-scored move among
    those with exactly `sequence[k]` visits.
    """
    if num_considered <= 1:
        return tuple(range(simulations))
    stages = math.ceil(math.log2(num_considered))
    visits = [0] * num_considered
    considered = num_considered
    sequence: list[int] = []
    while len(sequence) < simulations:
        for _ in range(max(1, simulations // (stages * considered))):
            sequence.extend(visits[:considered])
            for k in range(considered):
                visits[k] += 1
        considered = max(2, considered // 2)
    return tuple(sequence[:simulations])


@kernel
def completed_scores(
    a: Arena, g: int, node: int, rule: GumbelRule, scores: NDArray[np.float64]
) -> None:
    """Write log P(a) + sigma(completed q(a)) for every edge of the node into `scores`."""
    first = a.first_edge[g, node]
    n = a.num_edges[g, node]
    visits = 0
    most = 0
    mass = 0.0
    weighted = 0.0
    for e in range(first, first + n):
        if a.visits[g, e] > 0:
            visits += a.visits[g, e]
            most = max(most, a.visits[g, e])
            prior = np.exp(np.float64(a.log_prior[g, e]))
            mass += prior
            weighted += prior * edge_value(a, g, e)
    mixed = np.float64(a.wdl[g, node, 0]) - np.float64(a.wdl[g, node, 2])
    if mass > 0.0:
        mixed = (mixed + visits * weighted / mass) / (1 + visits)
    scale = (rule.c_visit + most) * rule.c_scale
    for k in range(n):
        e = first + k
        q = edge_value(a, g, e) if a.visits[g, e] > 0 else mixed
        scores[k] = np.float64(a.log_prior[g, e]) + scale * (q + 1.0) / 2.0


@kernel
def softmax(scores: NDArray[np.float64], n: int) -> None:
    """Turn the first n scores into probabilities, in place."""
    highest = scores[0]
    for k in range(1, n):
        highest = max(highest, scores[k])
    total = 0.0
    for k in range(n):
        scores[k] = np.exp(scores[k] - highest)
        total += scores[k]
    for k in range(n):
        scores[k] /= total


@kernel
def select_gumbel_root(
    a: Arena,
    g: int,
    rule: GumbelRule,
    noise: NDArray[np.float64],
    visits_before: NDArray[np.int32],
    wanted_visits: int,
    scores: NDArray[np.float64],
) -> int:
    """The root edge to follow: best score among those visited `wanted_visits` times in this search.

    `visits_before` are the visits that a kept subtree brought along: they inform q, but the halving
    counts only its own. Edges proven to lose are out; if no edge has the wanted count because of
    that, the least visited of the rest is taken.
    """
    first = a.first_edge[g, 0]
    n = a.num_edges[g, 0]
    completed_scores(a, g, 0, rule, scores)
    best = -1
    best_score = -np.inf
    spare = -1
    spare_visits = 0
    spare_score = -np.inf
    for k in range(n):
        e = first + k
        score = noise[k] + scores[k]
        if child_proven(a, g, e) == WIN:
            score += _OUT
        mine = a.visits[g, e] - visits_before[k]
        if mine == wanted_visits and score > best_score and score > _OUT / 2:
            best = e
            best_score = score
        rank = mine if score > _OUT / 2 else 1 << 30
        if spare < 0 or rank < spare_visits or (rank == spare_visits and score > spare_score):
            spare = e
            spare_visits = rank
            spare_score = score
    return best if best >= 0 else spare


@kernel
def select_gumbel_interior(
    a: Arena, g: int, node: int, rule: GumbelRule, scores: NDArray[np.float64]
) -> int:
    """The edge whose visits lag most behind the improved policy; refuted ones come last."""
    first = a.first_edge[g, node]
    n = a.num_edges[g, node]
    completed_scores(a, g, node, rule, scores)
    softmax(scores, n)
    visits = 0
    for e in range(first, first + n):
        visits += a.visits[g, e]
    best = first
    best_score = -np.inf
    for k in range(n):
        e = first + k
        score = scores[k] - a.visits[g, e] / (1.0 + visits)
        if child_proven(a, g, e) == WIN:
            score += _OUT
        if score > best_score:
            best_score = score
            best = e
    return best
