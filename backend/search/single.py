"""One position searched deeply, in batches of many leaves; the tree goes on from move to move.

Nothing here knows torch, clocks or protocols. The caller owns the flow:

    start(position, history) ─► step(evaluate) … ─► lines of the root
                 ▲                    │
                 └──── play(move) ◄───┘
"""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.errors import NonFiniteError
from backend.search.evaluator import MOVE_SLOTS, Evaluate
from backend.search.flight import (
    DEEPEST,
    DEPTH_SUM,
    SIMULATIONS,
    TOTAL_COLLISIONS,
    gather,
    make_flights,
    mate_plies,
    open_root,
    settle,
)
from backend.search.lockstep import Batch
from backend.search.puct import PuctRule
from backend.search.roots import ILLEGAL, play_move, start_game
from backend.search.tree import MAX_HISTORY, make_arena
from model.config import Orientation
from model.rules import MAX_LEGAL_MOVES

PLAY_RULE: Final = PuctRule(
    c_puct=1.745, c_base=38739.0, c_factor=3.894, fpu_reduction=0.33, forced_k=0.0
)
"""For play and analysis: the match settings of Leela Chess Zero."""
BYTES_PER_NODE: Final = 570
"""Of the arena, its edges included; for turning a memory limit into nodes."""
MAX_NODES: Final = 40_000_000
"""Edges are numbered in 32 bits."""

_EDGES_PER_NODE: Final = 44
_LEAST_NODES: Final = 64
_FILL: Final = 4
"""A batch is at most this share (1/4) of the tree: guesses must not outnumber what is known."""


