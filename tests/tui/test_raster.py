"""Curves to dots: nothing is lost, nothing is invented."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import raster

FINITE = st.floats(-1e6, 1e6)


def test_moving_average_starts_at_the_first_value_and_keeps_a_constant() -> None:
    assert raster.ema(np.array([3.0, 3.0, 3.0]), 0.9).tolist() == pytest.approx([3.0] * 3)


def test_moving_average_is_the_bias_corrected_one() -> None:
    # By hand: (0.9 * 0.1 * 1 + 0.1 * 2) / (1 - 0.9 ** 2)
    assert raster.ema(np.array([1.0, 2.0]), 0.9)[1] == pytest.approx(0.29 / 0.19)


def test_moving_average_leaves_a_gap_at_nan_and_does_not_average_it() -> None:
    smooth = raster.ema(np.array([1.0, math.nan, 1.0]), 0.5)
    assert math.isnan(smooth[1])
    assert smooth[2] == pytest.approx(1.0)


@given(st.lists(FINITE, min_size=1, max_size=60), st.sampled_from([0.0, 0.6, 0.9, 0.97]))
def test_moving_average_stays_within_the_data(values: list[float], decay: float) -> None:
    y = np.array(values)
    smooth = raster.ema(y, decay)
    slack = 1e-9 * (1 + np.abs(y).max())
    assert np.all(smooth >= y.min() - slack)
    assert np.all(smooth <= y.max() + slack)


@given(st.lists(FINITE, min_size=1, max_size=300), st.integers(1, 40))
def test_decimation_loses_no_extreme(values: list[float], num_columns: int) -> None:
    y = np.array(values)
    x = np.arange(y.size, dtype=np.float64)
    least, greatest = raster.decimate(x, y, x[0], x[-1], num_columns)
    assert np.nanmin(least) == y.min()
    assert np.nanmax(greatest) == y.max()


def test_decimation_leaves_columns_without_points_dark() -> None:
    x = np.array([0.0, 9.0])
    least, _ = raster.decimate(x, np.array([1.0, 2.0]), 0.0, 9.0, 10)
    assert np.isnan(least).tolist() == [False, *[True] * 8, False]


def test_a_line_is_drawn_between_distant_points_but_not_across_a_gap() -> None:
    x = np.array([0.0, 4.0, 6.0, 8.0])
    whole, _ = raster.connect(x, np.array([0.0, 4.0, 6.0, 8.0]), 0.0, 8.0, 9)
    assert whole.tolist() == pytest.approx(list(range(9)))
    broken, _ = raster.connect(x, np.array([0.0, 4.0, math.nan, 8.0]), 0.0, 8.0, 9)
    assert np.isnan(broken).tolist() == [False] * 5 + [True] * 3 + [False]


@given(st.lists(FINITE, min_size=2, max_size=80), st.integers(2, 60), st.integers(2, 40))
def test_a_joined_line_has_no_holes(values: list[float], columns: int, rows: int) -> None:
    y = np.array(values)
    x = np.arange(y.size, dtype=np.float64)
    least, greatest = raster.connect(x, y, x[0], x[-1], columns)
    top = raster.row_of(greatest, y.min(), y.max(), rows)
    bottom = raster.row_of(least, y.min(), y.max(), rows)
    dots = raster.spans(top, bottom, rows, joined=True)
    assert dots.any(axis=0).all()
    for left, right in zip(dots.T, dots.T[1:], strict=False):
        reach = np.flatnonzero(left)
        near = np.flatnonzero(right)
        assert near.min() <= reach.max() + 1
        assert near.max() >= reach.min() - 1


def test_braille_packs_two_by_four_dots_in_the_order_of_the_standard() -> None:
    for bit, (row, column) in enumerate(
        [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]
    ):
        dots = np.zeros((4, 2), dtype=bool)
        dots[row, column] = True
        assert raster.braille(dots).tolist() == [[1 << bit]]


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 8), st.booleans())
def test_ticks_are_few_rising_and_inside(low: float, width: float, count: int, log: bool) -> None:
    high = low + width
    ticks = raster.ticks(low, high, count, log=log)
    slack = 1e-6 * (abs(high) + abs(low))
    assert len(ticks) <= count
    assert ticks == sorted(set(ticks))
    assert all(low - slack <= t <= high + slack for t in ticks)


def test_ticks_are_round_numbers() -> None:
    assert raster.ticks(1.6, 3.4, 4) == [2.0, 2.5, 3.0]
    assert raster.ticks(0.0, 4.16, 3) == [0.0, 2.0, 4.0]
    assert raster.ticks(0.015, 6.0, 4, log=True) == [0.1, 1.0]


def test_dashes_break_a_line_along_x_only() -> None:
    dots = np.ones((2, 10), dtype=bool)
    assert (
        raster.dash(dots, 3, 2)[0].tolist() == [True] * 3 + [False] * 2 + [True] * 3 + [False] * 2
    )
    assert raster.dash(dots, 1, 0).all()
