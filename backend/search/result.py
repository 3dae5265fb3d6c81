"""What a finished search says: the moves of its root, how good they are, and what to learn.

A move that provably wins is the only one worth playing or learning; one that provably loses is
played when all do. Otherwise the root rule decides: visits (puct) or completed scores (gumbel).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.search.forced import pruned_visits
from backend.search.gumbel import GumbelRule, completed_scores, softmax
from backend.search.puct import PuctRule, child_value
from backend.search.tree import LOSS, UNKNOWN, WIN, Arena
from model.encoding.moves import policy_indices
from model.rules import has_legal_move, in_check, make_move
from model.rules.kernel import inlined, kernel
from model.rules.position import stack_position


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found out about the moves of its root, in the order of move generation."""

    moves: NDArray[np.uint16]
    move_index: NDArray[np.int16]
    """Policy indices of the moves."""
    visits: NDArray[np.int32]
    priors: NDArray[np.float32]
    """The network's, without noise."""
    q: NDArray[np.float32]
    """Value for the mover, -1 to 1; NaN where a move was never visited."""
    policy: NDArray[np.float32]
    """Training target: visit shares (puct; forced ones are left out), or softmax of priors +
    sigma(q) (gumbel)."""
    playable: NDArray[np.bool_]
    """False for moves that provably lose, unless all do, and for all others beside a proven win."""
    best: int
    """The move to play without temperature."""
    root_wdl: NDArray[np.float32]
    """The search's win, draw, loss for the mover."""
    raw_wdl: NDArray[np.float32]
    """The network's own, before the search; exact where the rules decide."""
    is_judged: bool
    """The network was asked about the root; if not (there is a mate), all priors are alike."""
    simulations: int

    def sample(self, temperature: float, rng: np.random.Generator) -> int:
        """A playable move that was looked at, drawn with probability policy^(1/temperature).

        The gumbel policy gives every move its share, but of most it only knows the prior.
        """
        visited = self.playable & (self.visits > 0)
        allowed = visited if visited.any() else self.playable
        weights = self.policy * allowed.astype(np.float64)
        if temperature != 1.0 and (top := weights.max()) > 0.0:
            weights = (weights / top) ** (1.0 / temperature)
        bounds = weights.cumsum()
        if bounds[-1] <= 0.0:
            return self.best
        drawn = int(bounds.searchsorted(rng.random() * bounds[-1], side="right"))
        # Rounding may lead to the very end; the first move that reaches it has the last share.
        return drawn if drawn < len(bounds) else int(bounds.argmax())

    @property
    def value(self) -> float:
        """Expected score for the mover, -1 to 1."""
        return float(self.root_wdl[0] - self.root_wdl[2])


class Root(NamedTuple):
    """What `read_root` fills in: one entry for each of the n moves of a root, in their order."""

    moves: NDArray[np.uint16]
    move_index: NDArray[np.int16]
    visits: NDArray[np.int32]
    priors: NDArray[np.float32]
    q: NDArray[np.float32]
    policy: NDArray[np.float32]
    playable: NDArray[np.bool_]
    wins: NDArray[np.bool_]
    """Provably."""
    loses: NDArray[np.bool_]
    root_wdl: NDArray[np.float32]
    """[3]"""
    logits: NDArray[np.float64]
    """Scratch, as the next one."""
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, n: int) -> "Root":
        """Room for `n` moves."""
        return cls(
            np.empty(n, np.uint16),
            np.empty(n, np.int16),
            np.empty(n, np.int32),
            np.empty(n, np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.bool_),
            np.empty(n, np.bool_),
            np.empty(n, np.bool_),
            np.empty(3, np.float32),
            np.empty(n, np.float64),
            np.empty(n, np.float64),
        )


def read_result(
    a: Arena,
    game: int,
    *,
    gumbel: GumbelRule,
    is_gumbel: bool,
    forced: PuctRule | None,
    noisy_priors: NDArray[np.float32],
    visits_before: NDArray[np.int32],
    logits: NDArray[np.float64],
    simulations: int,
    mover_orientation: bool,
) -> SearchResult:
    """Read the root of `game` after a search by the gumbel rule, or else by the puct rule.

    `forced` is the puct rule if this search had forced playouts, which the target leaves out.
    `noisy_priors` are those that the search used.
    `visits_before` are the root's visits when this search began, `logits` the log priors with
    Gumbel noise of its moves; both are at least as long as the root has moves.
    """
    n = int(a.num_edges[game, 0])
    root = Root.of(n)
    best = int(
        read_root(a, game, gumbel, is_gumbel, visits_before, logits, mover_orientation, root)
    )
    policy = root.policy
    if forced is not None and not root.wins.any():
        taught = pruned_visits(root.visits, root.q, noisy_priors[:n], forced)
        if taught.sum():
            policy = (taught / taught.sum()).astype(np.float32)
    return SearchResult(
        moves=root.moves,
        move_index=root.move_index,
        visits=root.visits,
        priors=root.priors,
        q=root.q,
        policy=policy,
        playable=root.playable,
        best=best,
        root_wdl=root.root_wdl,
        raw_wdl=a.wdl[game, 0].copy(),
        is_judged=bool(a.evaluated[game, 0]),
        simulations=simulations,
    )


