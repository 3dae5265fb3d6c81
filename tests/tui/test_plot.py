"""A figure as rows of text."""

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.tui import scenario
from tui.figure import Curve, Figure, Mark
from tui.glyphs import ASCII, UNICODE
from tui.grid import Row
from tui.history import History
from tui.panes.curves import CHARTS
from tui.plot import PlotStyle, plot

NO_HISTORY = History(Path("nowhere/matrix0.db"))
RAMP = Curve("loss", np.arange(11.0), np.linspace(3.0, 1.0, 11))


def drawn_rows(figure: Figure, width: int, height: int, style: PlotStyle) -> list[Row]:
    return plot(figure, width, height, style).rows


def lines(rows: list[Row]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def roles(rows: list[Row]) -> set[str]:
    return {role for row in rows for _, role in row}


def test_a_falling_line_as_a_whole_picture() -> None:
    figure = Figure(curves=(RAMP,), marks=(Mark(5.0, "checkpoint"), Mark(10.0, "best")))
    drawn = lines(drawn_rows(figure, 24, 8, PlotStyle(glyphs=UNICODE, smoothing=0.0)))
    assert drawn == [
        "3┤⠒⠤⣀                   ",
        " │   ⠉⠒⠤⣀               ",
        " │       ⠉⠒⠤⣀           ",
        "2┤           ⠉⠒⠤⣀       ",
        " │               ⠉⠒⠤⣀   ",
        "1┤                   ⠉⠒⠤",
        " └──────────^──────────★",
        "  0              step 10",
    ]


@pytest.mark.parametrize("width", [1, 15, 16, 17, 40, 200])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 6, 30])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_every_row_is_as_wide_as_asked(width: int, height: int, glyphs: object) -> None:
    style = PlotStyle(glyphs=UNICODE if glyphs is UNICODE else ASCII, log=True)
    second = Curve("accuracy", RAMP.x, RAMP.y / 3)
    figure = Figure(curves=(RAMP, second), limit=3.5, limit_label="limit 3.5")
    drawn = lines(drawn_rows(figure, width, height, style))
    assert [len(line) for line in drawn] == [width] * height


def test_ascii_charts_are_ascii() -> None:
    figure = Figure(curves=(RAMP,), marks=(Mark(5.0, "best"),), limit=3.5, limit_label="limit")
    assert "".join(lines(drawn_rows(figure, 60, 12, PlotStyle(glyphs=ASCII)))).isascii()


def test_an_empty_figure_says_why() -> None:
    figure = Figure(curves=(), empty="training waits for 900 positions")
    assert "training waits for 900 positions" in "".join(
        lines(drawn_rows(figure, 60, 9, PlotStyle(glyphs=UNICODE)))
    )


def test_a_single_spike_among_thousands_of_points_is_drawn() -> None:
    y = np.ones(5000)
    y[2500] = 9.0
    figure = Figure(curves=(Curve("loss", np.arange(5000.0), y),))
    rows = drawn_rows(figure, 40, 12, PlotStyle(glyphs=UNICODE))
    top = "".join(text for text, role in rows[0] if role == "raw")
    assert top.strip()


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    y = np.array([1.0, 1.0, 1.0, *[math.nan] * 5, 1.0, 1.0, 1.0])
    figure = Figure(curves=(Curve("loss", np.arange(11.0), y),))
    rows = drawn_rows(figure, 30, 8, PlotStyle(glyphs=UNICODE, smoothing=0.0))
    drawn = [c for row in rows for t, r in row for c in t if r == "series-1"]
    assert 8 <= len(drawn) <= 14


def test_values_that_a_logarithm_cannot_take_are_left_out() -> None:
    figure = Figure(curves=(Curve("loss", np.arange(4.0), np.array([0.0, -1.0, 10.0, 100.0])),))
    drawn = lines(drawn_rows(figure, 30, 9, PlotStyle(glyphs=UNICODE, log=True, smoothing=0.0)))
    assert any(line.startswith(" 10┤") for line in drawn)
    assert any(line.startswith("100┤") for line in drawn)


def test_several_curves_carry_their_names_and_differ_without_colour() -> None:
    x = np.arange(400.0)
    flat = [Curve(name, x, np.full(400, v)) for name, v in (("a", 3.0), ("b", 2.0), ("c", 1.0))]
    rows = drawn_rows(Figure(curves=tuple(flat)), 60, 14, PlotStyle(glyphs=UNICODE, smoothing=0.0))
    drawn = lines(rows)
    dashes = {line[-1]: line[4:-2].split() for line in drawn if line[-1] in "abc"}
    assert len(dashes["a"]) == 1
    assert 5 < len(dashes["b"]) < len(dashes["c"])


def test_of_two_curves_that_end_in_one_row_the_higher_has_its_name_above() -> None:
    x = np.arange(400.0)
    low, high, far = (Curve(n, x, np.full(400, v)) for n, v in (("F", 0.5), ("L", 0.65), ("B", 9)))
    for curves in ((low, high, far), (high, low, far)):
        drawn = lines(drawn_rows(Figure(curves=curves), 60, 10, PlotStyle(glyphs=UNICODE)))
        assert "".join(line[-1] for line in drawn).split() == ["B", "LF"]


def test_the_limit_is_drawn_and_named() -> None:
    figure = Figure(curves=(RAMP,), limit=14.0, limit_label="limit 14", from_zero=True)
    rows = drawn_rows(figure, 50, 10, PlotStyle(glyphs=UNICODE))
    assert "limit" in roles(rows)
    assert any("limit 14" in line for line in lines(rows))


def test_the_memory_chart_has_a_limit_line_only_where_memory_is_the_devices_own() -> None:
    (chart,) = (spec for spec in CHARTS if spec.id == "memory")
    state = scenario.rich_state()
    assert chart.title(state) == "memory (RSS) GiB"
    assert chart.figure(state, NO_HISTORY, "step").limit is None
    state = replace(state, memory_total_mib=16 * 1024.0)
    assert chart.title(state) == "device memory GiB"
    assert (
        chart.figure(state, NO_HISTORY, "step").limit,
        chart.figure(state, NO_HISTORY, "step").limit_label,
    ) == (16.0, "device 16.0")
