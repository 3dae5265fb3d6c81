"""What a finished search says: the moves of its root, how good they are, and what to learn.

A move that provably wins is the only one worth playing or learning; one that provably loses is
played when all do. Otherwise the root rule decides: visits (puct) or completed scores (gumbel).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.search.forced import pruned_visits
from backend.search.gumbel import GumbelRule, completed_scores, softmax
from backend.search.puct import PuctRule, child_value
from backend.search.tree import LOSS, UNKNOWN, WIN, Arena
from model.encoding.moves import policy_indices
from model.rules import has_legal_move, in_check, make_move
from model.rules.kernel import kernel
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
        weights = np.where(allowed, self.policy, 0.0).astype(np.float64)
        weights = (weights / weights.max()) ** (1.0 / temperature) if weights.max() > 0 else weights
        total = weights.sum()
        return int(rng.choice(len(weights), p=weights / total)) if total > 0 else self.best

    @property
    def value(self) -> float:
        """Expected score for the mover, -1 to 1."""
        return float(self.root_wdl[0] - self.root_wdl[2])


def read_result(
    a: Arena,
    game: int,
    gumbel: GumbelRule | None,
    *,
    forced: PuctRule | None,
    noisy_priors: NDArray[np.float32],
    visits_before: NDArray[np.int32],
    logits: NDArray[np.float64],
    simulations: int,
    mover_orientation: bool,
) -> SearchResult:
    """Read the root of `game`; `gumbel` is None under the puct rule.

    `forced` is the puct rule if this search had forced playouts, which the target leaves out.
    `noisy_priors` are those that the search used.
    `visits_before` are the root's visits when this search began, `logits` the log priors with
    Gumbel noise of its moves; both are at least as long as the root has moves.
    """
    n = int(a.num_edges[game, 0])
    edges = slice(int(a.first_edge[game, 0]), int(a.first_edge[game, 0]) + n)
    moves = a.move[game, edges].copy()
    priors = a.prior[game, edges].copy()
    index = np.zeros(n, np.int16)
    policy_indices(a.position[game, 0], moves, n, mover_orientation, index)
    visits = np.zeros(n, np.int32)
    q = np.full(n, np.nan, np.float32)
    wins = np.zeros(n, np.bool_)
    loses = np.zeros(n, np.bool_)
    root_wdl = np.zeros(3, np.float32)
    read_root(a, game, visits, q, wins, loses, root_wdl)
    if wins.any():
        policy = wins / wins.sum()
        playable = wins
        best = int(np.argmax(wins * (1 + visits)))
    else:
        playable = ~loses if not loses.all() else np.ones(n, np.bool_)
        if gumbel is not None:
            scores = np.zeros(n, np.float64)
            completed_scores(a, game, gumbel, logits, scores)
            best = _best_by_score(visits - visits_before[:n], scores, playable)
            completed_scores(a, game, gumbel, np.log(priors.astype(np.float64)), scores)
            softmax(scores, n)
            policy = scores
        else:
            best = _best_by_score(visits, np.nan_to_num(q, nan=-2.0), playable)
            taught = visits.astype(np.int64)
            if forced is not None:
                taught = pruned_visits(visits, q, noisy_priors[:n], forced)
            policy = taught / taught.sum() if taught.sum() else np.full(n, 1 / n)
    return SearchResult(
        moves=moves,
        move_index=index,
        visits=visits,
        priors=priors,
        q=q,
        policy=policy.astype(np.float32),
        playable=playable,
        best=best,
        root_wdl=root_wdl,
        raw_wdl=a.wdl[game, 0].copy(),
        is_judged=bool(a.evaluated[game, 0]),
        simulations=simulations,
    )


def _best_by_score(
    visits: NDArray[np.int32], scores: NDArray[np.floating], playable: NDArray[np.bool_]
) -> int:
    """Most visits among the playable; equal visits are decided by the score."""
    top = visits[playable].max()
    return int(np.argmax(np.where(playable & (visits == top), scores, -np.inf)))


@kernel
def read_root(
    a: Arena,
    g: int,
    visits: NDArray[np.int32],
    q: NDArray[np.float32],
    wins: NDArray[np.bool_],
    loses: NDArray[np.bool_],
    wdl: NDArray[np.float32],
) -> None:
    """Fill visits and values of the moves, which provably win or lose, and the root's own wdl."""
    first = a.first_edge[g, 0]
    value = np.float64(a.wdl[g, 0, 0]) - np.float64(a.wdl[g, 0, 2])
    draw = np.float64(a.wdl[g, 0, 1])
    count = 1
    after = stack_position()
    for k in range(a.num_edges[g, 0]):
        c = a.child[g, first + k]
        if c >= 0:
            wins[k] = a.proven[g, c] == LOSS
            loses[k] = a.proven[g, c] == WIN
            if a.visits[g, c] > 0:
                visits[k] = a.visits[g, c]
                q[k] = child_value(a, g, c)
                count += a.visits[g, c]
                value += a.value_sum[g, c]
                draw += a.draw_sum[g, c]
        elif a.proven[g, 0] == WIN:
            make_move(a.position[g, 0], a.move[g, first + k], after)
            wins[k] = in_check(after) and not has_legal_move(after)
    if a.proven[g, 0] != UNKNOWN:
        for w in range(3):
            wdl[w] = a.wdl[g, 0, w]
        return
    value /= count
    draw /= count
    wdl[0] = min(1.0, max(0.0, (1.0 - draw + value) / 2.0))
    wdl[1] = min(1.0, max(0.0, draw))
    wdl[2] = min(1.0, max(0.0, (1.0 - draw - value) / 2.0))
