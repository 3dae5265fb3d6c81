"""Many leaves of one position for one batch: simulations that are in flight count as lost visits.

    gather   root ─► a ─► b ─► leaf 1     the way there is marked; marks count as lost visits,
             root ─► a ─► c ─► leaf 2     so that the next simulation goes another way
    settle   root ◄─ a ◄─ b ◄─ leaf 1     answers in, marks off, values along each path

A simulation may all the same meet a leaf that is in flight already. It then only leaves its mark,
for this batch, and is counted as a collision: no position is judged twice.

Where the rules decide, nothing is in flight: such a simulation is backed up at once. At the root
nothing is ever decided: a person may ask about any position that has legal moves.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.search.lockstep import Batch
from backend.search.puct import PuctRule, child_value, exploration
from backend.search.tree import (
    LOSS,
    MAX_DEPTH,
    UNKNOWN,
    WIN,
    Arena,
    backward,
    expand,
    num_candidates,
    set_priors,
)
from model.encoding.moves import policy_indices
from model.rules import MAX_LEGAL_MOVES, legal_moves
from model.rules.kernel import inlined, kernel

COLLISIONS, SIMULATIONS, DEPTH_SUM, DEEPEST, TOTAL_COLLISIONS = range(5)
"""Places in `Flights.counts`; the first counts one batch, the others the whole search."""
_NUM_COUNTS: Final = 5
_NOTHING_OPEN: Final = -1
_REFUTED: Final = -1e9
_IDLE_FACTOR: Final = 16
"""Simulations that one `gather` makes at most for each leaf it wants: decided lines cost little."""


class Flights(NamedTuple):
    """What is on its way in one tree of N nodes, B leaves a batch."""

    in_flight: NDArray[np.int32]
    """[N] simulations under way through the edge that leads here; all 0 between two steps."""
    allowed: NDArray[np.bool_]
    """[256] moves of the root, by number, that may be searched."""
    collided: NDArray[np.int32]
    """[B] leaves met again in this batch, as often as that happened."""
    counts: NDArray[np.int64]


def make_flights(max_nodes: int, max_batch: int) -> Flights:
    """Nothing is in flight; every move of the root may be searched."""
    return Flights(
        in_flight=np.zeros(max_nodes, np.int32),
        allowed=np.ones(256, np.bool_),
        collided=np.zeros(max_batch, np.int32),
        counts=np.zeros(_NUM_COUNTS, np.int64),
    )


@kernel
def open_root(a: Arena, g: int) -> int:
    """Make the root one that can be searched, whatever is decided there; returns its legal moves.

    After a draw by rule it has none in the tree: they are generated. With 0 the game has ended.
    """
    n = int(np.int64(a.num_edges[g, 0]))
    if n == 0:
        first = int(np.int64(a.used_edges[g]))
        n = legal_moves(a.position[g, 0], a.move[g, first:])
        a.first_edge[g, 0] = first
        a.num_edges[g, 0] = n
        a.prior[g, first : first + n] = np.float32(1.0) / np.float32(max(1, n))
        a.child[g, first : first + n] = -1
        a.used_edges[g] = first + n
    if n > 0:
        a.proven[g, 0] = UNKNOWN
    return n


@kernel
def gather(
    a: Arena,
    g: int,
    f: Flights,
    rule: PuctRule,
    mate_check: bool,
    mover_orientation: bool,
    b: Batch,
    wanted: int,
    stop_at_nodes: int,
) -> int:
    """Fill at most `wanted` rows of the batch with different leaves; returns how many.

    Stops early when the tree has `stop_at_nodes` nodes, when it is full, and when every move of the
    root that may be searched is decided.
    """
    f.counts[COLLISIONS] = 0
    rows = 0
    if not a.evaluated[g, 0]:
        _write_row(a, g, b, rows, 0, mover_orientation)
        return 1
    max_nodes = min(a.key.shape[1] - 1, stop_at_nodes)
    max_edges = a.move.shape[1] - MAX_LEGAL_MOVES
    left = _IDLE_FACTOR * wanted
    while rows < wanted and f.counts[COLLISIONS] < wanted and left > 0:
        if a.num_nodes[g] >= max_nodes or a.used_edges[g] > max_edges:
            break
        leaf = _descend(a, g, f, rule, mate_check)
        if leaf == _NOTHING_OPEN:
            break
        left -= 1
        if a.proven[g, leaf] != UNKNOWN or a.evaluated[g, leaf]:
            backward(a, g, leaf)
            _count(f, a.depth[g])
            continue
        if f.in_flight[leaf] == 0:
            _write_row(a, g, b, rows, leaf, mover_orientation)
            rows += 1
        else:
            f.collided[f.counts[COLLISIONS]] = leaf
            f.counts[COLLISIONS] += 1
        _mark(a, g, f, leaf, 1)
    return rows


@kernel
def settle(
    a: Arena,
    g: int,
    f: Flights,
    b: Batch,
    rows: int,
    logits: NDArray[np.float32],
    wdl: NDArray[np.float32],
) -> bool:
    """Take the answers to what was gathered; afterwards nothing is in flight.

    False, with the tree of no more use, if an answer is not finite.
    """
    for row in range(rows):
        leaf = int(np.int64(b.node[row]))
        if not np.isfinite(wdl[row, 0] + wdl[row, 1] + wdl[row, 2]):
            return False
        if not set_priors(a, g, leaf, logits[row]):
            return False
        for w in range(3):
            a.wdl[g, leaf, w] = wdl[row, w]
        a.evaluated[g, leaf] = True
        if leaf != 0:
            _mark(a, g, f, leaf, -1)
            _find_path(a, g, leaf)
            backward(a, g, leaf)
            _count(f, a.depth[g])
    for k in range(f.counts[COLLISIONS]):
        _mark(a, g, f, f.collided[k], -1)
    f.counts[TOTAL_COLLISIONS] += f.counts[COLLISIONS]
    f.counts[COLLISIONS] = 0
    return True


@inlined
def _write_row(a: Arena, g: int, b: Batch, row: int, leaf: int, mover_orientation: bool) -> None:
    n = a.num_edges[g, leaf]
    first = a.first_edge[g, leaf]
    b.node[row] = leaf
    b.num_moves[row] = n
    for w in range(8):
        b.position[row, w] = a.position[g, leaf, w]
    policy_indices(
        a.position[g, leaf], a.move[g, first : first + n], n, mover_orientation, b.move_index[row]
    )


@inlined
def _descend(a: Arena, g: int, f: Flights, rule: PuctRule, mate_check: bool) -> int:
    """From the root to a new node, a decided one, one in flight, or the depth limit."""
    node = int(np.int64(0))
    depth = 0
    while True:
        edge = _select(a, g, node, f, rule)
        if edge == _NOTHING_OPEN:
            return edge
        a.path_node[g, depth] = node
        depth += 1
        a.depth[g] = depth
        child = int(np.int64(a.child[g, edge]))
        if child < 0:
            return expand(a, g, node, edge, mate_check)
        if a.proven[g, child] != UNKNOWN or not a.evaluated[g, child] or depth == MAX_DEPTH:
            return child
        node = child


@inlined
def _select(a: Arena, g: int, node: int, f: Flights, rule: PuctRule) -> int:
    """The edge to follow by PUCT, with first-play reduction also at the root.

    At the root moves that are proven to win or to lose need no more visits; elsewhere those that
    lose come last. _NOTHING_OPEN when no move is left.
    """
    first = int(np.int64(a.first_edge[g, node]))
    candidates = num_candidates(a, g, node)
    visits = int(np.int64(0))
    flying = int(np.int64(0))
    value_sum = 0.0
    visited_mass = 0.0
    for k in range(candidates):
        child = a.child[g, first + k]
        if child >= 0:
            visits += a.visits[g, child]
            flying += f.in_flight[child]
            value_sum += a.value_sum[g, child]
            visited_mass += a.prior[g, first + k]
    own = np.float64(a.wdl[g, node, 0]) - np.float64(a.wdl[g, node, 2])
    parent_q = (own + value_sum) / (1 + visits)
    unvisited_q = max(-1.0, parent_q - rule.fpu_reduction * np.sqrt(visited_mass))
    scale = exploration(rule, visits + flying)
    best = int(np.int64(_NOTHING_OPEN))
    best_score = -np.inf
    for k in range(candidates):
        if node == 0 and not f.allowed[k]:
            continue
        child = a.child[g, first + k]
        prior = a.prior[g, first + k]
        if child < 0:
            score = unvisited_q + scale * prior
        else:
            proven = a.proven[g, child]
            if node == 0 and proven in (WIN, LOSS):
                continue
            n = a.visits[g, child] + f.in_flight[child]
            if proven == UNKNOWN:
                q = (a.value_sum[g, child] - f.in_flight[child]) / n
            else:
                q = child_value(a, g, child)
            score = q + scale * prior / (1.0 + n)
            if proven == WIN:
                score += _REFUTED
        if score > best_score:
            best_score = score
            best = first + k
    return best


@inlined
def _mark(a: Arena, g: int, f: Flights, leaf: int, by: int) -> None:
    """Add `by` to the marks on the way from the root to the leaf."""
    node = int(np.int64(leaf))
    while node > 0:
        f.in_flight[node] += by
        node = int(np.int64(a.parent[g, node]))


@inlined
def _find_path(a: Arena, g: int, leaf: int) -> None:
    """Write the way from the root to the leaf as the path of the simulation in progress."""
    depth = 0
    node = int(np.int64(leaf))
    while node > 0:
        node = int(np.int64(a.parent[g, node]))
        depth += 1
    a.depth[g] = depth
    node = int(np.int64(leaf))
    for d in range(depth - 1, -1, -1):
        node = int(np.int64(a.parent[g, node]))
        a.path_node[g, d] = node


@inlined
def _count(f: Flights, depth: int) -> None:
    f.counts[SIMULATIONS] += 1
    f.counts[DEPTH_SUM] += depth
    f.counts[DEEPEST] = max(f.counts[DEEPEST], depth)


@kernel
def mate_plies(a: Arena, g: int, plies: NDArray[np.int16]) -> None:
    """int16[N]: plies to mate of each node that is proven won or lost, -1 for all others.

    The shortest win and the longest defence that the tree holds, which may be longer than the best.
    A child's index is above its parent's, so one pass from the end sees children first.
    """
    for i in range(a.num_nodes[g] - 1, -1, -1):
        plies[i] = -1
        proven = a.proven[g, i]
        first = a.first_edge[g, i]
        if proven == WIN:
            shortest = int(np.int64(-1))
            for e in range(first, first + a.num_edges[g, i]):
                child = a.child[g, e]
                if child >= 0 and a.proven[g, child] == LOSS:
                    found = int(np.int64(plies[child])) + 1
                    if shortest < 0 or found < shortest:
                        shortest = found
            # Without such a child it was the look for a mate in one that decided.
            plies[i] = max(shortest, 1)
        elif proven == LOSS:
            longest = int(np.int64(0))
            for e in range(first, first + a.num_edges[g, i]):
                child = a.child[g, e]
                if child >= 0:
                    longest = max(longest, int(np.int64(plies[child])) + 1)
            plies[i] = longest
