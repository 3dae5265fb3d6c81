"""Positions to calibrate and compare on: of the newest games of a run, else of random play.

Shapes: N positions, K move slots.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.replay.shards import list_shards, read_shard
from backend.search.evaluator import MOVE_SLOTS
from model.config import Orientation
from model.encoding.moves import policy_indices
from model.rules import legal_moves, make_move, start_position
from model.rules.kernel import kernel

SPARE_FACTOR: Final = 4
"""So many more positions than asked for are read, to draw from several games and phases."""
MAX_RANDOM_PLIES: Final = 120

Positions = NDArray[np.uint64]


def sample_positions(replay: Path | None, count: int, seed: int) -> Positions:
    """uint64[count, 8]: different positions with legal moves, in random order.

    From the newest shards in `replay`; where these do not suffice, from games of random moves.
    """
    rng = np.random.default_rng(seed)
    found = np.unique(_newest(replay, count * SPARE_FACTOR), axis=0)
    found = rng.permutation(found)[:count]
    while len(found) < count:
        more = np.unique(_random_games(count, rng), axis=0)
        found = np.concatenate([found, rng.permutation(more)[: count - len(found)]])
    return rng.permutation(found)


def list_moves(
    positions: Positions, orientation: Orientation
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Policy indices int16[N, K] of all legal moves, 0 beyond them, and their number int16[N]."""
    index = np.zeros((len(positions), MOVE_SLOTS), np.int16)
    num_moves = np.zeros(len(positions), np.int16)
    _list_moves(positions, orientation == "mover", np.zeros(256, np.uint16), index, num_moves)
    return index, num_moves


@kernel
def _list_moves(
    positions: Positions,
    mover_orientation: bool,
    moves: NDArray[np.uint16],
    index: NDArray[np.int16],
    num_moves: NDArray[np.int16],
) -> None:
    for n in range(len(positions)):
        count = legal_moves(positions[n], moves)
        policy_indices(positions[n], moves, count, mover_orientation, index[n])
        num_moves[n] = count


def _newest(replay: Path | None, count: int) -> Positions:
    """About `count` positions, or as many as there are."""
    parts = [np.zeros((0, 8), np.uint64)]
    for path in sorted(list_shards(replay), key=_written_at, reverse=True) if replay else ():
        try:
            parts.append(read_shard(path).columns["positions"])
        except ReplayError:
            # The supervisor judges shards and may just have moved this one away.
            continue
        if sum(map(len, parts)) >= count:
            break
    return np.concatenate(parts)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _random_games(count: int, rng: np.random.Generator) -> Positions:
    """uint64[count, 8]: every position of games of random moves, one after the other."""
    found = np.zeros((count, 8), np.uint64)
    moves = np.zeros(256, np.uint16)
    plies = MAX_RANDOM_PLIES
    position = start_position()
    for row in range(count):
        num_moves = legal_moves(position, moves)
        if num_moves == 0 or plies == MAX_RANDOM_PLIES:
            position, plies = start_position(), 0
            num_moves = legal_moves(position, moves)
        found[row] = position
        child = np.zeros(8, np.uint64)
        make_move(position, moves[rng.integers(num_moves)], child)
        position, plies = child, plies + 1
    return found
