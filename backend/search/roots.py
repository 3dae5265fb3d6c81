"""From one root to the next: starting a game, playing a move, keeping what was searched below it.

Keeping a subtree moves it down in the arrays. A child's index is above its parent's and its edges
lie behind its parent's, so one pass that slides the survivors down never overwrites one:

    before   0 1 2 3 4 5 6      the move leads to 2; 3 and 6 are below it
             x x * * x x *
    after    2 3 6              new indices 0 1 2
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.search.tree import (
    MAX_HISTORY,
    NO_OUTCOME,
    NO_PARENT,
    Arena,
    add_node,
    earlier_occurrences,
)
from model.rules import halfmove_clock, legal_moves, make_move, outcome
from model.rules.kernel import kernel

ILLEGAL: Final = -1
"""In place of an Outcome: there is no such move."""


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
            a.move[g, edges + k] = a.move[g, first + k]
            a.prior[g, edges + k] = a.prior[g, first + k]
            a.child[g, edges + k] = a.child[g, first + k]
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
    a.num_expanded[g, new] = a.num_expanded[g, old]
    a.evaluated[g, new] = a.evaluated[g, old]
    a.proven[g, new] = a.proven[g, old]
    a.visits[g, new] = a.visits[g, old]
    a.value_sum[g, new] = a.value_sum[g, old]
    a.draw_sum[g, new] = a.draw_sum[g, old]
    for w in range(3):
        a.wdl[g, new, w] = a.wdl[g, old, w]


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
    add_node(a, g, NO_PARENT, mate_check)
    return root_outcome(a, g, moves)


@kernel
def root_outcome(a: Arena, g: int, moves: NDArray[np.uint16]) -> int:
    """How the game stands at the root (model.rules.Outcome)."""
    pos = a.position[g, 0]
    if a.num_edges[g, 0] > 0:
        return NO_OUTCOME
    n = legal_moves(pos, moves)
    found = earlier_occurrences(a, g, NO_PARENT, a.key[g, 0], halfmove_clock(pos))
    return outcome(pos, n, found)


@kernel
def play_move(
    a: Arena,
    g: int,
    move: int,
    mate_check: bool,
    moves: NDArray[np.uint16],
    new_index: NDArray[np.int32],
) -> int:
    """Make a move at the root, keep what was searched below it. Returns the Outcome.

    ILLEGAL, with nothing changed, when the move is none of the root's.
    """
    edge = ILLEGAL
    first = a.first_edge[g, 0]
    for e in range(first, first + a.num_edges[g, 0]):
        if np.int64(a.move[g, e]) == move:
            edge = e
    if edge == ILLEGAL:
        return ILLEGAL
    new_root = a.child[g, edge]
    if new_root < 0:
        make_move(a.position[g, 0], a.move[g, edge], a.position[g, a.num_nodes[g]])
        new_root = a.num_nodes[g]
        _remember_root(a, g, halfmove_clock(a.position[g, new_root]))
        for w in range(8):
            a.position[g, 0, w] = a.position[g, new_root, w]
        a.num_nodes[g] = 0
        a.used_edges[g] = 0
        add_node(a, g, NO_PARENT, mate_check)
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
