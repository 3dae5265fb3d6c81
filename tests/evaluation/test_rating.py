"""Elo from pairs, against values worked out by hand and against simulated matches."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.evaluation.rating import MAX_ELO, elo_of_pairs, elo_of_score, los_of_pairs


@pytest.mark.parametrize(
    ("score", "elo"),
    [(0.5, 0.0), (0.75, 190.848), (10 / 11, 400.0), (0.0, -MAX_ELO), (1.0, MAX_ELO)],
)
def test_a_score_has_its_logistic_elo(score: float, elo: float) -> None:
    assert elo_of_score(score) == pytest.approx(elo, abs=1e-3)


def test_an_interval_agrees_with_one_worked_out_by_hand() -> None:
    # 2 pairs of each kind: score 1/2. With a lost and a won pair more there are 12, with variance
    # (3 * 0.25 + 2 * 0.0625 + 0 + 2 * 0.0625 + 3 * 0.25) / 12 = 0.145833.
    found = elo_of_pairs([2, 2, 2, 2, 2])
    margin = 1.959964 * math.sqrt(1.75 / 12 / 12)
    assert found.elo == pytest.approx(0.0)
    assert found.high == pytest.approx(400 * math.log10((0.5 + margin) / (0.5 - margin)))
    assert found.low == pytest.approx(-found.high)
    # 10 pairs, 8 of them 1.5 points: score 0.65 by hand.
    assert elo_of_pairs([1, 1, 0, 8, 0]).elo == pytest.approx(-400 * math.log10(1 / 0.625 - 1))


@pytest.mark.parametrize(
    "pairs", [(1, 2, 3, 4, 5), (0, 0, 7, 0, 0), (0, 0, 0, 0, 9), (3, 0, 0, 0, 3), (0, 1, 0, 0, 0)]
)
def test_swapping_the_sides_negates_the_estimate_and_its_interval(pairs: tuple[int, ...]) -> None:
    one, other = elo_of_pairs(pairs), elo_of_pairs(pairs[::-1])
    assert other.elo == pytest.approx(-one.elo)
    assert other.low == pytest.approx(-one.high)
    assert other.high == pytest.approx(-one.low)
    assert one.low <= one.elo <= one.high


def test_more_pairs_of_the_same_kinds_narrow_the_interval() -> None:
    widths = [e.high - e.low for e in (elo_of_pairs([k, 2 * k, 3 * k, k, k]) for k in (1, 4, 16))]
    assert widths[0] > widths[1] > widths[2] > 0


def test_a_clean_sweep_keeps_an_honest_lower_end() -> None:
    few, many = elo_of_pairs([0, 0, 0, 0, 2]), elo_of_pairs([0, 0, 0, 0, 100])
    assert few.elo == many.elo == few.high == many.high == MAX_ELO
    assert few.low < 250, "two won pairs prove little"
    assert many.low > 450


@pytest.mark.parametrize("pairs", [(0, 0, 0, 0, 0), (1, 2, 3), (-1, 0, 0, 0, 2)])
def test_counts_that_make_no_sense_are_refused(pairs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="five counts"):
        elo_of_pairs(pairs)


@pytest.mark.parametrize("elo", [0.0, 120.0, -300.0])
@pytest.mark.parametrize("num_pairs", [20, 100])
def test_the_interval_holds_the_truth_in_about_95_of_100_simulated_matches(
    num_pairs: int, elo: float
) -> None:
    rng = random.Random(round(elo) * 1000 + num_pairs)
    expected = 1 / (1 + 10 ** (-elo / 400))
    drawn = 0.4 * min(expected, 1 - expected)

    def pair() -> int:
        """0 to 4 half points; an opening that suits White makes the games of a pair opposite."""
        bias = rng.choice((-0.08, 0.08))
        half_points = 0
        for side in (bias, -bias):
            draw = rng.random()
            win = expected - drawn / 2 + side
            half_points += 2 if draw < win else 1 if draw < win + drawn else 0
        return half_points

    covered = 0
    for _ in range(1000):
        pairs = [0] * 5
        for _ in range(num_pairs):
            pairs[pair()] += 1
        low, high = elo_of_pairs(pairs)[1:]
        covered += low <= elo <= high
    assert 930 <= covered <= 990


@pytest.mark.parametrize(
    ("pairs", "los"),
    [
        # From the tests of Disservin/fastchess, app/tests/elo_test.cpp.
        ((332, 433, 498, 333, 334), 0.0505),
        ((34, 54, 63, 64, 75), 1.0),
        ((1, 2, 3, 2, 1), 0.5),
    ],
)
def test_the_likelihood_of_superiority_is_the_published_one(
    pairs: tuple[int, ...], los: float
) -> None:
    assert los_of_pairs(pairs) == pytest.approx(los, abs=1e-3)
    assert los_of_pairs(pairs[::-1]) == pytest.approx(1 - los, abs=1e-3)


@given(st.tuples(*[st.integers(0, 300)] * 5).filter(any))
def test_swapping_the_players_negates_elo_and_turns_superiority_round(
    pairs: tuple[int, ...],
) -> None:
    one, other = elo_of_pairs(pairs), elo_of_pairs(pairs[::-1])
    assert one == pytest.approx((-other.elo, -other.high, -other.low), abs=1e-6)
    assert one.low <= one.elo <= one.high
    assert los_of_pairs(pairs) + los_of_pairs(pairs[::-1]) == pytest.approx(1)


def test_a_difference_is_sure_where_its_interval_leaves_0_out() -> None:
    for pairs in ((5, 8, 12, 10, 9), (2, 8, 12, 10, 9), (0, 0, 0, 0, 1), (0, 0, 0, 0, 9)):
        assert (los_of_pairs(pairs) > 0.975) == (elo_of_pairs(pairs).low > 0)
