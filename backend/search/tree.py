"""The trees of many games in flat arrays, and what every search rule does with them.

One row of the arena is one game. A node is a position; its edges are its legal moves, side by side:

    nodes   0 (root)        1          2     ...      index within the game's row
            |  first_edge   |
    edges   0 1 2 ... 19 | 20 21 ... | ...            one slot for each legal move

Nearly all edges are never visited. So an edge is small (move, prior, child), and what a search adds
up for it (visits, values) is kept with the child that it leads to.

Below the root no rule looks at the unvisited edges one by one: they share one value, so the one
with the highest prior is the best of them, always. Edges are kept in an order that shows this:

    prior   .30 .25 .07 | .20 | .01 .12 .04 .01
            visited       best  the rest, in any order
            num_expanded  next

A rule reads `num_expanded + 1` edges instead of all. Only the root, where noise and halving decide,
is read in full and never reordered: what is kept for its moves elsewhere goes by their number.

Nodes are made in the order in which they are first visited, so a child's index is above its
parent's, and its edges lie behind its parent's. `roots.keep_subtree` relies on that.

Values belong to whoever is to move at the node; an edge's sums belong to the mover at its parent. A
node's `proven` is exact: it comes from the rules (mate, stalemate, draws) or from children that are
themselves proven, and no evaluation ever changes it.
"""

from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from model.rules import (
    gives_mate,
    halfmove_clock,
    legal_moves,
    make_move,
    outcome,
    set_repetitions,
    zobrist,
)
from model.rules.kernel import inlined

UNKNOWN: Final = 0
WIN: Final = 1
LOSS: Final = -1
DRAW: Final = 2
"""Proven results for the side to move."""

MAX_DEPTH: Final = 256
"""Longest line of one simulation, plies."""
MAX_HISTORY: Final = 256
"""Keys kept of the game before the root; a repetition never reaches further back than 100 plies."""
MIN_PRIOR: Final = 1e-37
"""Keeps the logarithm of every prior finite."""
_CHECKMATE: Final = 1
NO_OUTCOME: Final = 0
NO_PARENT: Final = cast(int, np.int64(-1))  # A plain -1 would be compiled as a type of its own.


class Arena(NamedTuple):
    """G games with room for N nodes and E edges each."""

    position: NDArray[np.uint64]
    """[G,N,8]; repetition bits filled in."""
    key: NDArray[np.uint64]
    """[G,N]"""
    parent: NDArray[np.int32]
    """[G,N]; -1 at the root."""
    first_edge: NDArray[np.int32]
    """[G,N]"""
    num_edges: NDArray[np.int16]
    """[G,N]; 0 where the game has ended."""
    num_expanded: NDArray[np.int16]
    """[G,N]; edges that have a child. Below the root they come first."""
    evaluated: NDArray[np.bool_]
    """[G,N]; priors and wdl are there."""
    proven: NDArray[np.int8]
    """[G,N]"""
    wdl: NDArray[np.float32]
    """[G,N,3]; the network's, or the exact one."""
    visits: NDArray[np.int32]
    """[G,N]; how often a simulation went through the edge that leads here."""
    value_sum: NDArray[np.float64]
    """[G,N]; of those simulations, for the mover at the parent."""
    draw_sum: NDArray[np.float64]
    """[G,N]; sum of draw probabilities."""
    move: NDArray[np.uint16]
    """[G,E]"""
    prior: NDArray[np.float32]
    """[G,E]; softmax of the network's logits, no less than MIN_PRIOR."""
    child: NDArray[np.int32]
    """[G,E]; -1 before the first visit."""
    num_nodes: NDArray[np.int32]
    """[G]"""
    used_edges: NDArray[np.int32]
    """[G]"""
    history: NDArray[np.uint64]
    """[G,MAX_HISTORY] keys of the game before the root, oldest first."""
    num_history: NDArray[np.int32]
    """[G]"""
    path_node: NDArray[np.int32]
    """[G,MAX_DEPTH+1] nodes of the simulation in progress, from the root to its leaf."""
    depth: NDArray[np.int32]
    """[G] plies on that path."""


