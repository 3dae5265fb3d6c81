"""Left-right augmentation: some positions of a batch are shown in a mirror.

Only where castling is gone; there the mirrored position has the same value and mirrored moves.
"""

from dataclasses import replace

import numpy as np

from backend.replay.batch import Batch
from model.encoding.mirror import MIRRORED_MOVE, can_be_mirrored, mirror_positions


def mirror_some(batch: Batch, mirror_frac: float, rng: np.random.Generator) -> Batch:
    """The batch with each position that can be mirrored so shown with chance `mirror_frac`."""
    chosen = rng.random(len(batch)) < mirror_frac
    rows = np.flatnonzero(chosen & can_be_mirrored(batch.positions))
    positions, index = batch.positions.copy(), batch.policy_index.copy()
    positions[rows] = mirror_positions(positions[rows])
    # Padding may be any number; only what is a move has a mirrored one.
    index[rows] = MIRRORED_MOVE[index[rows].clip(0, len(MIRRORED_MOVE) - 1)]
    return replace(batch, positions=positions, policy_index=index)
