"""The compare screen on two runs that were, one that cannot be read, and one that never was."""

import csv
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backend.rundir import RunDirectory
from backend.state import RunState
from tests.backend.test_compare import run_of, stopped, told
from tests.recorded_run import record
from tests.tui.conftest import FakeLink, draw, toasts
from tests.tui.goldens import check_golden
from tests.tui.plain import plain
from tui.app import ControlCentre
from tui.client import NoRun
from tui.comparing import Comparison, marked_from
from tui.screens.compare import CompareScreen


@pytest.fixture
async def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for name, step, step_s, loss in (("base", 60, 2.0, 2.0), ("wide", 40, 4.0, 1.8)):
        run = run_of(folder, name, f"search.simulations={step}")
        await record(run, stopped(told(step, step_s, loss), "2 cycles are done"))
    run_of(folder, "torn").database.write_bytes(b"SQLite format 3\0" + b"\1" * 4096)
    return folder


@asynccontextmanager
async def comparing(
    folder: Path, *names: str, size: tuple[int, int] = (120, 40), ascii: bool = False
) -> AsyncIterator[tuple[ControlCentre, CompareScreen, Pilot[int]]]:
    app = ControlCentre(
        NoRun(),
        run_dir=folder / "no-run",
        ascii=ascii,
        clock=lambda: 0.0,
        refresh_s=3600.0,
        compared=[folder / name for name in names],
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, CompareScreen)
        await until(pilot, lambda: app.screen.is_read)  # type: ignore[attr-defined]
        await draw(app, pilot)
        yield app, app.screen, pilot


async def until(pilot: Pilot[int], happened: Callable[[], bool]) -> None:
    for _ in range(2000):
        if happened():
            return
        await pilot.pause(0.005)
    raise AssertionError("it did not happen")


