"""The two halves of a step: one leaf of every searching game into the batch, the answers back up.

    select_leaves   root ─► ... ─► leaf    follow the rule, write the leaf's position into the batch
    accept          root ◄─ ... ◄─ leaf    priors and value of the leaf, sums along its path

Between the two the network works and the games stand still. Both halves are kernels that hold no
lock, so that other games may be searched by other threads at the same time.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.search.forced import forced_edge
from backend.search.gumbel import GumbelRule, select_gumbel_interior, select_gumbel_root
from backend.search.puct import PuctRule, select_puct
from backend.search.tree import (
    MAX_DEPTH,
    UNKNOWN,
    Arena,
    backward,
    expand,
    set_priors,
)
from model.encoding.moves import policy_indices
from model.rules import MAX_LEGAL_MOVES
from model.rules.kernel import inlined, kernel


class Sessions(NamedTuple):
    """The searches in progress, one a game. Root moves go by their number k, 0 to 255."""

    searching: NDArray[np.bool_]
    budget: NDArray[np.int32]
    done: NDArray[np.int32]
    noise: NDArray[np.float64]
    """[G,256] Gumbel or Dirichlet noise of the root's moves; zeros without noise."""
    awaits_noise: NDArray[np.bool_]
    """Dirichlet noise is to be drawn as soon as the root has its priors."""
    has_noisy_priors: NDArray[np.bool_]
    """It has been drawn."""
    forced: NDArray[np.bool_]
    """This search has forced playouts."""
    prior: NDArray[np.float32]
    """[G,256] the root's priors, with Dirichlet noise mixed in while a noisy puct search runs."""
    logit: NDArray[np.float64]
    """[G,256] the root's log priors with Gumbel noise added."""
    visits_before: NDArray[np.int32]
    """[G,256] what a kept subtree brought along."""
    sequence: NDArray[np.int32]
    """[G,S] see gumbel.visit_sequence."""


def make_sessions(num_games: int, max_simulations: int) -> Sessions:
    """No search in progress."""
    return Sessions(
        searching=np.zeros(num_games, np.bool_),
        budget=np.zeros(num_games, np.int32),
        done=np.zeros(num_games, np.int32),
        noise=np.zeros((num_games, 256), np.float64),
        awaits_noise=np.zeros(num_games, np.bool_),
        has_noisy_priors=np.zeros(num_games, np.bool_),
        forced=np.zeros(num_games, np.bool_),
        prior=np.zeros((num_games, 256), np.float32),
        logit=np.zeros((num_games, 256), np.float64),
        visits_before=np.zeros((num_games, 256), np.int32),
        sequence=np.zeros((num_games, max_simulations), np.int32),
    )


class Batch(NamedTuple):
    """Leaves that wait for the network, one a row; fewer than there are games when some end."""

    game: NDArray[np.int32]
    node: NDArray[np.int32]
    position: NDArray[np.uint64]
    move_index: NDArray[np.int16]
    num_moves: NDArray[np.int16]


class Rules(NamedTuple):
    """The settings of a search that kernels read."""

    is_gumbel: bool
    puct: PuctRule
    gumbel: GumbelRule
    dirichlet_frac: float
    mate_check: bool
    mover_orientation: bool


@inlined
def prepare_root(a: Arena, s: Sessions, r: Rules, g: int) -> None:
    """Note what the rules need of the root: noisy priors, noisy logits, and visits so far.

    To be called when a search begins, and again if the root gets its priors only then.
    """
    first = a.first_edge[g, 0]
    frac = r.dirichlet_frac if s.has_noisy_priors[g] else 0.0
    for k in range(a.num_edges[g, 0]):
        prior = a.prior[g, first + k]
        if r.is_gumbel:
            s.prior[g, k] = prior
            s.logit[g, k] = np.log(np.float64(prior)) + s.noise[g, k]
        else:
            s.prior[g, k] = (1.0 - frac) * prior + frac * s.noise[g, k]
        child = a.child[g, first + k]
        s.visits_before[g, k] = 0 if child < 0 else a.visits[g, child]


