"""What follows a position in its own game, and in no other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.replay import records
from backend.replay.future import HORIZON, SHORT_VALUE_PLIES, look_ahead
from backend.replay.records import GameRecord
from backend.replay.sampler import Sampler
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

DECAY = 1 - 1 / SHORT_VALUE_PLIES


def window_of(folder: Path, *shards: list[GameRecord]) -> Window:
    window = Window(folder, 1000)
    for number, games in enumerate(shards):
        window.add(write(folder, games, prefix=f"t{number}").name)
    return window


def with_values(game: GameRecord, values: list[list[float]]) -> GameRecord:
    """The game with these search values, each for the mover of its ply."""
    samples = [
        replace(sample, root_wdl=np.array(wdl, np.float32))
        for sample, wdl in zip(game.samples, values, strict=True)
    ]
    return replace(game, samples=samples)


def test_plies_left_count_to_the_end_and_are_unknown_in_a_cut_game(tmp_path: Path) -> None:
    window = window_of(tmp_path, [white_mates(), cut_game()])
    plies = look_ahead(window, np.arange(10)).plies_left
    assert plies.tolist() == [7, 6, 5, 4, 3, 2, 1, -1, -1, -1]


def test_the_short_term_value_weighs_searches_by_distance_and_ends_with_the_result(
    tmp_path: Path,
) -> None:
    values = [[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0]]
    game = with_values(game_of(BLACK_MATES, 1, records.BLACK_WON), values)
    future = look_ahead(window_of(tmp_path, [white_mates(), game]), np.array([7, 8, 10]))
    # White moves first; Black mates with the fourth ply.
    white = [values[0], values[1][::-1], values[2], values[3][::-1], [0, 0, 1]]
    weights = [1, DECAY, DECAY**2, DECAY**3, DECAY**4 * SHORT_VALUE_PLIES]
    expected = np.average(white, axis=0, weights=weights)
    np.testing.assert_allclose(future.short_wdl[0], expected, atol=1e-6)
    black = np.array(white)[1:, ::-1]
    np.testing.assert_allclose(
        future.short_wdl[1],
        np.average(black, axis=0, weights=np.array(weights[1:]) / DECAY),
        atol=1e-6,
    )
    last = np.average([values[3], [1, 0, 0]], axis=0, weights=[1, DECAY * SHORT_VALUE_PLIES])
    np.testing.assert_allclose(future.short_wdl[2], last, atol=1e-6)
    assert (future.short_weight == 1).all()


def test_far_plies_and_missing_ones_are_left_out_of_the_short_term_value(tmp_path: Path) -> None:
    moves = " ".join([SHUFFLE] * 10)
    long = game_of(moves, records.TRUNCATED, records.NO_RESULT, is_sampled=lambda ply: ply % 3 == 0)
    values = [[0.0, 1.0, 0.0] for _ in long.samples]
    values[1] = [1.0, 0.0, 0.0]  # ply 3, the other side's
    far = HORIZON // 3 + 1
    values[far:] = [[1.0, 0.0, 0.0] for _ in values[far:]]
    window = window_of(tmp_path, [with_values(long, values)])
    wdl = look_ahead(window, np.array([0])).short_wdl[0]
    seen = [DECAY**ply for ply in range(0, HORIZON, 3)]
    np.testing.assert_allclose(wdl[2], seen[1] / sum(seen), atol=1e-6)
    assert wdl[0] == 0


def test_games_that_were_not_searched_teach_no_short_term_value(tmp_path: Path) -> None:
    played = game_of(WHITE_MATES, 1, records.WHITE_WON, kind=records.PLAYED_MOVE)
    future = look_ahead(window_of(tmp_path, [played]), np.arange(7))
    assert (future.short_weight == 0).all()
    assert np.isfinite(future.short_wdl).all()


def test_the_reply_is_the_next_position_of_the_same_game(tmp_path: Path) -> None:
    skipping = game_of(SHUFFLE, 5, records.DRAW, is_sampled=lambda ply: ply in (2, 3, 5))
    # The second shard begins with a game that has the same number as the first one's.
    window = window_of(tmp_path, [skipping], [black_mates()])
    rows = np.arange(window.num_positions)
    future = look_ahead(window, rows)
    assert (future.reply_weight > 0).tolist() == [True, False, False, True, True, True, False]
    index, prob, num_moves = window.policies(np.array([1, 4, 5, 6]))
    for row, reply in zip([0, 3, 4, 5], range(4), strict=True):
        count = num_moves[reply]
        assert future.reply_num_moves[row] == count
        assert (future.reply_index[row, :count] == index[reply, :count]).all()
        np.testing.assert_array_equal(future.reply_prob[row, :count], prob[reply, :count])


def test_a_cheap_search_teaches_no_reply(tmp_path: Path) -> None:
    first, second, *others = black_mates().samples
    cheap = replace(second, policy_weight=0.0)
    game = replace(black_mates(), samples=[first, cheap, *others])
    future = look_ahead(window_of(tmp_path, [game]), np.arange(4))
    assert future.reply_weight.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("looks_ahead", [False, True])
def test_only_a_sampler_that_looks_ahead_fills_the_future(
    tmp_path: Path, looks_ahead: bool
) -> None:
    window = window_of(tmp_path, [white_mates(), cut_game()])
    sampler = Sampler(window, np.random.default_rng(1), 0.25, looks_ahead=looks_ahead)
    batch = sampler.sample(64)
    batch.validate()
    assert (batch.future is not None) == looks_ahead
