"""Which games are there already, by their hash: 16 to 32 bytes of memory for each.

The hash is of the start and the moves, so the same game is the same whatever file it came from, and
always on the same side of the split:

    sha256(start, moves) -> first byte below 13 of 256: val-…, held out for good
                            else: train-…
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.rules import Position, kernel

_HELD_OUT_BELOW: Final = 13
"""Of 256: 5 % of the games, so the same ones in every import."""
_FIRST_SIZE: Final = 1 << 12
_WORD, _CODE = np.dtype("<u8"), np.dtype("<u2")
_NO_CLOCKS: Final = np.uint64(0x1FF | 0xFFF << 32)
_NO_MOVES: Final = np.empty(0, np.uint16)


def game_hash(start: Position, moves: NDArray[np.uint16]) -> bytes:
    """SHA-256 of a game."""
    content = start.astype(_WORD, copy=False).tobytes() + moves.astype(_CODE, copy=False).tobytes()
    return hashlib.sha256(content).digest()


def task_hash(start: Position) -> bytes:
    """SHA-256 of a task: of its position alone, and without its clocks."""
    position = start.copy()
    position[7] &= _NO_CLOCKS
    return game_hash(position, _NO_MOVES)


def is_held_out(digest: bytes) -> bool:
    """Whether a game is never learned from."""
    return digest[0] < _HELD_OUT_BELOW


class KnownGames:
    """A set of hashes, of which 64 bits are kept: among 50 million games two are taken for one with
    a chance of 1 in 15,000."""

    def __init__(self) -> None:
        self._table = np.zeros(_FIRST_SIZE, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KnownGames):
            return NotImplemented
        return np.array_equal(self._hashes(), other._hashes())

    def _hashes(self) -> NDArray[np.uint64]:
        return np.sort(self._table[self._table != 0])

    def add(self, digest: bytes) -> bool:
        """Whether it is new."""
        if 2 * self._count >= len(self._table):
            larger = np.zeros(2 * len(self._table), np.uint64)
            _move_all(self._table, larger)
            self._table = larger
        is_new = bool(_insert(self._table, np.uint64(_key(digest))))
        self._count += is_new
        return is_new

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and bool(_find(self._table, np.uint64(_key(digest))))


def _key(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little") or 1


@kernel
def _insert(table: NDArray[np.uint64], key: np.uint64) -> bool:
    mask = np.uint64(len(table) - 1)
    at = (key >> np.uint64(8)) & mask
    while table[at] != np.uint64(0):
        if table[at] == key:
            return False
        at = (at + np.uint64(1)) & mask
    table[at] = key
    return True


@kernel
def _find(table: NDArray[np.uint64], key: np.uint64) -> bool:
    mask = np.uint64(len(table) - 1)
    at = (key >> np.uint64(8)) & mask
    while table[at] != np.uint64(0):
        if table[at] == key:
            return True
        at = (at + np.uint64(1)) & mask
    return False


@kernel
def _move_all(table: NDArray[np.uint64], larger: NDArray[np.uint64]) -> None:
    for number in range(len(table)):
        if table[number] != np.uint64(0):
            _insert(larger, table[number])
