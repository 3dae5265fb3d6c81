"""What later positions of the same game say about an earlier one: targets of heads that look ahead.

    plies left         to the end of the game
    short-term value   the searches' values over the next plies, each ply weighing less (KataGo:
                       "short-term value"); behind the end of the game stands its result
    reply              the search's policy in the next position, the opponent's

A ply that was not recorded is passed over; where there is nothing to be learned the weight is 0.

Shapes: B positions, H rows ahead, K the most legal moves of any reply.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.replay.records import UNKNOWN_PLIES
from backend.replay.schema import Array
from backend.replay.window import Window

SHORT_VALUE_PLIES: Final = 8
"""Mean distance of what counts in the short-term value: a ply weighs 1 - 1/8 of the one before."""
HORIZON: Final = 4 * SHORT_VALUE_PLIES
"""Plies behind this one are left out; they would weigh a fiftieth of the whole."""

_DECAY: Final = 1 - 1 / SHORT_VALUE_PLIES
_BLACK_TO_MOVE: Final = np.uint64(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Future:
    """Targets of B positions, as seen by the side to move in each of them."""

    plies_left: NDArray[np.float32]
    """[B]; UNKNOWN_PLIES (-1) where the game has no result."""
    short_wdl: NDArray[np.float32]
    """[B, 3]: win, draw, loss."""
    short_weight: NDArray[np.float32]
    """[B]: importance in the loss; 0 where nothing was searched."""
    reply_index: NDArray[np.int64]
    """[B, K]: policy indices of all legal moves of the next position, as its mover sees them."""
    reply_prob: NDArray[np.float32]
    """[B, K]: sums to 1 over the legal moves."""
    reply_num_moves: NDArray[np.int64]
    """[B]: at least 1."""
    reply_weight: NDArray[np.float32]
    """[B]: importance in the loss; 0 where the next position is unknown or teaches no policy."""

    def validate(self, size: int) -> None:
        """ReplayError when shapes or numbers are not what this class says."""
        legal = np.arange(self.reply_index.shape[1]) < self.reply_num_moves[:, None]
        mass = np.where(legal, self.reply_prob, 0).sum(axis=1)
        for name, is_fine in (
            ("plies_left", self.plies_left >= UNKNOWN_PLIES),
            ("short_wdl (sum)", abs(self.short_wdl.sum(axis=1) - 1) < 1e-3),
            ("short_weight", np.isfinite(self.short_weight) & (self.short_weight >= 0)),
            ("reply_prob (sum)", abs(mass - 1) < 1e-3),
            ("reply_weight", np.isfinite(self.reply_weight) & (self.reply_weight >= 0)),
        ):
            if is_fine.shape != (size,) or not is_fine.all():
                raise ReplayError(f"batch.future.{name} is out of range or has a wrong shape")


def look_ahead(window: Window, rows: Array) -> Future:
    """What follows the positions `rows` of the window in their games."""
    short_wdl, short_weight = _short_values(window, rows)
    index, prob, num_moves, reply_weight = _replies(window, rows)
    return Future(
        plies_left=window.column("plies_left")[rows].astype(np.float32),
        short_wdl=short_wdl,
        short_weight=short_weight,
        reply_index=index,
        reply_prob=prob,
        reply_num_moves=num_moves,
        reply_weight=reply_weight,
    )


def _short_values(window: Window, rows: Array) -> tuple[Array, Array]:
    """float32[B, 3] and float32[B]."""
    ply, game, root = (window.column(name) for name in ("ply", "game", "root_wdl"))
    ahead_BH = np.minimum(rows[:, None] + np.arange(HORIZON), window.num_positions - 1)
    # The last row of the window may stand several times in a line: once is enough.
    is_new = np.diff(ahead_BH, axis=1, prepend=-1) > 0
    distance_BH = ply[ahead_BH].astype(np.int64) - ply[rows].astype(np.int64)[:, None]
    wdl_BH3 = root[ahead_BH]
    counts = is_new & (game[ahead_BH] == game[rows][:, None]) & (distance_BH < HORIZON)
    counts &= np.isfinite(wdl_BH3).all(axis=2)
    weight_BH = np.where(counts, _DECAY ** np.where(counts, distance_BH, 0), 0.0)
    state = window.column("positions")[:, 7]
    is_other = ((state[ahead_BH] ^ state[rows][:, None]) & _BLACK_TO_MOVE) != 0
    wdl_BH3 = np.where(is_other[:, :, None], wdl_BH3[:, :, ::-1], wdl_BH3)
    wdl_BH3 = np.where(counts[:, :, None], wdl_BH3, 0.0)

    plies_left = window.column("plies_left")[rows].astype(np.int64)
    ends = (plies_left != UNKNOWN_PLIES) & (plies_left < HORIZON)
    # All plies from the end on, for ever: the sum of a geometric series.
    end_weight_B = np.where(ends, _DECAY ** np.where(ends, plies_left, 0) * SHORT_VALUE_PLIES, 0.0)
    result_B3 = window.column("result_wdl")[rows]
    total_B3 = (weight_BH[:, :, None] * wdl_BH3).sum(axis=1) + end_weight_B[:, None] * result_B3
    is_searched = counts.any(axis=1)
    mass_B1 = np.where(is_searched, weight_BH.sum(axis=1) + end_weight_B, 1.0)[:, None]
    short_wdl = np.where(is_searched[:, None], total_B3 / mass_B1, 1 / 3)
    short_wdl /= short_wdl.sum(axis=1, keepdims=True)
    weight = np.where(is_searched, window.column("value_weight")[rows], 0.0)
    return short_wdl.astype(np.float32), weight.astype(np.float32)


def _replies(window: Window, rows: Array) -> tuple[Array, Array, Array, Array]:
    """The policies of the next positions as `Window.policies` has them, and float32[B] weights."""
    ply, game = window.column("ply"), window.column("game")
    after = np.minimum(rows + 1, window.num_positions - 1)
    is_next = (game[after] == game[rows]) & (ply[after] == ply[rows] + 1)
    after = np.where(is_next, after, rows)
    weight = np.where(is_next, window.column("policy_weight")[after], 0.0)
    return (*window.policies(after), weight.astype(np.float32))
