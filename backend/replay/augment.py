"""Left-right augmentation: some positions of a batch are shown in a mirror.

Only where castling is gone; there the mirrored position has the same value and mirrored moves.
"""

from dataclasses import replace

import numpy as np

from backend.replay.batch import Batch
from backend.replay.schema import Array
from model.encoding.mirror import MIRRORED_MOVE, can_be_mirrored, mirror_positions


def mirror_some(batch: Batch, mirror_frac: float, rng: np.random.Generator) -> Batch:
    """The batch with each position that can be mirrored so shown with chance `mirror_frac`."""
    chosen = rng.random(len(batch)) < mirror_frac
    rows = np.flatnonzero(chosen & can_be_mirrored(batch.positions))
    positions = batch.positions.copy()
    positions[rows] = mirror_positions(positions[rows])
    future = batch.future
    if future is not None:
        future = replace(future, reply_index=_mirrored(future.reply_index, rows))
    index = _mirrored(batch.policy_index, rows)
    return replace(batch, positions=positions, policy_index=index, future=future)


def _mirrored(index: Array, rows: Array) -> Array:
    """A copy of int64[B, K] with the moves of `rows` mirrored."""
    mirrored = index.copy()
    # Padding may be any number; only what is a move has a mirrored one.
    mirrored[rows] = MIRRORED_MOVE[index[rows].clip(0, len(MIRRORED_MOVE) - 1)]
    return mirrored