class SingleSearch:
    """The tree of one position; for one thread."""

    def __init__(
        self,
        *,
        max_nodes: int,
        max_batch: int,
        orientation: Orientation,
        rule: PuctRule = PLAY_RULE,
        mate_check: bool = True,
    ) -> None:
        """Memory for `max_nodes` is reserved, and taken by the system as the tree grows."""
        self.max_nodes = min(MAX_NODES, max(_LEAST_NODES, max_nodes))
        max_edges = self.max_nodes * _EDGES_PER_NODE + 2 * MAX_LEGAL_MOVES
        self.arena = make_arena(1, self.max_nodes, max_edges)
        self.num_moves = 0
        """Legal moves of the root; 0 when the game has ended."""
        self.evaluations = 0
        """Positions judged since the last `begin`; no position twice."""
        self._flights = make_flights(self.max_nodes, max_batch)
        self._batch = Batch(
            game=np.zeros(max_batch, np.int32),
            node=np.zeros(max_batch, np.int32),
            position=np.zeros((max_batch, 8), np.uint64),
            move_index=np.zeros((max_batch, MOVE_SLOTS), np.int16),
            num_moves=np.zeros(max_batch, np.int16),
        )
        self._max_batch = max_batch
        self._rule = rule
        self._mate_check = mate_check
        self._mover_orientation = orientation == "mover"
        self._moves = np.zeros(MAX_LEGAL_MOVES, np.uint16)  # This and the next two are scratch.
        self._new_index = np.zeros(self.max_nodes, np.int32)
        self._mate_plies = np.zeros(self.max_nodes, np.int16)
        self._nodes_before = 0

    def start(self, position: NDArray[np.uint64], history: Sequence[int] = ()) -> None:
        """A fresh tree. `history` holds the Zobrist keys of the positions before, oldest first."""
        keys = np.array(history[-MAX_HISTORY:], np.uint64)
        self.arena.history[0, : len(keys)] = keys
        self.arena.num_history[0] = len(keys)
        self._flights.in_flight[:] = 0
        start_game(self.arena, 0, position, self._mate_check, self._moves)
        self.num_moves = int(open_root(self.arena, 0))

    def play(self, move: int) -> None:
        """Make a legal move at the root and keep what was searched below it."""
        outcome = play_move(
            self.arena, 0, int(move), self._mate_check, self._moves, self._new_index
        )
        if outcome == ILLEGAL:
            raise ValueError(f"move {move} is not legal here")
        self.num_moves = int(open_root(self.arena, 0))

    def forget(self) -> None:
        """Drop all that was searched below the root; the root and its history stay."""
        position = self.position
        self._flights.in_flight[:] = 0
        start_game(self.arena, 0, position, self._mate_check, self._moves)
        self.num_moves = int(open_root(self.arena, 0))

    def begin(self, allowed: Collection[int] = ()) -> None:
        """Set all counters to 0; only the moves of `allowed` are searched, all when it is empty."""
        moves = self.moves
        self._flights.allowed[:] = False
        self._flights.allowed[: len(moves)] = np.isin(moves, list(allowed)) if allowed else True
        self._flights.counts[:] = 0
        self._nodes_before = int(self.arena.num_nodes[0]) - (not self.arena.evaluated[0, 0])
        self.evaluations = 0

    def step(self, evaluate: Evaluate, *, leaves: int, nodes: int | None = None) -> int:
        """Judge one batch of at most `leaves` new positions; returns how many there were.

        No more than `nodes` are put into the tree since `begin`. 0 means that nothing is left to
        judge now; simulations that end by the rules may have been made all the same.
        """
        a, b = self.arena, self._batch
        size = int(a.num_nodes[0])
        wanted = max(1, min(leaves, self._max_batch, size // _FILL))
        stop_at = self.max_nodes if nodes is None else self._nodes_before + nodes
        rows = int(
            gather(
                a,
                0,
                self._flights,
                self._rule,
                self._mate_check,
                self._mover_orientation,
                b,
                wanted,
                stop_at,
            )
        )
        if rows:
            answer = evaluate(b.position[:rows], b.move_index[:rows], b.num_moves[:rows])
            if not settle(a, 0, self._flights, b, rows, *answer):
                raise NonFiniteError("the network's answer for a position is NaN or infinite")
            self.evaluations += rows
        return rows

    @property
    def nodes(self) -> int:
        """Positions put into the tree since `begin`: judged by the network, or by the rules."""
        evaluated = bool(self.arena.evaluated[0, 0])
        return int(self.arena.num_nodes[0]) - self._nodes_before - (not evaluated)

    @property
    def simulations(self) -> int:
        """Since `begin`; more than `nodes` where decided positions are visited again."""
        return int(self._flights.counts[SIMULATIONS])

    @property
    def collisions(self) -> int:
        """Simulations since `begin` that met a leaf in flight and came to nothing."""
        return int(self._flights.counts[TOTAL_COLLISIONS])

    @property
    def mean_depth(self) -> float:
        """Plies from the root to the end of a simulation, on average."""
        return float(self._flights.counts[DEPTH_SUM] / max(1, self.simulations))

    @property
    def deepest(self) -> int:
        """The longest simulation, plies."""
        return int(self._flights.counts[DEEPEST])

    @property
    def is_full(self) -> bool:
        """No room for another node."""
        nodes, edges = self.arena.num_nodes[0], self.arena.used_edges[0]
        room = self.arena.move.shape[1] - MAX_LEGAL_MOVES
        return bool(nodes >= self.max_nodes - 1 or edges > room)

    @property
    def fill(self) -> float:
        """Share of the tree's room that is taken (0 to 1)."""
        edges = float(self.arena.used_edges[0] / self.arena.move.shape[1])
        return min(1.0, max(float(self.arena.num_nodes[0] / self.max_nodes), edges))

    @property
    def position(self) -> NDArray[np.uint64]:
        """uint64[8] at the root; a copy."""
        return self.arena.position[0, 0].copy()

    @property
    def moves(self) -> NDArray[np.uint16]:
        """The root's legal moves."""
        first = int(self.arena.first_edge[0, 0])
        return self.arena.move[0, first : first + self.num_moves]

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """Which of them may be searched."""
        return self._flights.allowed[: self.num_moves]

    @property
    def is_in_flight(self) -> bool:
        """Whether a mark was left behind; never between two steps."""
        return bool(self._flights.in_flight[: int(self.arena.num_nodes[0])].any())

    def find_mates(self) -> NDArray[np.int16]:
        """int16[N]: plies to mate of each proven node, -1 elsewhere; valid until the next step."""
        mate_plies(self.arena, 0, self._mate_plies)
        return self._mate_plies
