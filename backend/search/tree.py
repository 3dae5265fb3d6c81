"""The trees of many games in flat arrays, and what every search rule does with them.

One row of the arena is one game. A node is a position; its edges are its legal moves, side by side:

    nodes   0 (root)        1          2     ...      index within the game's row
            |  first_edge   |
    edges   0 1 2 ... 19 | 20 21 ... | ...            one slot for each legal move

Nodes are made in the order in which they are first visited, so a child's index is above its
parent's, and its edges lie behind its parent's. `keep_subtree` relies on that: moving the root to a
child is one pass that slides the survivors down.

Values belong to whoever is to move at the node; an edge's sums belong to the mover at its parent. A
node's `proven` is exact: it comes from the rules (mate, stalemate, draws) or from children that are
themselves proven, and no evaluation ever changes it.
"""

from typing import Final, NamedTuple

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
from model.rules.kernel import kernel

UNKNOWN: Final = 0
WIN: Final = 1
LOSS: Final = -1
DRAW: Final = 2
"""Proven results for the side to move."""

MAX_DEPTH: Final = 256
"""Longest line of one simulation, plies."""
MAX_HISTORY: Final = 256
"""Keys kept of the game before the root; a repetition never reaches further back than 100 plies."""
_CHECKMATE: Final = 1
_NO_OUTCOME: Final = 0


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
    evaluated: NDArray[np.bool_]
    """[G,N]; priors and wdl are there."""
    proven: NDArray[np.int8]
    """[G,N]"""
    wdl: NDArray[np.float32]
    """[G,N,3]; the network's, or the exact one."""
    move: NDArray[np.uint16]
    """[G,E]"""
    log_prior: NDArray[np.float32]
    """[G,E]; log softmax of the network's logits."""
    prior: NDArray[np.float32]
    """[G,E]; exp(log_prior), with root noise mixed in while a noisy search runs."""
    visits: NDArray[np.int32]
    """[G,E]"""
    value_sum: NDArray[np.float64]
    """[G,E]"""
    draw_sum: NDArray[np.float64]
    """[G,E]; sum of draw probabilities."""
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
    """[G,MAX_DEPTH+1] nodes of the simulation in progress."""
    path_edge: NDArray[np.int32]
    """[G,MAX_DEPTH+1] edges taken from them."""
    depth: NDArray[np.int32]
    """[G] edges on that path."""


def make_arena(num_games: int, max_nodes: int, max_edges: int) -> Arena:
    """An arena with no nodes; memory is taken by the system when rows are first used."""
    g, n, e = num_games, max_nodes, max_edges
    return Arena(
        position=np.zeros((g, n, 8), np.uint64),
        key=np.zeros((g, n), np.uint64),
        parent=np.zeros((g, n), np.int32),
        first_edge=np.zeros((g, n), np.int32),
        num_edges=np.zeros((g, n), np.int16),
        evaluated=np.zeros((g, n), np.bool_),
        proven=np.zeros((g, n), np.int8),
        wdl=np.zeros((g, n, 3), np.float32),
        move=np.zeros((g, e), np.uint16),
        log_prior=np.zeros((g, e), np.float32),
        prior=np.zeros((g, e), np.float32),
        visits=np.zeros((g, e), np.int32),
        value_sum=np.zeros((g, e), np.float64),
        draw_sum=np.zeros((g, e), np.float64),
        child=np.zeros((g, e), np.int32),
        num_nodes=np.zeros(g, np.int32),
        used_edges=np.zeros(g, np.int32),
        history=np.zeros((g, MAX_HISTORY), np.uint64),
        num_history=np.zeros(g, np.int32),
        path_node=np.zeros((g, MAX_DEPTH + 1), np.int32),
        path_edge=np.zeros((g, MAX_DEPTH + 1), np.int32),
        depth=np.zeros(g, np.int32),
    )


