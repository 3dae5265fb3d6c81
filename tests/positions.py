"""Positions and training batches for tests: real positions of random games, and mates in one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.replay.batch import Batch
from model.config import Orientation
from model.encoding import policy_indices
from model.rules import from_fen, legal_moves, make_move, start_position

MOVE_SLOTS = 224

Positions = NDArray[np.uint64]


def random_positions(count: int, seed: int) -> Positions:
    """uint64[count, 8]: positions with legal moves, from games of random moves."""
    rng = np.random.default_rng(seed)
    found: list[Positions] = []
    while len(found) < count:
        position = _play_random_plies(int(rng.integers(0, 70)), rng)
        if position is not None:
            found.append(position)
    return np.stack(found)


def legal_index(positions: Positions, orientation: Orientation) -> tuple[NDArray, NDArray]:
    """Policy indices int16[N, 224] of all legal moves, -1 beyond them; their number int16[N]."""
    index = np.full((len(positions), MOVE_SLOTS), -1, np.int16)
    num_moves = np.zeros(len(positions), np.int16)
    moves, row = np.zeros(256, np.uint16), np.zeros(256, np.int16)
    for number, position in enumerate(positions):
        count = legal_moves(position, moves)
        policy_indices(position, moves, count, orientation == "mover", row)
        index[number, :count] = row[:count]
        num_moves[number] = count
    return index, num_moves


def random_batch(count: int, seed: int, orientation: Orientation = "mover") -> Batch:
    """Random positions with peaked random policies and decided or drawn results."""
    rng = np.random.default_rng(seed)
    positions = random_positions(count, seed)
    results = np.eye(3, dtype=np.float32)[rng.integers(0, 3, count)]
    batch = uniform_batch(positions, results, orientation)
    for row, num_moves in enumerate(batch.num_moves):
        batch.policy_prob[row, :num_moves] = rng.dirichlet(np.full(num_moves, 0.3))
    return batch


def uniform_batch(
    positions: Positions, wdl: NDArray[np.float32], orientation: Orientation = "mover"
) -> Batch:
    """The positions with uniform policies and the given results (mover's view)."""
    index, num_moves = legal_index(positions, orientation)
    listed = np.arange(MOVE_SLOTS) < num_moves[:, None]
    batch = Batch(
        positions=positions,
        policy_index=index.astype(np.int64),
        policy_prob=(listed / num_moves[:, None]).astype(np.float32),
        num_moves=num_moves.astype(np.int64),
        wdl_target=wdl.astype(np.float32),
        policy_weight=np.ones(len(positions), np.float32),
        value_weight=np.ones(len(positions), np.float32),
    )
    batch.validate()
    return batch


def positions_of(fens: Sequence[str]) -> Positions:
    return np.stack([from_fen(fen) for fen in fens])


def _play_random_plies(plies: int, rng: np.random.Generator) -> Positions | None:
    position, moves = start_position(), np.zeros(256, np.uint16)
    for _ in range(plies):
        count = legal_moves(position, moves)
        if count == 0:
            return None
        child = np.zeros(8, np.uint64)
        make_move(position, int(moves[rng.integers(count)]), child)
        position = child
    return position if legal_moves(position, moves) else None