@kernel
def select_leaves(a: Arena, s: Sessions, r: Rules, b: Batch, scratch: NDArray[np.float64]) -> int:
    """Fill the batch; returns its number of rows. Games that need no evaluation end their search.

    `scratch` has 256 entries.
    """
    rows = 0
    max_nodes = a.key.shape[1]
    max_edges = a.move.shape[1]
    for g in range(len(s.searching)):
        if not s.searching[g]:
            continue
        a.depth[g] = 0
        leaf = 0
        waits = not a.evaluated[g, 0] and a.proven[g, 0] == UNKNOWN
        while not waits:
            full = a.num_nodes[g] + 1 >= max_nodes or a.used_edges[g] + MAX_LEGAL_MOVES > max_edges
            if full or s.done[g] >= s.budget[g] or a.proven[g, 0] != UNKNOWN:
                s.budget[g] = s.done[g]
                break
            leaf = _descend(a, s, r, g, scratch)
            if a.proven[g, leaf] != UNKNOWN or a.evaluated[g, leaf]:
                backward(a, g, leaf)
                s.done[g] += 1
            else:
                waits = True
        if not waits:
            continue
        n = a.num_edges[g, leaf]
        first = a.first_edge[g, leaf]
        b.game[rows] = g
        b.node[rows] = leaf
        b.num_moves[rows] = n
        for w in range(8):
            b.position[rows, w] = a.position[g, leaf, w]
        policy_indices(
            a.position[g, leaf],
            a.move[g, first : first + n],
            n,
            r.mover_orientation,
            b.move_index[rows],
        )
        rows += 1
    return rows


@inlined
def _descend(a: Arena, s: Sessions, r: Rules, g: int, scratch: NDArray[np.float64]) -> int:
    """Follow the rules from the root to a new node, a decided one, or the depth limit."""
    node = int(np.int64(0))  # For a literal 0, Numba would compile all that follows once more.
    depth = 0
    while True:
        if not r.is_gumbel:
            first = a.first_edge[g, node]
            priors = s.prior[g] if node == 0 else a.prior[g, first : first + a.num_edges[g, node]]
            edge = -1
            if node == 0 and s.forced[g]:
                edge = forced_edge(a, g, priors, r.puct.forced_k)
            if edge < 0:
                edge = select_puct(a, g, node, r.puct, priors)
        elif node == 0:
            wanted = s.sequence[g, s.done[g]]
            edge = select_gumbel_root(
                a, g, r.gumbel, s.logit[g], s.visits_before[g], wanted, scratch
            )
        else:
            edge = select_gumbel_interior(a, g, node, r.gumbel, scratch)
        a.path_node[g, depth] = node
        depth += 1
        a.depth[g] = depth
        child = a.child[g, edge]
        if child < 0:
            return expand(a, g, node, edge, r.mate_check)
        if a.proven[g, child] != UNKNOWN or depth == MAX_DEPTH:
            return child
        node = child


@kernel
def accept(
    a: Arena,
    s: Sessions,
    r: Rules,
    b: Batch,
    rows: int,
    logits: NDArray[np.float32],
    wdl: NDArray[np.float32],
) -> bool:
    """Write the network's answers into their nodes and back them up; False if one is not finite."""
    for row in range(rows):
        g = int(np.int64(b.game[row]))
        node = int(np.int64(b.node[row]))
        if not np.isfinite(wdl[row, 0] + wdl[row, 1] + wdl[row, 2]):
            return False
        if not set_priors(a, g, node, logits[row]):
            return False
        for w in range(3):
            a.wdl[g, node, w] = wdl[row, w]
        a.evaluated[g, node] = True
        if node == 0:
            prepare_root(a, s, r, g)
        else:
            backward(a, g, node)
            s.done[g] += 1
    return True


@kernel
def collect_finished(a: Arena, s: Sessions, finished: NDArray[np.int32]) -> int:
    """Write the games whose search is complete into `finished`; returns how many."""
    count = 0
    for g in range(len(s.searching)):
        if s.searching[g] and (s.done[g] >= s.budget[g] or a.proven[g, 0] != UNKNOWN):
            s.searching[g] = False
            finished[count] = g
            count += 1
    return count
