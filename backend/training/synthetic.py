"""Batches from nothing: positions of random games, with random policies and results.

They have the shapes and the costs of real ones and teach nothing.
"""

import numpy as np

from backend.replay.batch import Batch
from backend.replay.future import Future
from model.config import Orientation
from model.encoding import policy_indices
from model.rules import legal_moves, make_move, start_position

MAX_PLIES = 80
"""Of a random game."""


def synthetic_batch(size: int, orientation: Orientation, rng: np.random.Generator) -> Batch:
    """`size` positions, each followed by the next of its game."""
    positions = np.zeros((size, 8), np.uint64)
    index = np.full((size, 256), -1, np.int16)
    num_moves = np.zeros(size, np.int64)
    moves = np.zeros(256, np.uint16)
    position, ply, count = start_position(), 0, 20
    for row in range(size):
        if row:
            child = np.zeros(8, np.uint64)
            legal_moves(position, moves)
            make_move(position, int(moves[rng.integers(count)]), child)
            position, ply = child, ply + 1
        count = legal_moves(position, moves)
        if count == 0 or ply == MAX_PLIES:
            position, ply = start_position(), 0
            count = legal_moves(position, moves)
        positions[row], num_moves[row] = position, count
        policy_indices(position, moves, count, orientation == "mover", index[row])
    width = int(num_moves.max())
    listed = np.arange(width) < num_moves[:, None]
    prob = np.where(listed, rng.random((size, width)), 0)
    policy_index = index[:, :width].astype(np.int64)
    policy_prob = (prob / prob.sum(axis=1, keepdims=True)).astype(np.float32)
    wdl_target = np.eye(3, dtype=np.float32)[rng.integers(3, size=size)]
    return Batch(
        positions=positions,
        policy_index=policy_index,
        policy_prob=policy_prob,
        num_moves=num_moves,
        wdl_target=wdl_target,
        policy_weight=np.ones(size, np.float32),
        value_weight=np.ones(size, np.float32),
        future=Future(
            plies_left=rng.integers(1, MAX_PLIES, size).astype(np.float32),
            short_wdl=wdl_target,
            short_weight=np.ones(size, np.float32),
            reply_index=np.roll(policy_index, -1, axis=0),
            reply_prob=np.roll(policy_prob, -1, axis=0),
            reply_num_moves=np.roll(num_moves, -1),
            reply_weight=np.ones(size, np.float32),
        ),
    )
