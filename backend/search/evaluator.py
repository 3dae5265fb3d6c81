"""What a search asks of a network. The search knows nothing else about it.

Shapes: N positions, K >= 218 move slots.
"""

from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

MOVE_SLOTS: Final = 224
"""Columns of a batch's move tables; no chess position has more than 218 legal moves."""


class Request(NamedTuple):
    """Positions to be judged: the arguments of `Evaluate`."""

    positions: NDArray[np.uint64]
    move_index: NDArray[np.int16]
    num_moves: NDArray[np.int16]


class Evaluate(Protocol):
    """Judge a batch of positions that have legal moves."""

    def __call__(
        self,
        positions: NDArray[np.uint64],
        move_index: NDArray[np.int16],
        num_moves: NDArray[np.int16],
        /,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Policy logits float32[N,K] of the legal moves, and wdl float32[N,3].

        `positions` is uint64[N,8], `move_index` int16[N,K] holds policy indices, of which the first
        `num_moves[n]` count. wdl are probabilities of win, draw and loss for the side to move.
        """


def judge(evaluate: Evaluate, request: Request) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The answer to a request; an empty one is not worth a call."""
    if len(request.positions) == 0:
        return np.zeros((0, MOVE_SLOTS), np.float32), np.zeros((0, 3), np.float32)
    return evaluate(*request)


def uniform(
    positions: NDArray[np.uint64],
    move_index: NDArray[np.int16],
    num_moves: NDArray[np.int16],
    /,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The evaluator that knows nothing: all moves alike, every position a coin toss."""
    wdl = np.full((len(positions), 3), 1 / 3, np.float32)
    return np.zeros(move_index.shape, np.float32), wdl