def make_arena(num_games: int, max_nodes: int, max_edges: int) -> Arena:
    """An arena with no nodes; memory is taken by the system when rows are first used."""
    g, n, e = num_games, max_nodes, max_edges
    return Arena(
        position=np.zeros((g, n, 8), np.uint64),
        key=np.zeros((g, n), np.uint64),
        parent=np.zeros((g, n), np.int32),
        first_edge=np.zeros((g, n), np.int32),
        num_edges=np.zeros((g, n), np.int16),
        num_expanded=np.zeros((g, n), np.int16),
        evaluated=np.zeros((g, n), np.bool_),
        proven=np.zeros((g, n), np.int8),
        wdl=np.zeros((g, n, 3), np.float32),
        visits=np.zeros((g, n), np.int32),
        value_sum=np.zeros((g, n), np.float64),
        draw_sum=np.zeros((g, n), np.float64),
        move=np.zeros((g, e), np.uint16),
        prior=np.zeros((g, e), np.float32),
        child=np.zeros((g, e), np.int32),
        num_nodes=np.zeros(g, np.int32),
        used_edges=np.zeros(g, np.int32),
        history=np.zeros((g, MAX_HISTORY), np.uint64),
        num_history=np.zeros(g, np.int32),
        path_node=np.zeros((g, MAX_DEPTH + 1), np.int32),
        depth=np.zeros(g, np.int32),
    )


@inlined
def add_node(a: Arena, g: int, parent: int, mate_check: bool) -> int:
    """Finish the node whose position was just written at `num_nodes[g]`; returns its index.

    Fills key, repetitions, legal moves and, if the rules decide the position, `proven` and `wdl`.
    The arena must have room for MAX_LEGAL_MOVES more edges.
    """
    i = a.num_nodes[g]
    pos = a.position[g, i]
    key = zobrist(pos)
    a.key[g, i] = key
    a.parent[g, i] = parent
    repetitions = earlier_occurrences(a, g, parent, key, halfmove_clock(pos))
    set_repetitions(pos, repetitions)
    first = a.used_edges[g]
    moves = a.move[g, first:]
    n = legal_moves(pos, moves)
    ended = outcome(pos, n, repetitions)
    a.proven[g, i] = UNKNOWN
    a.evaluated[g, i] = False
    if ended == _CHECKMATE:
        _prove(a, g, i, LOSS)
    elif ended != NO_OUTCOME:
        _prove(a, g, i, DRAW)
    elif mate_check and gives_mate(pos, moves, n) >= 0:
        _prove(a, g, i, WIN)
    if ended != NO_OUTCOME:
        n = 0
    a.first_edge[g, i] = first
    a.num_edges[g, i] = n
    a.num_expanded[g, i] = 0
    a.visits[g, i] = 0
    a.value_sum[g, i] = 0.0
    a.draw_sum[g, i] = 0.0
    a.prior[g, first : first + n] = np.float32(1.0) / np.float32(max(1, n))
    a.child[g, first : first + n] = -1
    a.used_edges[g] = first + n
    a.num_nodes[g] = i + 1
    return i


@inlined
def expand(a: Arena, g: int, node: int, edge: int, mate_check: bool) -> int:
    """Make the move of an unvisited edge; returns the new child."""
    make_move(a.position[g, node], a.move[g, edge], a.position[g, a.num_nodes[g]])
    child = add_node(a, g, node, mate_check)
    a.child[g, edge] = child
    a.num_expanded[g, node] += 1
    if node != 0:
        _bring_best_forward(a, g, node)
    return child


@inlined
def _bring_best_forward(a: Arena, g: int, node: int) -> None:
    """Exchange the first unvisited edge with the one of the highest prior among them."""
    front = a.first_edge[g, node] + a.num_expanded[g, node]
    last = a.first_edge[g, node] + a.num_edges[g, node]
    if front >= last:
        return
    best = front
    for e in range(front + 1, last):
        if a.prior[g, e] > a.prior[g, best]:
            best = e
    a.prior[g, front], a.prior[g, best] = a.prior[g, best], a.prior[g, front]
    a.move[g, front], a.move[g, best] = a.move[g, best], a.move[g, front]


