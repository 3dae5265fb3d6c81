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

from backend.search.puct import child_value
from backend.search.tree import WIN, Arena, num_candidates
from model.rules.kernel import inlined, kernel

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


@inlined
def mixed_value(
    a: Arena, g: int, node: int, rule: GumbelRule, priors: NDArray[np.float32]
) -> tuple[float, float, int, float]:
    """What every rule needs of the visited edges: v_mix, the scale of q, their visits and mass."""
    first = a.first_edge[g, node]
    visits = 0
    most = 0
    mass = 0.0
    weighted = 0.0
    for k in range(num_candidates(a, g, node)):
        child = a.child[g, first + k]
        if child >= 0:
            visits += a.visits[g, child]
            most = max(most, a.visits[g, child])
            mass += priors[k]
            weighted += priors[k] * child_value(a, g, child)
    mixed = np.float64(a.wdl[g, node, 0]) - np.float64(a.wdl[g, node, 2])
    if mass > 0.0:
        mixed = (mixed + visits * weighted / mass) / (1 + visits)
    return mixed, (rule.c_visit + most) * rule.c_scale, visits, mass


@inlined
def completed_scores(
    a: Arena, g: int, rule: GumbelRule, logits: NDArray[np.float64], scores: NDArray[np.float64]
) -> None:
    """Write logit(a) + sigma(completed q(a)) for every edge of the root into `scores`."""
    first = a.first_edge[g, 0]
    n = a.num_edges[g, 0]
    mixed, scale, _, _ = mixed_value(a, g, 0, rule, a.prior[g, first : first + n])
    for k in range(n):
        child = a.child[g, first + k]
        q = mixed if child < 0 else child_value(a, g, child)
        scores[k] = logits[k] + scale * (q + 1.0) / 2.0


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


@inlined
def select_gumbel_root(
    a: Arena,
    g: int,
    rule: GumbelRule,
    logits: NDArray[np.float64],
    visits_before: NDArray[np.int32],
    wanted_visits: int,
    scores: NDArray[np.float64],
) -> int:
    """The root edge to follow: best score among those visited `wanted_visits` times in this search.

    `logits` are the log priors plus noise. `visits_before` are the visits that a kept subtree
    brought along: they inform q, but the halving counts only its own. Edges proven to lose are out;
    if no edge has the wanted count because of that, the least visited of the rest is taken.
    """
    first = a.first_edge[g, 0]
    n = a.num_edges[g, 0]
    completed_scores(a, g, rule, logits, scores)
    best = -1
    best_score = -np.inf
    spare = -1
    spare_visits = 0
    spare_score = -np.inf
    for k in range(n):
        score = scores[k]
        child = a.child[g, first + k]
        mine = 0
        if child >= 0:
            mine = a.visits[g, child] - visits_before[k]
            if a.proven[g, child] == WIN:
                score += _OUT
        if mine == wanted_visits and score > best_score and score > _OUT / 2:
            best = first + k
            best_score = score
        rank = mine if score > _OUT / 2 else 1 << 30
        if spare < 0 or rank < spare_visits or (rank == spare_visits and score > spare_score):
            spare = first + k
            spare_visits = rank
            spare_score = score
    return best if best >= 0 else spare


@inlined
def select_gumbel_interior(
    a: Arena, g: int, node: int, rule: GumbelRule, shares: NDArray[np.float64]
) -> int:
    """The edge whose visits lag most behind the improved policy; refuted ones come last.

    The softmax of log P + sigma is P * exp(sigma), divided by its sum. All unvisited edges share
    one sigma, so that their part of the sum is what is left of P: the exponentials are those of
    the visited edges and one more. `shares` is scratch.
    """
    first = a.first_edge[g, node]
    n = a.num_edges[g, node]
    candidates = num_candidates(a, g, node)
    priors = a.prior[g, first : first + n]
    mixed, scale, visits, mass = mixed_value(a, g, node, rule, priors)
    has_unvisited = a.num_expanded[g, node] < n
    highest = mixed if has_unvisited else -1.0
    for k in range(a.num_expanded[g, node]):
        shares[k] = child_value(a, g, a.child[g, first + k])
        highest = max(highest, shares[k])
    total = 0.0
    for k in range(a.num_expanded[g, node]):
        shares[k] = priors[k] * np.exp(scale * (shares[k] - highest) / 2.0)
        total += shares[k]
    if has_unvisited:
        unvisited = np.exp(scale * (mixed - highest) / 2.0)
        shares[candidates - 1] = priors[candidates - 1] * unvisited
        total += max(1.0 - mass, np.float64(priors[candidates - 1])) * unvisited
    best = first
    best_score = -np.inf
    for k in range(candidates):
        score = shares[k] / total
        child = a.child[g, first + k]
        if child >= 0:
            score -= a.visits[g, child] / (1.0 + visits)
            if a.proven[g, child] == WIN:
                score += _OUT
        if score > best_score:
            best_score = score
            best = first + k
    return best
