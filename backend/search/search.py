"""Many games searched in lock-step: one leaf of each game a step, judged in one batch.

Nothing here knows torch, files or processes. The caller owns the games' flow:

    search.start(game, position) ─► begin(game, simulations) ─► step(evaluate) … until listed
            ▲                                                        │
            └──────────────── play(game, move) ◄──── result(game) ◄──┘

Lines that end by the rules are backed up exactly and cost no evaluation, so a step may finish
several simulations of a game. There is no virtual loss: a game never waits for more than one leaf.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.config import SearchConfig
from backend.errors import NonFiniteError
from backend.search.evaluator import MOVE_SLOTS, Evaluate
from backend.search.forced import forced_edge
from backend.search.gumbel import (
    GumbelRule,
    select_gumbel_interior,
    select_gumbel_root,
    visit_sequence,
)
from backend.search.puct import PuctRule, mix_root_noise, noise_concentration, select_puct
from backend.search.result import SearchResult, read_result
from backend.search.tree import (
    MAX_DEPTH,
    MAX_HISTORY,
    UNKNOWN,
    Arena,
    add_node,
    backward,
    make_arena,
    play_move,
    set_priors,
    start_game,
)
from model.config import Orientation
from model.encoding.moves import policy_indices
from model.rules import MAX_LEGAL_MOVES, make_move
from model.rules.kernel import kernel

_EDGES_PER_NODE: Final = 44
"""Room for edges; middle-game positions have 35 on average. A full arena ends its search early."""
_SPARE_NODES: Final = 4
_SPARE_EDGES: Final = 2 * MAX_LEGAL_MOVES + 76


class _Sessions(NamedTuple):
    """The searches in progress, one a game."""

    searching: NDArray[np.bool_]
    budget: NDArray[np.int32]
    done: NDArray[np.int32]
    noise: NDArray[np.float64]
    """[G,256] Gumbel or Dirichlet noise of the root's moves; zeros without noise."""
    awaits_noise: NDArray[np.bool_]
    """Dirichlet noise is to be drawn as soon as the root has its priors."""
    forced: NDArray[np.bool_]
    """This search has forced playouts."""
    visits_before: NDArray[np.int32]
    """[G,256]"""
    sequence: NDArray[np.int32]
    """[G,S] see gumbel.visit_sequence."""


class _Scratch(NamedTuple):
    moves: NDArray[np.uint16]
    scores: NDArray[np.float64]
    new_index: NDArray[np.int32]


class _Batch(NamedTuple):
    """Leaves that wait for the network."""

    game: NDArray[np.int32]
    node: NDArray[np.int32]
    position: NDArray[np.uint64]
    move_index: NDArray[np.int16]
    num_moves: NDArray[np.int16]


class _Rules(NamedTuple):
    is_gumbel: bool
    puct: PuctRule
    gumbel: GumbelRule
    mate_check: bool
    mover_orientation: bool


