"""The newest positions in memory, ready to be gathered: what the trainer draws from.

Whole shards come in at the end and leave at the front. Each column is one flat array that grows by
doubling, so that a batch is a handful of vectorised look-ups however many shards there are:

    dropped | shard 7 | shard 8 | ... | shard 93 | room
            start                                end

Shapes: P positions in the window, N their legal moves together.
"""

from collections import deque
from pathlib import Path
from typing import Final

import numpy as np

from backend.errors import ReplayError
from backend.replay.labels import LABELS, Labels
from backend.replay.rescored import OnDamage, read_rescored, refuse
from backend.replay.schema import Array
from backend.replay.shards import read_shard

_COLUMNS: Final[dict[str, tuple[type[np.generic], tuple[int, ...]]]] = {
    "positions": (np.uint64, (8,)),
    "num_moves": (np.int16, ()),
    "root_wdl": (np.float32, (3,)),
    "result_wdl": (np.float32, (3,)),
    "value_wdl": (np.float32, (3,)),
    "has_result": (np.uint8, ()),
    "policy_weight": (np.float16, ()),
    "value_weight": (np.float16, ()),
    "plies_left": (np.int16, ()),
    "ply": (np.int16, ()),
}
"""Taken over from the shards as they are; `game` is added to them."""


class Window:
    """Positions of the newest shards, at least `capacity` of them once so many were added."""

    def __init__(self, directory: Path, capacity: int, on_damage: OnDamage = refuse) -> None:
        """`on_damage` hears of what a pass has rescored and cannot be read."""
        self._on_damage = on_damage
        self._directory = directory
        self._capacity = capacity
        self._columns = {name: _Tape(dtype, shape) for name, (dtype, shape) in _COLUMNS.items()}
        self._columns["game"] = _Tape(np.int64, ())
        self._columns |= {name: _Tape(dtype, shape) for name, (dtype, shape) in LABELS.items()}
        self.labels = Labels()
        """What the numbers of the columns `source` and `theme_set` mean."""
        self._num_games = 0
        """Of all shards that were ever added: shards number their games from 0."""
        self._first_move = _Tape(np.int64, ())
        self._policy_index = _Tape(np.int16, ())
        self._policy_prob = _Tape(np.float16, ())
        self._names: set[str] = set()
        self._shards: deque[tuple[int, int]] = deque()
        self._dropped_moves = 0

    @property
    def num_positions(self) -> int:
        return len(self._columns["positions"])

    @property
    def revision(self) -> int:
        """Shards that were ever added: another number, other rows."""
        return len(self._names)

    def add(self, name: str) -> int:
        """Take in a shard of the directory; returns its positions, 0 if it was added before.

        Where a pass has rescored it (`rescored.py`) and that is sound, it is taken instead.

        The file's hash and structure are checked. ReplayError names what is wrong with it.
        """
        if name in self._names:
            return 0
        rescored = read_rescored(self._directory, name, self._on_damage)
        shard = rescored or read_shard(self._directory / name)
        self._names.add(name)
        columns = shard.columns | {
            "game": shard.columns["game_of_position"].astype(np.int64) + self._num_games,
            **self.labels.columns(shard),
        }
        self._num_games += len(columns["game_result"])
        for column, tape in self._columns.items():
            tape.append(columns[column])
        moves_before = self._dropped_moves + len(self._policy_index)
        self._first_move.append(columns["policy_offset"][:-1] + moves_before)
        self._policy_index.append(columns["policy_index"])
        self._policy_prob.append(columns["policy_prob"])
        self._shards.append((shard.num_positions, len(columns["policy_index"])))
        while self.num_positions - self._shards[0][0] >= self._capacity:
            self._drop_oldest()
        return shard.num_positions

    def _drop_oldest(self) -> None:
        positions, moves = self._shards.popleft()
        for tape in (*self._columns.values(), self._first_move):
            tape.drop(positions)
        self._policy_index.drop(moves)
        self._policy_prob.drop(moves)
        self._dropped_moves += moves

    def column(self, name: str) -> Array:
        """A column of the whole window, oldest first; valid until the next `add`.

        `game` is a number that only positions of the same game share.
        """
        return self._columns[name].view()

    def policies(self, rows: Array) -> tuple[Array, Array, Array]:
        """Policies of the positions `rows`: indices int64[B,K], probabilities float32[B,K], counts.

        Probabilities sum to 1 over the first count entries of a row and are 0 behind them; indices
        there mean nothing. ReplayError when the window is empty.
        """
        if not self.num_positions:
            raise ReplayError("the window is empty")
        num_moves = self.column("num_moves")[rows].astype(np.int64)
        slot = np.arange(int(num_moves.max()))
        listed = slot < num_moves[:, None]
        first = self._first_move.view()[rows] - self._dropped_moves
        where = np.where(listed, first[:, None] + slot, first[:, None])
        index = self._policy_index.view()[where].astype(np.int64)
        prob = np.where(listed, self._policy_prob.view()[where].astype(np.float32), 0.0)
        prob /= prob.sum(axis=1, keepdims=True)
        return index, prob.astype(np.float32), num_moves


class _Tape:
    """A growing array that forgets its front."""

    def __init__(self, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        self._array = np.zeros((1024, *shape), dtype)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def view(self) -> Array:
        return self._array[self._start : self._end]

    def append(self, rows: Array) -> None:
        if self._end + len(rows) > len(self._array):
            self._make_room(len(rows))
        self._array[self._end : self._end + len(rows)] = rows
        self._end += len(rows)

    def drop(self, count: int) -> None:
        self._start += count

    def _make_room(self, count: int) -> None:
        """Slide to the front, into a larger array if this one is more than half full."""
        kept = self.view()
        room = len(self._array)
        while room < 2 * (len(kept) + count):
            room *= 2
        array = np.empty((room, *self._array.shape[1:]), self._array.dtype)
        array[: len(kept)] = kept
        self._array, self._start, self._end = array, 0, len(kept)
