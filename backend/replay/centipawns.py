"""Win, draw and loss from an engine's evaluation in centipawns.

Stockfish's own curve at move 32, where by its definition 100 centipawns win every second game; from
python-chess, which has it as a function of single values. The move is left out: what an evaluation
of some engine, some year and some scale is worth is not known better than that.
"""

from functools import cache
from typing import Final

import chess.engine
import numpy as np
from numpy.typing import NDArray

MOST_CP: Final = 2000
"""Beyond, nothing changes any more."""
_PLY: Final = 64


def wdl_of_centipawns(cp: NDArray[np.integer]) -> NDArray[np.float32]:
    """float32[P, 3]: for whoever the P evaluations are good for if they are positive."""
    rows: NDArray[np.float32] = _table()[np.clip(cp, -MOST_CP, MOST_CP) + MOST_CP]
    return rows


@cache
def _table() -> NDArray[np.float32]:
    rows = [
        tuple(chess.engine.Cp(cp).wdl(model="sf16", ply=_PLY))
        for cp in range(-MOST_CP, MOST_CP + 1)
    ]
    table: NDArray[np.float32] = np.array(rows, np.float32) / np.float32(1000)
    table[0], table[-1] = (0, 0, 1), (1, 0, 0)  # Mates are beyond all centipawns.
    return table