@inlined
def num_candidates(a: Arena, g: int, node: int) -> int:
    """How many of a node's first edges a rule must look at: all of the root's, else few."""
    n = a.num_edges[g, node]
    return n if node == 0 else min(n, a.num_expanded[g, node] + 1)


@inlined
def earlier_occurrences(a: Arena, g: int, parent: int, key: np.uint64, halfmove: int) -> int:
    """How often this position stood on the board since the last irreversible move: 0, 1 or 2.

    Looks at the tree's line above the node first, then at the game before the root.
    """
    found = 0
    back = 1
    node = parent
    while node >= 0 and back <= halfmove:
        if back % 2 == 0 and a.key[g, node] == key:
            found += 1
            if found == 2:
                return found
        node = a.parent[g, node]
        back += 1
    h = a.num_history[g] - 1
    while h >= 0 and back <= halfmove:
        if back % 2 == 0 and a.history[g, h] == key:
            found += 1
            if found == 2:
                return found
        h -= 1
        back += 1
    return found


@inlined
def _prove(a: Arena, g: int, i: int, proven: int) -> None:
    a.proven[g, i] = proven
    a.wdl[g, i, 0] = 1.0 if proven == WIN else 0.0
    a.wdl[g, i, 1] = 1.0 if proven == DRAW else 0.0
    a.wdl[g, i, 2] = 1.0 if proven == LOSS else 0.0


@inlined
def set_priors(a: Arena, g: int, i: int, logits: NDArray[np.float32]) -> bool:
    """Write the softmax of the first `num_edges` logits as priors; False if they are not finite."""
    first = a.first_edge[g, i]
    n = a.num_edges[g, i]
    highest = logits[0]
    for k in range(1, n):
        highest = max(highest, logits[k])
    total = np.float32(0.0)
    for k in range(n):
        share = np.exp(logits[k] - highest)
        a.prior[g, first + k] = share
        total += share
    if not np.isfinite(highest + total):
        return False
    for k in range(n):
        a.prior[g, first + k] = max(np.float32(MIN_PRIOR), a.prior[g, first + k] / total)
    if i != 0:
        _bring_best_forward(a, g, i)
    return True


@inlined
def backward(a: Arena, g: int, leaf: int) -> None:
    """Add the leaf's value along the path; where a result becomes proven, that is what goes up."""
    value = np.float64(a.wdl[g, leaf, 0]) - np.float64(a.wdl[g, leaf, 2])
    draw = np.float64(a.wdl[g, leaf, 1])
    below = leaf
    for d in range(a.depth[g] - 1, -1, -1):
        node = a.path_node[g, d]
        value = -value
        a.visits[g, below] += 1
        a.value_sum[g, below] += value
        a.draw_sum[g, below] += draw
        if a.proven[g, below] != UNKNOWN and a.proven[g, node] == UNKNOWN:
            _prove_from_children(a, g, node, a.proven[g, below])
        if a.proven[g, node] != UNKNOWN:
            value = np.float64(a.wdl[g, node, 0]) - np.float64(a.wdl[g, node, 2])
            draw = np.float64(a.wdl[g, node, 1])
        below = node


@inlined
def _prove_from_children(a: Arena, g: int, node: int, newest: int) -> None:
    """A lost reply wins; while a reply is open nothing else follows; then the best one counts."""
    if newest == LOSS:
        _prove(a, g, node, WIN)
        return
    if a.num_expanded[g, node] < a.num_edges[g, node]:
        return
    first = a.first_edge[g, node]
    has_draw = False
    for e in range(first, first + a.num_edges[g, node]):
        proven = a.proven[g, a.child[g, e]]
        if proven == UNKNOWN:
            return
        if proven == DRAW:
            has_draw = True
    _prove(a, g, node, DRAW if has_draw else LOSS)
