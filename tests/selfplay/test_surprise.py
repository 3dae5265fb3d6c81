"""Policy surprise: what a divergence is, and that dealing out weight by it creates none."""

import math
from pathlib import Path

import numpy as np
import pytest

from backend.selfplay.surprise import divergence, policy_weights
from backend.selfplay.tally import Tally
from tests.fake_evaluators import scattered
from tests.selfplay.setups import play, self_play


def _row(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_the_divergence_of_a_target_is_the_nats_that_the_prior_lacks() -> None:
    assert divergence(_row(0.5, 0.5), _row(0.5, 0.5)) == 0
    assert divergence(_row(1, 0), _row(0.25, 0.75)) == pytest.approx(math.log(4))
    assert divergence(_row(0.5, 0.5), _row(0.25, 0.75)) == pytest.approx(
        0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    )
    assert math.isfinite(divergence(_row(1, 0), _row(0, 1)))


def test_weight_goes_to_surprising_positions_and_none_is_made() -> None:
    weights = policy_weights([0.0, 0.1, 0.5, 9.0], [1, 1, 1, 0], 0.5)
    assert weights.tolist() == pytest.approx([0.5, 0.75, 1.75, 0.0])
    assert weights.sum() == pytest.approx(3)
    soft = policy_weights([0.2, 0.6], [1.0, 0.1], 1.0)
    assert soft.sum() == pytest.approx(1.1)
    assert soft[1] / soft[0] == pytest.approx(0.3)


def test_without_surprise_or_without_a_share_the_weights_stay() -> None:
    assert policy_weights([0.0, 0.0], [1, 0], 0.5).tolist() == [1, 0]
    assert policy_weights([0.3, 0.1], [1, 0.5], 0.0).tolist() == [1, 0.5]
    assert policy_weights([], [], 0.5).tolist() == []


def test_a_position_that_the_network_was_not_asked_about_counts_as_the_mean() -> None:
    weights = policy_weights([math.nan, 0.1, 0.3], [1, 1, 1], 0.5)
    assert weights.tolist() == pytest.approx([1.0, 0.75, 1.25])
    assert policy_weights([math.nan, math.nan], [1, 1], 0.5).tolist() == [1, 1]


def test_a_mate_that_needs_no_network_is_no_surprise(tmp_path: Path) -> None:
    """Its priors are placeholders: measured by them, every mate would be news for ever."""
    book = tmp_path / "mate.epd"
    book.write_text("7k/5Q2/6K1/8/8/8/8/8 w - - 0 1")
    run = self_play(games=1, book_frac=1.0, book_path=str(book), policy_surprise_frac=0.5)
    (record,) = play(run, 1)
    assert [sample.policy_weight for sample in record.samples] == [1.0]
    assert run.tally.full_searches == 1
    assert run.tally.judged_searches == 0
    assert run.tally.mean_surprise(Tally()) is None


def test_games_carry_the_weights_of_their_own_divergences() -> None:
    run = self_play(
        scattered(3), max_plies=30, policy_surprise_frac=0.5, full_search_frac=0.5, seed=4
    )
    for record in play(run, 12):
        weights = np.array([sample.policy_weight for sample in record.samples])
        full = np.array([sample.kind == 0 for sample in record.samples])
        assert weights[~full].tolist() == [0] * int((~full).sum())
        assert weights.sum() == pytest.approx(full.sum())
        assert weights[full].min() >= 0.5
        assert weights[full].max() > 1.1


def test_mean_surprise_is_of_the_full_searches_since_the_last_reading() -> None:
    before = Tally(positions=10, full_searches=5, judged_searches=4, surprise=4.0)
    after = Tally(positions=30, full_searches=10, judged_searches=8, surprise=6.0)
    assert after.mean_surprise(before) == pytest.approx(0.5)
    assert after.full_frac(before) == pytest.approx(0.25)
    assert before.mean_surprise(before) is None
    assert before.full_frac(before) is None


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_a_search_with_opinions_of_its_own_surprises_the_policy(root: str) -> None:
    run = self_play(scattered(3), simulations=32, games=4, max_plies=20, root=root)
    play(run, 4)
    assert run.tally.mean_surprise(Tally()) > 0.05
