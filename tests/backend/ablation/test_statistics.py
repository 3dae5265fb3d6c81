"""Intervals over a few seeds: Student's t, and how often they hold the truth."""

import numpy as np
import pytest

from backend.ablation.statistics import estimate, student_t


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (30, 2.0423)],
)
def test_t_is_that_of_the_tables(freedom: int, t: float) -> None:
    assert student_t(freedom) == pytest.approx(t, abs=1e-4)


def test_a_mean_of_three_has_an_interval_and_of_one_has_none() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.margin == pytest.approx(4.3027 / np.sqrt(3), abs=1e-4)
    assert not found.is_clear
    assert estimate([1.0, 1.1, 1.2]).is_clear
    alone = estimate([5.0])
    assert (alone.mean, alone.margin, alone.is_clear) == (5.0, None, False)


def test_the_interval_holds_the_mean_of_normal_values_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    found = [estimate(values.tolist()) for values in rng.normal(7, 3, (4000, 3))]
    holds = np.mean([abs(one.mean - 7) <= one.margin for one in found if one.margin is not None])
    assert holds == pytest.approx(0.95, abs=0.012)