class Search:
    """Trees of `num_games` games and the searches that run in them; for one thread."""

    def __init__(
        self,
        config: SearchConfig,
        *,
        num_games: int,
        max_simulations: int,
        orientation: Orientation,
        seed: int,
    ) -> None:
        self._config = config
        self._max_simulations = max_simulations
        self._rng = np.random.default_rng(seed)
        # Half is for a new search, half for what it may find kept below its root.
        self._max_nodes = 2 * max_simulations + _SPARE_NODES
        self._max_edges = self._max_nodes * _EDGES_PER_NODE + _SPARE_EDGES
        self._arena = make_arena(num_games, self._max_nodes, self._max_edges)
        self._sessions = _Sessions(
            searching=np.zeros(num_games, np.bool_),
            budget=np.zeros(num_games, np.int32),
            done=np.zeros(num_games, np.int32),
            noise=np.zeros((num_games, 256), np.float64),
            awaits_noise=np.zeros(num_games, np.bool_),
            forced=np.zeros(num_games, np.bool_),
            visits_before=np.zeros((num_games, 256), np.int32),
            sequence=np.zeros((num_games, max_simulations), np.int32),
        )
        self._scratch = _Scratch(
            moves=np.zeros(256, np.uint16),
            scores=np.zeros(256, np.float64),
            new_index=np.zeros(self._max_nodes, np.int32),
        )
        self._batch = _Batch(
            game=np.zeros(num_games, np.int32),
            node=np.zeros(num_games, np.int32),
            position=np.zeros((num_games, 8), np.uint64),
            move_index=np.zeros((num_games, MOVE_SLOTS), np.int16),
            num_moves=np.zeros(num_games, np.int16),
        )
        self._finished = np.zeros(num_games, np.int32)
        self._rules = _Rules(
            is_gumbel=config.root == "gumbel",
            puct=PuctRule(
                config.c_puct,
                config.c_puct_base,
                config.c_puct_factor,
                config.fpu_reduction,
                config.forced_playouts,
            ),
            gumbel=GumbelRule(config.gumbel_c_visit, config.gumbel_c_scale),
            mate_check=config.mate_check,
            mover_orientation=orientation == "mover",
        )

    def start(self, game: int, position: NDArray[np.uint64], history: Sequence[int] = ()) -> int:
        """Put a position on the board of `game`, with a fresh tree; returns its Outcome.

        `history` holds the Zobrist keys of the positions before it, oldest first.
        """
        keys = np.array(history[-MAX_HISTORY:], np.uint64)
        self._arena.history[game, : len(keys)] = keys
        self._arena.num_history[game] = len(keys)
        self._sessions.searching[game] = False
        return int(
            start_game(self._arena, game, position, self._config.mate_check, self._scratch.moves)
        )

    def begin(self, game: int, simulations: int, *, noise: bool) -> None:
        """Start a search of `simulations` new leaves at the root; a kept subtree stays.

        Only a subtree that leaves the arena no room for the new leaves is forgotten. Root noise
        (Gumbel or Dirichlet, by the root rule) is drawn once if `noise` is set; only then are there
        forced playouts.
        """
        if not 1 <= simulations <= self._max_simulations:
            raise ValueError(f"simulations = {simulations} is not in 1..{self._max_simulations}")
        a, s = self._arena, self._sessions
        if a.num_edges[game, 0] == 0:
            raise ValueError(f"game {game} has ended; there is nothing to search")
        nodes = int(a.num_nodes[game]) + simulations + 2
        edges = int(a.used_edges[game]) + (simulations + 2) * _EDGES_PER_NODE
        if nodes > self._max_nodes or edges > self._max_edges:
            self.forget(game)
        n = int(a.num_edges[game, 0])
        s.searching[game] = True
        s.budget[game] = simulations
        s.done[game] = 0
        first = int(a.first_edge[game, 0])
        s.visits_before[game, :n] = a.visits[game, first : first + n]
        s.noise[game] = 0.0
        s.awaits_noise[game] = noise and not self._rules.is_gumbel
        s.forced[game] = s.awaits_noise[game] and self._config.forced_playouts > 0.0
        if self._rules.is_gumbel:
            if noise:
                s.noise[game, :n] = self._rng.gumbel(size=n)
            considered = min(n, self._config.gumbel_considered)
            s.sequence[game, :simulations] = visit_sequence(considered, simulations)
        if a.evaluated[game, 0]:
            self._mix_noise(game)

    def forget(self, game: int) -> None:
        """Drop all that was searched below the root; the game itself and its history stay."""
        root = self.position(game)
        self._sessions.searching[game] = False
        start_game(self._arena, game, root, self._config.mate_check, self._scratch.moves)

    def step(self, evaluate: Evaluate) -> list[int]:
        """One leaf for each searching game; returns the games whose search is now complete."""
        rows = int(
            _select_leaves(self._arena, self._sessions, self._rules, self._batch, self._scratch)
        )
        if rows:
            b = self._batch
            logits, wdl = evaluate(b.position[:rows], b.move_index[:rows], b.num_moves[:rows])
            if not _accept(self._arena, self._sessions, b, rows, logits, wdl):
                raise NonFiniteError("the network's answer for a position is NaN or infinite")
            for row in range(rows):
                if b.node[row] == 0:
                    self._mix_noise(int(b.game[row]))
        count = int(_collect_finished(self._arena, self._sessions, self._finished))
        return [int(game) for game in self._finished[:count]]

    def search(
        self, game: int, simulations: int, evaluate: Evaluate, *, noise: bool = False
    ) -> SearchResult:
        """Search one game to the end of its budget; no other may be searching."""
        if self._sessions.searching.any():
            raise ValueError("another game is searching; use begin and step")
        self.begin(game, simulations, noise=noise)
        while self._sessions.searching[game]:
            self.step(evaluate)
        return self.result(game)

    def result(self, game: int) -> SearchResult:
        """Read the root of `game` after its search."""
        s = self._sessions
        return read_result(
            self._arena,
            game,
            self._rules.gumbel if self._rules.is_gumbel else None,
            forced=self._rules.puct if s.forced[game] else None,
            visits_before=s.visits_before[game],
            noise=s.noise[game],
            simulations=int(s.done[game]),
            mover_orientation=self._rules.mover_orientation,
        )

    def play(self, game: int, move: int) -> int:
        """Make a legal move at the root, keep what was searched below it; returns the Outcome."""
        a = self._arena
        n = int(a.num_edges[game, 0])
        first = int(a.first_edge[game, 0])
        found = np.flatnonzero(a.move[game, first : first + n] == move)
        if len(found) == 0:
            raise ValueError(f"move {move} is not legal in game {game}")
        self._sessions.searching[game] = False
        edge = first + int(found[0])
        return int(
            play_move(
                a,
                game,
                edge,
                self._config.mate_check,
                self._scratch.moves,
                self._scratch.new_index,
            )
        )

    def position(self, game: int) -> NDArray[np.uint64]:
        """uint64[8] at the root, repetition bits filled in; a copy."""
        return self._arena.position[game, 0].copy()

    def legal(self, game: int) -> NDArray[np.uint16]:
        """The root's legal moves; a copy."""
        first = int(self._arena.first_edge[game, 0])
        count = int(self._arena.num_edges[game, 0])
        return self._arena.move[game, first : first + count].copy()

    def num_nodes(self, game: int) -> int:
        """Nodes of the tree of `game`."""
        return int(self._arena.num_nodes[game])

    def _mix_noise(self, game: int) -> None:
        """Put Dirichlet noise into the root's priors, or take that of an earlier search away."""
        if self._rules.is_gumbel:
            return
        a, s = self._arena, self._sessions
        if s.awaits_noise[game]:
            s.awaits_noise[game] = False
            n, first = int(a.num_edges[game, 0]), int(a.first_edge[game, 0])
            prior = np.exp(a.log_prior[game, first : first + n].astype(np.float64))
            s.noise[game, :n] = self._rng.dirichlet(noise_concentration(prior, self._config))
        frac = self._config.dirichlet_frac if s.noise[game].any() else 0.0
        mix_root_noise(a, game, s.noise[game], frac)


