"""A curve with its extremes at every coarseness."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import raster
from tui.series import FANOUT, Series

VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=400)


@given(VALUES, st.integers(1, 50), st.data())
def test_no_extreme_of_a_window_is_lost(
    values: list[float], most: int, data: st.DataObject
) -> None:
    y = np.array(values, dtype=np.float64)
    first = data.draw(st.integers(0, y.size))
    last = data.draw(st.integers(first, y.size))
    band = Series(y).band(first, last, most)
    inside = y[first:last][~np.isnan(y[first:last])]
    if inside.size:
        assert np.nanmin(band.least) <= inside.min()
        assert np.nanmax(band.greatest) >= inside.max()
    assert band.starts.size <= max(most + 2, FANOUT + 1)
    if first == 0 and last == y.size and inside.size:
        assert (np.nanmin(band.least), np.nanmax(band.greatest)) == (inside.min(), inside.max())


@given(VALUES, st.lists(st.integers(0, 60), max_size=8), st.sampled_from([0.6, 0.97]))
def test_growing_bit_by_bit_is_as_good_as_at_once(
    values: list[float], lengths: list[int], decay: float
) -> None:
    y = np.array(values, dtype=np.float64)
    grown, start = Series(), 0
    grown.smoothed(decay)
    for length in (*lengths, y.size):
        grown.extend(y[start : start + length])
        start = min(y.size, start + length)
    whole = Series(y)
    for a, b in ((grown, whole), (grown.smoothed(decay), whole.smoothed(decay))):
        for most in (1, 5, 40):
            left, right = a.band(0, y.size, most), b.band(0, y.size, most)
            assert left.starts.tolist() == right.starts.tolist()
            assert left.least == pytest.approx(right.least, nan_ok=True, rel=1e-9, abs=1e-6)
            assert left.greatest == pytest.approx(right.greatest, nan_ok=True, rel=1e-9, abs=1e-6)


def test_what_is_cut_off_is_forgotten_also_by_the_average() -> None:
    y = np.arange(1000.0)
    series = Series(y)
    assert series.smoothed(0.9).values.size == 1000
    series.cut(300)
    series.extend(np.array([5.0]))
    wanted = np.append(y[:300], 5.0)
    assert series.values.tolist() == wanted.tolist()
    assert series.smoothed(0.9).values == pytest.approx(raster.ema(wanted, 0.9))
    assert series.band(0, 301, 10).greatest.max() == 299.0


def test_the_average_in_blocks_is_the_one_value_by_value() -> None:
    y = np.random.default_rng(3).normal(size=1000)
    mean = weight = 0.0
    wanted = []
    for value in y.tolist():
        mean, weight = 0.9 * mean + 0.1 * value, 0.9 * weight + 0.1
        wanted.append(mean / weight)
    assert raster.ema(y, 0.9) == pytest.approx(wanted, rel=1e-12)
