"""The window holds the newest shards, and hands out exactly what they hold."""

from pathlib import Path

import numpy as np
import pytest

from backend.config import Config
from backend.errors import ReplayError
from backend.replay import records
from backend.replay.imports import LEARNED
from backend.replay.records import GameRecord
from backend.replay.sampler import Sampler
from backend.replay.shards import read_shard
from backend.replay.sources import window_of_shards
from backend.replay.window import Window
from tests.backend.replay.games import (
    BLACK_MATES,
    SHUFFLE,
    WHITE_MATES,
    black_mates,
    cut_game,
    game_of,
    white_mates,
    write,
)


def test_without_imported_games_the_shards_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="no shard train-…; bring in more games"):
        window_of_shards(tmp_path, LEARNED, Config())


def _shards(directory: Path, count: int) -> list[str]:
    """Shards with 1 to 4 games of different lengths and legal moves."""
    every: list[list[GameRecord]] = [
        [white_mates()],
        [cut_game(), black_mates()],
        [game_of(SHUFFLE, 5, records.DRAW, seed=1), white_mates(), cut_game()],
        [black_mates(), game_of(WHITE_MATES, 1, 1, kind=records.PLAYED_MOVE), cut_game()],
    ]
    return [write(directory, every[n % 4], seq=n).name for n in range(count)]


def _naive(directory: Path, names: list[str]) -> list[tuple[np.ndarray, list[int], np.ndarray]]:
    """Position, policy indices and probabilities of every row, one after the other."""
    rows = []
    for name in names:
        columns = read_shard(directory / name).columns
        for number in range(len(columns["positions"])):
            own = slice(*columns["policy_offset"][number : number + 2])
            prob = columns["policy_prob"][own].astype(np.float32)
            index = columns["policy_index"][own].tolist()
            rows.append((columns["positions"][number], index, prob / prob.sum()))
    return rows


def test_a_gathered_batch_is_what_a_loop_over_the_shards_finds(tmp_path: Path) -> None:
    names = _shards(tmp_path, 9)
    window = Window(tmp_path, capacity=60)
    for name in names:
        window.add(name)
    wanted = _naive(tmp_path, names)[-window.num_positions :]
    rows = np.random.default_rng(0).permutation(window.num_positions)
    batch = Sampler(window, np.random.default_rng(0), 0.25).gather(rows)
    batch.validate()
    for place, row in enumerate(rows):
        position, index, prob = wanted[row]
        count = len(index)
        assert (batch.positions[place] == position).all()
        assert batch.num_moves[place] == count
        assert batch.policy_index[place, :count].tolist() == index
        np.testing.assert_allclose(batch.policy_prob[place, :count], prob, rtol=1e-6)
        assert not batch.policy_prob[place, count:].any()


def test_the_oldest_shards_leave_whole_and_only_when_the_rest_is_enough(tmp_path: Path) -> None:
    names = _shards(tmp_path, 8)
    sizes = [read_shard(tmp_path / name).num_positions for name in names]
    window = Window(tmp_path, capacity=25)
    for number, name in enumerate(names, 1):
        assert window.add(name) == sizes[number - 1]
        held = [sum(sizes[first:number]) for first in range(number)]
        assert window.num_positions == min([n for n in held if n >= 25], default=held[0])


def test_a_shard_that_is_added_twice_counts_once(tmp_path: Path) -> None:
    first, second = _shards(tmp_path, 2)
    window = Window(tmp_path, capacity=5)
    assert window.add(first) == 7
    assert window.add(first) == 0
    assert window.num_positions == 7
    window.add(second)
    assert window.add(first) == 0, "it has left the window"
    assert window.num_positions == 7


def test_a_damaged_shard_leaves_the_window_as_it_was(tmp_path: Path) -> None:
    first, second = _shards(tmp_path, 2)
    content = bytearray((tmp_path / second).read_bytes())
    content[-1] ^= 1
    (tmp_path / second).write_bytes(content)
    window = Window(tmp_path, capacity=100)
    window.add(first)
    with pytest.raises(ReplayError, match="damaged"):
        window.add(second)
    assert window.num_positions == 7
    content[-1] ^= 1
    (tmp_path / second).write_bytes(content)
    assert window.add(second) == 7


def test_an_empty_window_says_so(tmp_path: Path) -> None:
    sampler = Sampler(Window(tmp_path, 10), np.random.default_rng(0), 0.0)
    with pytest.raises(ReplayError, match="the window is empty"):
        sampler.sample(4)


def test_a_long_life_does_not_let_it_grow(tmp_path: Path) -> None:
    names = [write(tmp_path, [game_of(BLACK_MATES, 1, -1, seed=n)], seq=n).name for n in range(200)]
    window = Window(tmp_path, capacity=40)
    for name in names:
        window.add(name)
    assert window.num_positions == 40
    assert sum(tape._array.nbytes for tape in window._columns.values()) < 40 * 4096
    batch = Sampler(window, np.random.default_rng(0), 0.0).gather(np.arange(40))
    wanted = _naive(tmp_path, names[-10:])
    assert [index for _, index, _ in wanted] == [
        batch.policy_index[row, : batch.num_moves[row]].tolist() for row in range(40)
    ]