@kernel
def read_root(
    a: Arena,
    g: int,
    gumbel: GumbelRule,
    is_gumbel: bool,
    visits_before: NDArray[np.int32],
    noisy_logits: NDArray[np.float64],
    mover_orientation: bool,
    root: Root,
) -> int:
    """Fill in `root`; returns the number of the best move."""
    n = a.num_edges[g, 0]
    read_moves(a, g, root)
    policy_indices(a.position[g, 0], root.moves, n, mover_orientation, root.move_index)
    wins = 0
    loses = 0
    for k in range(n):
        wins += root.wins[k]
        loses += root.loses[k]
    for k in range(n):
        root.playable[k] = root.wins[k] if wins > 0 else loses == n or not root.loses[k]
    if wins > 0:
        for k in range(n):
            root.policy[k] = root.wins[k] / wins
            root.scores[k] = 0.0
        return best_move(root, n, visits_before, False)
    if not is_gumbel:
        total = 0
        for k in range(n):
            total += root.visits[k]
            root.scores[k] = root.q[k] if root.visits[k] > 0 else -2.0
        for k in range(n):
            root.policy[k] = root.visits[k] / total if total > 0 else 1.0 / n
        return best_move(root, n, visits_before, False)
    completed_scores(a, g, gumbel, noisy_logits, root.scores)
    best = best_move(root, n, visits_before, True)
    for k in range(n):
        root.logits[k] = np.log(np.float64(root.priors[k]))
    completed_scores(a, g, gumbel, root.logits, root.scores)
    softmax(root.scores, n)
    for k in range(n):
        root.policy[k] = root.scores[k]
    return best


@inlined
def best_move(root: Root, n: int, visits_before: NDArray[np.int32], only_new: bool) -> int:
    """The playable move with the most visits; equal visits are decided by the score.

    With `only_new` those that a kept subtree brought along do not count.
    """
    best = -1
    most = 0
    for k in range(n):
        visits = root.visits[k] - visits_before[k] if only_new else root.visits[k]
        if not root.playable[k]:
            continue
        if best < 0 or visits > most or (visits == most and root.scores[k] > root.scores[best]):
            best = k
            most = visits
    return best


@inlined
def read_moves(a: Arena, g: int, root: Root) -> None:
    """Fill in what the tree knows of each move, and the root's own wdl."""
    first = a.first_edge[g, 0]
    value = np.float64(a.wdl[g, 0, 0]) - np.float64(a.wdl[g, 0, 2])
    draw = np.float64(a.wdl[g, 0, 1])
    count = 1
    after = stack_position()
    for k in range(a.num_edges[g, 0]):
        root.moves[k] = a.move[g, first + k]
        root.priors[k] = a.prior[g, first + k]
        root.visits[k] = 0
        root.q[k] = np.nan
        root.wins[k] = False
        root.loses[k] = False
        c = a.child[g, first + k]
        if c >= 0:
            root.wins[k] = a.proven[g, c] == LOSS
            root.loses[k] = a.proven[g, c] == WIN
            if a.visits[g, c] > 0:
                root.visits[k] = a.visits[g, c]
                root.q[k] = child_value(a, g, c)
                count += a.visits[g, c]
                value += a.value_sum[g, c]
                draw += a.draw_sum[g, c]
        elif a.proven[g, 0] == WIN:
            make_move(a.position[g, 0], a.move[g, first + k], after)
            root.wins[k] = in_check(after) and not has_legal_move(after)
    if a.proven[g, 0] != UNKNOWN:
        for w in range(3):
            root.root_wdl[w] = a.wdl[g, 0, w]
        return
    value /= count
    draw /= count
    root.root_wdl[0] = min(1.0, max(0.0, (1.0 - draw + value) / 2.0))
    root.root_wdl[1] = min(1.0, max(0.0, draw))
    root.root_wdl[2] = min(1.0, max(0.0, (1.0 - draw - value) / 2.0))
