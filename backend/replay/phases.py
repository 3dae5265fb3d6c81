"""Opening, middlegame or endgame: read from the board alone, so that every source means the same.

The rule of Lichess (`Divider.scala`) without its measure of how mixed the armies are:

    endgame      at most 6 pieces besides kings and pawns, both sides together
    middlegame   at most 10, or fewer than 4 men left on the back rank of either side
    opening      else
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

OPENING: Final = 0
MIDDLEGAME: Final = 1
ENDGAME: Final = 2
PHASES: Final = ("opening", "middlegame", "endgame")
"""By number."""

_MOST_IN_ENDGAME: Final = 6
_MOST_IN_MIDDLEGAME: Final = 10
_FULL_RANK: Final = 4
_RANK_1: Final = np.uint64(0xFF)
_RANK_8: Final = np.uint64(0xFF << 56)


def phases_of(positions: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """uint8[P] of uint64[P, 8]: OPENING, MIDDLEGAME or ENDGAME."""
    officers = np.bitwise_or.reduce(positions[:, 1:5], axis=1)
    white = positions[:, 6]
    black = np.bitwise_or.reduce(positions[:, :6], axis=1) & ~white
    num_officers = np.bitwise_count(officers)
    has_left_home = (np.bitwise_count(white & _RANK_1) < _FULL_RANK) | (
        np.bitwise_count(black & _RANK_8) < _FULL_RANK
    )
    phase = np.full(len(positions), OPENING, np.uint8)
    phase[(num_officers <= _MOST_IN_MIDDLEGAME) | has_left_home] = MIDDLEGAME
    phase[num_officers <= _MOST_IN_ENDGAME] = ENDGAME
    return phase