@kernel
def add_node(a: Arena, g: int, parent: int, mate_check: bool, moves: NDArray[np.uint16]) -> int:
    """Finish the node whose position was just written at `num_nodes[g]`; returns its index.

    Fills key, repetitions, legal moves and, if the rules decide the position, `proven` and `wdl`.
    `moves` is scratch of 256 entries.
    """
    i = a.num_nodes[g]
    pos = a.position[g, i]
    key = zobrist(pos)
    a.key[g, i] = key
    a.parent[g, i] = parent
    repetitions = _earlier_occurrences(a, g, parent, key, halfmove_clock(pos))
    set_repetitions(pos, repetitions)
    n = legal_moves(pos, moves)
    ended = outcome(pos, n, repetitions)
    a.proven[g, i] = UNKNOWN
    a.evaluated[g, i] = False
    if ended == _CHECKMATE:
        _prove(a, g, i, LOSS)
    elif ended != _NO_OUTCOME:
        _prove(a, g, i, DRAW)
    elif mate_check and gives_mate(pos, moves, n) >= 0:
        _prove(a, g, i, WIN)
    if ended != _NO_OUTCOME:
        n = 0
    first = a.used_edges[g]
    a.first_edge[g, i] = first
    a.num_edges[g, i] = n
    for k in range(n):
        e = first + k
        a.move[g, e] = moves[k]
        a.log_prior[g, e] = -np.log(np.float32(n))
        a.prior[g, e] = np.float32(1.0) / np.float32(n)
        a.visits[g, e] = 0
        a.value_sum[g, e] = 0.0
        a.draw_sum[g, e] = 0.0
        a.child[g, e] = -1
    a.used_edges[g] = first + n
    a.num_nodes[g] = i + 1
    return i


@kernel
def _earlier_occurrences(a: Arena, g: int, parent: int, key: np.uint64, halfmove: int) -> int:
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


@kernel
def _prove(a: Arena, g: int, i: int, proven: int) -> None:
    a.proven[g, i] = proven
    a.wdl[g, i, 0] = 1.0 if proven == WIN else 0.0
    a.wdl[g, i, 1] = 1.0 if proven == DRAW else 0.0
    a.wdl[g, i, 2] = 1.0 if proven == LOSS else 0.0


@kernel
def set_priors(a: Arena, g: int, i: int, logits: NDArray[np.float32]) -> bool:
    """Write the softmax of the first `num_edges` logits as priors; False if they are not finite."""
    first = a.first_edge[g, i]
    n = a.num_edges[g, i]
    highest = logits[0]
    for k in range(1, n):
        highest = max(highest, logits[k])
    total = 0.0
    for k in range(n):
        total += np.exp(np.float64(logits[k] - highest))
    log_total = np.float32(np.log(total))
    if not np.isfinite(highest + log_total):
        return False
    for k in range(n):
        log_prior = logits[k] - highest - log_total
        a.log_prior[g, first + k] = log_prior
        a.prior[g, first + k] = np.exp(log_prior)
    return True


@kernel
def backward(a: Arena, g: int, leaf: int) -> None:
    """Add the leaf's value along the path; where a result becomes proven, that is what goes up."""
    depth = a.depth[g]
    value = np.float64(a.wdl[g, leaf, 0]) - np.float64(a.wdl[g, leaf, 2])
    draw = np.float64(a.wdl[g, leaf, 1])
    child_proven = a.proven[g, leaf]
    for d in range(depth - 1, -1, -1):
        node = a.path_node[g, d]
        edge = a.path_edge[g, d]
        value = -value
        a.visits[g, edge] += 1
        a.value_sum[g, edge] += value
        a.draw_sum[g, edge] += draw
        if child_proven != UNKNOWN and a.proven[g, node] == UNKNOWN:
            _prove_from_children(a, g, node, child_proven)
        child_proven = a.proven[g, node]
        if child_proven != UNKNOWN:
            value = np.float64(a.wdl[g, node, 0]) - np.float64(a.wdl[g, node, 2])
            draw = np.float64(a.wdl[g, node, 1])


@kernel
def _prove_from_children(a: Arena, g: int, node: int, newest: int) -> None:
    """A lost reply wins; while a reply is open nothing else follows; then the best one counts."""
    if newest == LOSS:
        _prove(a, g, node, WIN)
        return
    first = a.first_edge[g, node]
    has_draw = False
    for e in range(first, first + a.num_edges[g, node]):
        c = a.child[g, e]
        if c < 0 or a.proven[g, c] == UNKNOWN:
            return
        if a.proven[g, c] == DRAW:
            has_draw = True
    _prove(a, g, node, DRAW if has_draw else LOSS)


@kernel
def child_proven(a: Arena, g: int, edge: int) -> int:
    """What is proven for the opponent after this edge; UNKNOWN before the first visit."""
    c = a.child[g, edge]
    return UNKNOWN if c < 0 else a.proven[g, c]