@kernel
def _select_leaves(a: Arena, s: _Sessions, r: _Rules, b: _Batch, scratch: _Scratch) -> int:
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


@kernel
def _descend(a: Arena, s: _Sessions, r: _Rules, g: int, scratch: _Scratch) -> int:
    """Follow the rules from the root to a new node, a decided one, or the depth limit."""
    node = 0
    depth = 0
    while True:
        if not r.is_gumbel:
            edge = -1
            if node == 0 and s.forced[g]:
                edge = forced_edge(a, g, r.puct.forced_k)
            if edge < 0:
                edge = select_puct(a, g, node, r.puct)
        elif node == 0:
            wanted = s.sequence[g, s.done[g]]
            edge = select_gumbel_root(
                a, g, r.gumbel, s.noise[g], s.visits_before[g], wanted, scratch.scores
            )
        else:
            edge = select_gumbel_interior(a, g, node, r.gumbel, scratch.scores)
        a.path_node[g, depth] = node
        a.path_edge[g, depth] = edge
        depth += 1
        a.depth[g] = depth
        child = a.child[g, edge]
        if child < 0:
            make_move(a.position[g, node], a.move[g, edge], a.position[g, a.num_nodes[g]])
            child = add_node(a, g, node, r.mate_check, scratch.moves)
            a.child[g, edge] = child
            return child
        if a.proven[g, child] != UNKNOWN or depth == MAX_DEPTH:
            return child
        node = child


@kernel
def _accept(
    a: Arena,
    s: _Sessions,
    b: _Batch,
    rows: int,
    logits: NDArray[np.float32],
    wdl: NDArray[np.float32],
) -> bool:
    """Write the network's answers into their nodes and back them up; False if one is not finite."""
    for row in range(rows):
        g = b.game[row]
        node = b.node[row]
        if not (set_priors(a, g, node, logits[row]) and np.isfinite(wdl[row]).all()):
            return False
        for w in range(3):
            a.wdl[g, node, w] = wdl[row, w]
        a.evaluated[g, node] = True
        if node != 0:
            backward(a, g, node)
            s.done[g] += 1
    return True


@kernel
def _collect_finished(a: Arena, s: _Sessions, finished: NDArray[np.int32]) -> int:
    count = 0
    for g in range(len(s.searching)):
        if s.searching[g] and (s.done[g] >= s.budget[g] or a.proven[g, 0] != UNKNOWN):
            s.searching[g] = False
            finished[count] = g
            count += 1
    return count
