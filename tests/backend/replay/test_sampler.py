"""Every position is drawn alike, the draw can be repeated, and value targets are mixed rightly."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.replay import records
from backend.replay.sampler import Sampler
from backend.replay.window import Window
from tests.backend.replay.games import (
    BLACK_MATES,
    ROOT_WDL,
    SHUFFLE,
    black_mates,
    cut_game,
    game_of,
    white_mates,
    write,
)

WIN, DRAW, LOSS = np.eye(3, dtype=np.float32)


@pytest.fixture
def window(tmp_path: Path) -> Window:
    """Rows 0-6 White mates, 7-9 a cut game, 10-13 Black mates, 14-21 a draw."""
    games = [white_mates(), cut_game(), black_mates(), game_of(SHUFFLE, 5, records.DRAW)]
    window = Window(tmp_path, 1000)
    window.add(write(tmp_path, games).name)
    return window


def test_every_position_is_drawn_equally_often(window: Window) -> None:
    sampler = Sampler(window, np.random.default_rng(5), 0.0)
    keys = [row.tobytes() for row in window.column("positions")]
    counts = dict.fromkeys(keys, 0)
    num_draws, num_rows = 22_000, len(keys)
    for _ in range(22):
        for row in sampler.sample(num_draws // 22).positions:
            counts[row.tobytes()] += 1
    for key, count in counts.items():
        expected = num_draws / num_rows * keys.count(key)
        assert abs(count - expected) < 5 * np.sqrt(expected)


def test_the_same_state_draws_the_same_batches(window: Window) -> None:
    sampler = Sampler(window, np.random.default_rng(5), 0.25)
    sampler.sample(7)
    state = json.loads(json.dumps(sampler.state()))
    first = [sampler.sample(9) for _ in range(3)]
    other = Sampler(window, np.random.default_rng(99), 0.25)
    other.restore(state)
    for batch in first:
        again = other.sample(9)
        assert (again.positions == batch.positions).all()
        assert (again.policy_prob == batch.policy_prob).all()
    assert (sampler.sample(64).positions != sampler.sample(64).positions).any()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_searched_position_mixes_result_and_search(window: Window, share: float) -> None:
    batch = Sampler(window, np.random.default_rng(0), share).gather(np.array([0, 1, 10, 11, 14]))
    for target, result in zip(batch.wdl_target, [WIN, LOSS, LOSS, WIN, DRAW], strict=True):
        np.testing.assert_allclose(target, (1 - share) * result + share * ROOT_WDL, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_position_of_a_cut_game_has_the_search_alone(window: Window, share: float) -> None:
    batch = Sampler(window, np.random.default_rng(0), share).gather(np.array([7, 8, 9]))
    np.testing.assert_allclose(batch.wdl_target, np.tile(ROOT_WDL, (3, 1)), atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_position_that_was_not_searched_has_the_result_alone(
    tmp_path: Path, share: float
) -> None:
    unsearched = game_of(BLACK_MATES, 1, records.BLACK_WON, kind=records.PLAYED_MOVE)
    unfinished = game_of(
        "e2e4 e7e5", records.TRUNCATED, records.NO_RESULT, kind=records.PLAYED_MOVE
    )
    window = Window(tmp_path, 1000)
    window.add(write(tmp_path, [unsearched, unfinished]).name)
    batch = Sampler(window, np.random.default_rng(0), share).gather(np.arange(6))
    batch.validate()
    np.testing.assert_array_equal(batch.wdl_target[:4], [LOSS, WIN, LOSS, WIN])
    np.testing.assert_allclose(batch.wdl_target[4:], 1 / 3, atol=1e-6)
    assert (batch.policy_prob.max(axis=1) == 1).all()


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_target_that_was_decided_takes_the_place_of_result_and_search(
    tmp_path: Path, share: float
) -> None:
    decided = np.array([0.1, 0.2, 0.7], np.float32)
    games = []
    for game in (white_mates(), cut_game()):
        first = replace(game.samples[0], value_wdl=decided, value_source=records.TARGET_TEACHER)
        games.append(replace(game, samples=[first, *game.samples[1:]]))
    window = Window(tmp_path, 1000)
    window.add(write(tmp_path, games).name)
    batch = Sampler(window, np.random.default_rng(0), share).gather(np.array([0, 1, 7, 8]))
    np.testing.assert_allclose(batch.wdl_target[[0, 2]], np.tile(decided, (2, 1)), atol=1e-6)
    np.testing.assert_allclose(batch.wdl_target[1], (1 - share) * LOSS + share * ROOT_WDL)
    np.testing.assert_allclose(batch.wdl_target[3], ROOT_WDL, atol=1e-6)
