"""Charts under keys and mouse: zoom, pan, cursor, axes."""

from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from backend.state import RunState
from tests.tui.conftest import FakeLink, draw, screen, toasts
from tests.tui.goldens import check_golden
from tests.tui.plain import plain
from tests.tui.test_history import Database
from tui.app import ControlCentre
from tui.figure import Curve, Figure, Mark
from tui.glyphs import UNICODE
from tui.panes.chart import LineChart
from tui.panes.charts import ChartGrid
from tui.plot import PlotStyle, plot
from tui.viewport import Viewport


def grid(app: ControlCentre) -> ChartGrid:
    return app.dashboard.charts


async def press(app: ControlCentre, pilot: Pilot[int], *keys: str) -> None:
    await pilot.press(*keys)
    await draw(app, pilot)


async def test_a_cursor_is_read_out_in_all_charts(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        await press(app, pilot, "l", *"hhh")
        titles = [str(chart.border_title) for chart in app.dashboard.query(LineChart)]
        at = {title.partition("step ")[2][:5] for title in titles[:3]}
        assert len(at) == 1
        assert at.pop() < "2,340"
        await press(app, pilot, "escape")
        assert all("step" not in str(c.border_title) for c in app.dashboard.query(LineChart))


async def test_zoom_and_pan_keep_within_the_data_and_0_shows_all(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        await press(app, pilot, "plus", "plus")
        start, end = grid(app).view.ends(0.0, 2340.0)
        assert 1400 < start < 1600
        assert (end, grid(app).view.window) == (2340.0, (start, None))
        await press(app, pilot, "left_square_bracket")
        moved = grid(app).view.window
        assert moved is not None
        assert moved[0] < start
        assert moved[1] is not None
        await press(app, pilot, *["right_square_bracket"] * 9)
        assert grid(app).view.window == pytest.approx((start, None))
        assert "zoomed, 0 shows all" in plain(app)
        await press(app, pilot, "0")
        assert grid(app).view.window is None


async def test_a_maximised_chart_has_keys_of_its_own(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        await press(app, pilot, "z", "left", "left", "plus", "plus", "X")
        assert app.place == "chart"
        check_golden("chart-120x40", plain(app).text)
        await press(app, pilot, "down")
        assert grid(app).current.id == "value-loss"
        assert "value loss" in plain(app)
        await press(app, pilot, "escape", "escape")
        assert app.place == "dashboard"


async def test_more_charts_than_places_are_turned_over_page_by_page(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        charts = grid(app)

        def seen() -> list[str | None]:
            return [chart.id for chart in charts.charts if chart.region.area]

        assert seen() == ["policy-loss", "value-loss", "ssl-task", "memory"]
        await press(app, pilot, *["right"] * 4)
        assert seen() == ["gradient", "rate", "speed", "agreement"]
        assert "5/9" in plain(app)
        assert "learning rate  1.0e-3" in plain(app)
        await press(app, pilot, *["right"] * 4)
        assert seen() == ["rate", "speed", "agreement", "tasks"], "the last page is full too"
        await press(app, pilot, "right")
        assert seen() == ["policy-loss", "value-loss", "ssl-task", "memory"]


async def test_keys_that_come_faster_than_drawing_are_all_counted(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        for _ in range(9):
            app.action_act("next-chart")  # Nothing is drawn between them.
        await draw(app, pilot)
        assert grid(app).current.id == "policy-loss"
        for _ in range(5):
            app.action_act("next-chart")
        await draw(app, pilot)
        assert app.screen.focused is grid(app).current
        assert grid(app).current.id == "rate"


async def test_a_click_puts_the_cursor_a_double_click_maximises_and_the_wheel_zooms(
    rich: RunState,
) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        await pilot.click("#value-loss", offset=(20, 5))
        await draw(app, pilot)
        cursor = grid(app).view.cursor
        assert cursor is not None
        assert 900 < cursor < 1400
        assert grid(app).current.id == "value-loss"
        await pilot.click("#value-loss", offset=(20, 5), times=2)
        await draw(app, pilot)
        assert app.place == "chart"


async def test_the_axis_of_time_or_games_needs_the_database(rich: RunState, tmp_path: Path) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        await press(app, pilot, "x")
        assert "database has no curves yet" in toasts(app)[0]
        database = Database(tmp_path / "matrix0.db")
        database.points(range(0, 2350, 10), 2.0)
        database.shard("a", 900, 2000.0)
        history = grid(app).history
        history._database = database.path
        assert history.take(history.read(("policy_loss",)))
        database.close()
        grid(app).current.show_again()
        await press(app, pilot, "x")
        assert "39m00s ago" in plain(app)
        await press(app, pilot, "x")
        assert "games 900" in plain(app)


def test_a_value_that_is_no_number_is_a_gap_with_a_mark() -> None:
    y = np.array([2.0, 1.8, np.nan, 1.6, 1.5])
    figure = Figure(
        curves=(Curve("loss", np.arange(5.0), y),),
        marks=(Mark(1.0, "alert"), Mark(2.0, "checkpoint")),
    )
    rows = plot(figure, 25, 8, PlotStyle(glyphs=UNICODE, smoothing=0.0)).rows
    floor = "".join(text for text, _ in rows[-2])
    assert floor.strip() == "└─────!────✗──────────"[: len(floor.strip())]


def test_a_window_on_a_logarithmic_axis_is_zoomed_in_its_own_scale() -> None:
    view = Viewport(log_x=True).zoomed(0.0, 9999.0, 0.0, 0.5)
    assert view.window == pytest.approx((0.0, 99.0))


async def test_a_focus_that_is_told_late_takes_no_step_back(
    rich: RunState, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[LineChart] = []
    focus = LineChart.focus

    def asked(chart: LineChart, scroll_visible: bool = True) -> LineChart:
        late.append(chart)
        return chart

    async with screen(FakeLink(rich)) as (app, pilot):
        grid = app.dashboard.charts
        monkeypatch.setattr(LineChart, "focus", asked)
        await pilot.press("right")
        await draw(app, pilot)
        await pilot.press("right")
        await draw(app, pilot)
        monkeypatch.undo()
        assert late[:2] == grid.charts[1:3]
        focus(late[0])
        await pilot.pause()
        assert grid.current is grid.charts[2]
        await pilot.press("right")
        await draw(app, pilot)
        assert grid.current is grid.charts[3]
        assert app.focused is grid.charts[3]