def all_read(screen: CompareScreen) -> bool:
    return len(screen.comparison.sides) == len(screen.comparison.marked)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_two_runs_beside_each_other_look_as_they_did(
    runs: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What files need on disk is of no account here, and differs between file systems.
    monkeypatch.setattr("backend.runs._size", lambda path: 3 * 2**20)
    monkeypatch.setattr("backend.runs._active_at", lambda run: float(len(run.name)))
    async with comparing(runs, "base", "wide", size=size) as (app, _, pilot):
        await pilot.press("left", "left")
        await draw(app, pilot)
        check_golden(f"compare-{size[0]}x{size[1]}", plain(app).text)


@pytest.mark.slow
async def test_in_ascii_there_is_nothing_else(runs: Path) -> None:
    async with comparing(runs, "base", "torn", ascii=True) as (app, _, pilot):
        await pilot.press("left")
        await draw(app, pilot)
        text = "".join(plain(app).lines).strip()
        assert "".join(c for c in text if c not in "▁▂▃▄▅▆▇█").isascii()


async def test_runs_are_marked_and_pinned_and_read(runs: Path) -> None:
    async with comparing(runs) as (app, screen, pilot):
        assert "space marks a run to compare" in plain(app)
        for name in ("base", "torn", "wide"):
            keys = list(screen.table._shown)
            screen.table.move_cursor(row=keys.index(str(runs / name)))
            await pilot.press("space" if name != "wide" else "p")
        await until(pilot, lambda: all_read(screen))
        letters = [marked.path.name for marked in screen.comparison.marked]
        assert letters == ["wide", "base", "torn"]
        await draw(app, pilot)
        seen = plain(app)
        assert "C torn: " in seen
        assert "search.simulations" in seen
        await pilot.press("enter")
        assert [marked.path.name for marked in screen.comparison.marked] == ["base", "torn"]


async def test_the_cursor_reads_out_every_run_and_the_difference(runs: Path) -> None:
    async with comparing(runs, "base", "wide") as (app, screen, pilot):
        await pilot.press("s", "s")  # No smoothing: the readings themselves.
        assert screen.chart.smoothing == 0.0
        await pilot.press("left")
        await draw(app, pilot)
        seen = plain(app)
        assert screen.chart.cursor == 60.0
        assert "step 60   A 2.017" in seen
        assert "B-A" not in seen  # B had ended at step 40.
        for _ in range(60):
            await pilot.press("h")
            if screen.chart.cursor == 40.0:
                break
        await draw(app, pilot)
        assert "step 40   A 2.025   B 1.825  B-A -0.2 (-9.9%)" in plain(app)
        await pilot.press("escape")
        assert screen.chart.cursor is None


@pytest.mark.slow
async def test_the_axis_is_steps_then_time_at_work_then_games(runs: Path) -> None:
    async with comparing(runs, "base", "wide") as (_, screen, pilot):
        ends: list[float] = []
        for axis in ("step", "elapsed", "games"):
            assert screen.axis == axis
            ends.append(float(screen.chart.figure.curves[0].x[-1]))
            await pilot.press("x")
        assert ends == [60.0, 130.0, 96.0]
        await pilot.press("X", "Y", "m")
        assert "log x" in screen.chart.how
        assert screen.chart.heading == "value loss"
        await pilot.press("M", "plus", "right_square_bracket")
        assert screen.chart.heading == "policy loss"
        assert "zoomed" in screen.chart.how


@pytest.mark.slow
async def test_runs_are_filtered_by_name(runs: Path) -> None:
    async with comparing(runs, "base") as (app, screen, pilot):
        await pilot.press("slash", *"WID", "enter")
        await draw(app, pilot)
        assert [run.run.name for run in screen.comparison.listed] == ["wide"]
        assert "/WID" in plain(app)
        await pilot.press("space")
        assert [marked.path.name for marked in screen.comparison.marked] == ["base", "wide"]


async def test_curves_are_written_as_csv(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.parent)
    async with comparing(runs, "base", "wide") as (app, _, pilot):
        await pilot.press("w")
        await until(pilot, lambda: bool(toasts(app)))
        assert "10 readings in" in toasts(app)[0]
    (path,) = runs.parent.glob("compare-policy_loss-*.csv")
    rows = csv.reader(path.read_text().splitlines())
    assert [row[0] for row in rows][1:] == ["base"] * 6 + ["wide"] * 4


@pytest.mark.slow
async def test_a_small_terminal_shows_one_pane_at_a_time(runs: Path) -> None:
    async with comparing(runs, "base", "wide", size=(80, 24)) as (app, _, pilot):
        for text in ("final (best", "settings that differ", "events"):
            await draw(app, pilot)
            assert text in plain(app)
            await pilot.press("v")


async def test_from_a_run_its_own_is_marked_and_esc_leads_back(runs: Path, rich: RunState) -> None:
    app = ControlCentre(
        FakeLink(rich), run_dir=runs / "base", clock=lambda: rich.now, refresh_s=3600.0
    )
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await draw(app, pilot)
        await pilot.press("C")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(pilot, lambda: all_read(screen))
        assert [marked.path for marked in screen.comparison.marked] == [runs / "base"]
        await pilot.press("c")  # Still an order for the run at work.
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.dashboard


@pytest.mark.slow
async def test_without_a_run_below_esc_leaves(runs: Path) -> None:
    async with comparing(runs, "base") as (app, _, pilot):
        await pilot.press("escape")
        await pilot.pause()
        assert app.return_value == 0


def test_at_most_six_runs_are_marked(tmp_path: Path) -> None:
    comparison: Comparison = marked_from([tmp_path / str(i) for i in range(6)])
    assert "take a mark away" in comparison.toggle(tmp_path / "seventh")
    assert "take a mark away" in comparison.pin(tmp_path / "seventh")
    assert comparison.pin(tmp_path / "5") == ""
    assert comparison.letter(tmp_path / "5") == "A"
    assert comparison.letter(tmp_path / "0") == "B"
    assert comparison.toggle(tmp_path / "5") == ""
    assert comparison.letter(tmp_path / "0") == "A"


@pytest.mark.slow
async def test_a_run_that_goes_on_is_read_again(runs: Path) -> None:
    async with comparing(runs, "base") as (_, screen, pilot):
        await record(RunDirectory(runs / "base"), told(80, 2.0, 2.0)[-2:])
        screen._wanted.set()
        await until(pilot, lambda: float(screen.chart.figure.curves[0].x[-1]) == 80.0)
