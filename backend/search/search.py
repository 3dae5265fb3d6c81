"""Many games searched in lock-step: one leaf of each game a step, judged in one batch.

Nothing here knows torch, files or processes. The caller owns the games' flow:

    search.start(game, position) ─► begin(game, simulations) ─► step(evaluate) … until listed
            ▲                                                        │
            └──────────────── play(game, move) ◄──── result(game) ◄──┘

Lines that end by the rules are backed up exactly and cost no evaluation, so a step may finish
several simulations of a game. There is no virtual loss: a game never waits for more than one leaf.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.config import SearchConfig
from backend.errors import NonFiniteError
from backend.search.evaluator import MOVE_SLOTS, Evaluate, Request, judge
from backend.search.gumbel import GumbelRule, visit_sequence
from backend.search.lockstep import (
    Batch,
    Rules,
    accept,
    collect_finished,
    make_sessions,
    prepare_root,
    select_leaves,
)
from backend.search.puct import PuctRule, noise_concentration
from backend.search.result import SearchResult, read_result
from backend.search.roots import ILLEGAL, play_move, start_game
from backend.search.tree import MAX_HISTORY, make_arena
from model.config import Orientation
from model.rules import MAX_LEGAL_MOVES

_EDGES_PER_NODE: Final = 44
"""Room for edges; middle-game positions have 35 on average. A full arena ends its search early."""
_SPARE_NODES: Final = 4
_SPARE_EDGES: Final = 2 * MAX_LEGAL_MOVES + 76


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
        self._sessions = make_sessions(num_games, max_simulations)
        self._batch = Batch(
            game=np.zeros(num_games, np.int32),
            node=np.zeros(num_games, np.int32),
            position=np.zeros((num_games, 8), np.uint64),
            move_index=np.zeros((num_games, MOVE_SLOTS), np.int16),
            num_moves=np.zeros(num_games, np.int16),
        )
        self._rows = 0
        self._moves = np.zeros(MAX_LEGAL_MOVES, np.uint16)  # This and the next two are scratch.
        self._scores = np.zeros(MAX_LEGAL_MOVES, np.float64)
        self._new_index = np.zeros(self._max_nodes, np.int32)
        self._finished = np.zeros(num_games, np.int32)
        self._rules = Rules(
            is_gumbel=config.root == "gumbel",
            puct=PuctRule(
                config.c_puct,
                config.c_puct_base,
                config.c_puct_factor,
                config.fpu_reduction,
                config.forced_playouts,
            ),
            gumbel=GumbelRule(config.gumbel_c_visit, config.gumbel_c_scale),
            dirichlet_frac=config.dirichlet_frac,
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
        return int(start_game(self._arena, game, position, self._config.mate_check, self._moves))

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
        s.noise[game] = 0.0
        s.awaits_noise[game] = noise and not self._rules.is_gumbel
        s.has_noisy_priors[game] = False
        s.forced[game] = s.awaits_noise[game] and self._config.forced_playouts > 0.0
        if self._rules.is_gumbel:
            if noise:
                s.noise[game, :n] = self._rng.gumbel(size=n)
            considered = min(n, self._config.gumbel_considered)
            s.sequence[game, :simulations] = visit_sequence(considered, simulations)
        elif noise and a.evaluated[game, 0]:
            self._draw_dirichlet(game)
        prepare_root(a, s, self._rules, game)

    def forget(self, game: int) -> None:
        """Drop all that was searched below the root; the game itself and its history stay."""
        root = self.position(game)
        self._sessions.searching[game] = False
        start_game(self._arena, game, root, self._config.mate_check, self._moves)

    def step(self, evaluate: Evaluate) -> list[int]:
        """One leaf for each searching game; returns the games whose search is now complete."""
        return self.answer(*judge(evaluate, self.select()))

    def select(self) -> Request:
        """One leaf of each searching game that waits for the network; there may be none.

        The first half of a step. The request's arrays are this search's own, overwritten by the
        next `select`; until `answer` no other method may be called.
        """
        self._rows = int(
            select_leaves(self._arena, self._sessions, self._rules, self._batch, self._scores)
        )
        b, rows = self._batch, self._rows
        return Request(b.position[:rows], b.move_index[:rows], b.num_moves[:rows])

    def answer(self, logits: NDArray[np.float32], wdl: NDArray[np.float32]) -> list[int]:
        """Take what the network says of the last request; returns the games now complete."""
        a, s = self._arena, self._sessions
        if not accept(a, s, self._rules, self._batch, self._rows, logits, wdl):
            raise NonFiniteError("the network's answer for a position is NaN or infinite")
        if not self._rules.is_gumbel:
            for game in np.flatnonzero(s.awaits_noise & a.evaluated[:, 0]):
                self._draw_dirichlet(int(game))
                prepare_root(a, s, self._rules, int(game))
        count = int(collect_finished(a, s, self._finished))
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
            gumbel=self._rules.gumbel,
            is_gumbel=self._rules.is_gumbel,
            forced=self._rules.puct if s.forced[game] else None,
            noisy_priors=s.prior[game],
            visits_before=s.visits_before[game],
            logits=s.logit[game],
            simulations=int(s.done[game]),
            mover_orientation=self._rules.mover_orientation,
        )

    def play(self, game: int, move: int) -> int:
        """Make a legal move at the root, keep what was searched below it; returns the Outcome."""
        outcome = int(
            play_move(
                self._arena, game, int(move), self._config.mate_check, self._moves, self._new_index
            )
        )
        if outcome == ILLEGAL:
            raise ValueError(f"move {move} is not legal in game {game}")
        self._sessions.searching[game] = False
        return outcome

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

    @property
    def num_bytes(self) -> int:
        """Of the trees and what belongs to them; taken from the system as they grow."""
        return sum(array.nbytes for part in (self._arena, self._sessions) for array in part)

    def _draw_dirichlet(self, game: int) -> None:
        """Draw the noise of a root that has its priors."""
        a, s = self._arena, self._sessions
        s.awaits_noise[game] = False
        s.has_noisy_priors[game] = True
        n, first = int(a.num_edges[game, 0]), int(a.first_edge[game, 0])
        prior = a.prior[game, first : first + n].astype(np.float64)
        s.noise[game, :n] = self._rng.dirichlet(noise_concentration(prior, self._config))