@kernel
def keep_subtree(a: Arena, g: int, root: int, new_index: NDArray[np.int32]) -> None:
    """Make `root` node 0 and drop all that is not below it. `new_index` is scratch of N entries."""
    n = a.num_nodes[g]
    for i in range(root):
        new_index[i] = -1
    nodes = 0
    edges = 0
    for i in range(root, n):
        if i != root and (a.parent[g, i] < root or new_index[a.parent[g, i]] < 0):
            new_index[i] = -1
            continue
        new_index[i] = nodes
        _move_node(a, g, i, nodes)
        a.parent[g, nodes] = -1 if i == root else new_index[a.parent[g, i]]
        first = a.first_edge[g, i]
        a.first_edge[g, nodes] = edges
        for k in range(a.num_edges[g, nodes]):
            _move_edge(a, g, first + k, edges + k)
        edges += a.num_edges[g, nodes]
        nodes += 1
    for e in range(edges):
        c = a.child[g, e]
        if c >= 0:
            a.child[g, e] = new_index[c]
    a.num_nodes[g] = nodes
    a.used_edges[g] = edges


@kernel
def _move_node(a: Arena, g: int, old: int, new: int) -> None:
    for w in range(8):
        a.position[g, new, w] = a.position[g, old, w]
    a.key[g, new] = a.key[g, old]
    a.num_edges[g, new] = a.num_edges[g, old]
    a.evaluated[g, new] = a.evaluated[g, old]
    a.proven[g, new] = a.proven[g, old]
    for w in range(3):
        a.wdl[g, new, w] = a.wdl[g, old, w]


@kernel
def _move_edge(a: Arena, g: int, old: int, new: int) -> None:
    a.move[g, new] = a.move[g, old]
    a.log_prior[g, new] = a.log_prior[g, old]
    a.prior[g, new] = a.prior[g, old]
    a.visits[g, new] = a.visits[g, old]
    a.value_sum[g, new] = a.value_sum[g, old]
    a.draw_sum[g, new] = a.draw_sum[g, old]
    a.child[g, new] = a.child[g, old]


@kernel
def start_game(
    a: Arena,
    g: int,
    position: NDArray[np.uint64],
    mate_check: bool,
    moves: NDArray[np.uint16],
) -> int:
    """A fresh tree with this root; the history must be there already. Returns the Outcome."""
    a.num_nodes[g] = 0
    a.used_edges[g] = 0
    for w in range(8):
        a.position[g, 0, w] = position[w]
    add_node(a, g, -1, mate_check, moves)
    return root_outcome(a, g, moves)


@kernel
def root_outcome(a: Arena, g: int, moves: NDArray[np.uint16]) -> int:
    """How the game stands at the root (model.rules.Outcome)."""
    pos = a.position[g, 0]
    if a.num_edges[g, 0] > 0:
        return _NO_OUTCOME
    n = legal_moves(pos, moves)
    parent = -1
    found = _earlier_occurrences(a, g, parent, a.key[g, 0], halfmove_clock(pos))
    return outcome(pos, n, found)


@kernel
def play_move(
    a: Arena,
    g: int,
    edge: int,
    mate_check: bool,
    moves: NDArray[np.uint16],
    new_index: NDArray[np.int32],
) -> int:
    """Make the move of a root edge, keep what was searched below it. Returns the Outcome."""
    new_root = a.child[g, edge]
    if new_root < 0:
        make_move(a.position[g, 0], a.move[g, edge], a.position[g, a.num_nodes[g]])
        new_root = a.num_nodes[g]
        _remember_root(a, g, halfmove_clock(a.position[g, new_root]))
        for w in range(8):
            a.position[g, 0, w] = a.position[g, new_root, w]
        a.num_nodes[g] = 0
        a.used_edges[g] = 0
        add_node(a, g, -1, mate_check, moves)
    else:
        _remember_root(a, g, halfmove_clock(a.position[g, new_root]))
        keep_subtree(a, g, new_root, new_index)
    return root_outcome(a, g, moves)


@kernel
def _remember_root(a: Arena, g: int, halfmove_after: int) -> None:
    """The old root joins the history, or all history is forgotten after an irreversible move."""
    if halfmove_after == 0:
        a.num_history[g] = 0
        return
    h = a.num_history[g]
    if h == MAX_HISTORY:
        for k in range(MAX_HISTORY - 1):
            a.history[g, k] = a.history[g, k + 1]
        h -= 1
    a.history[g, h] = a.key[g, 0]
    a.num_history[g] = h + 1
