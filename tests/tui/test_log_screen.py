"""The log screen on a run's database."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backend import events as e
from backend.state import RunState
from tests.tui import scenario
from tests.tui.conftest import SMALL, FakeLink, draw, toasts
from tests.tui.goldens import check_golden
from tests.tui.plain import plain
from tests.tui.test_history import Database
from tests.tui.test_screen import NASTY
from tui.app import ControlCentre
from tui.logbook import LogBook, lines_of
from tui.panes.logview import MAX_LINES, LogView
from tui.screens.logs import LogScreen

AT = scenario.START


def said(source: str, text: str, at: float, level: e.Level = "info") -> e.LogLine:
    return e.LogLine(at=AT + at, source=source, level=level, text=text)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose log is longer than what a state keeps."""
    database = Database(tmp_path / "matrix0.db")
    database.events(
        *(said(f"selfplay-{i % 2}", f"game {i} finished", i) for i in range(800)),
        e.WorkerExited(at=AT + 900, worker="trainer", code=71, expected=False, reason="no memory"),
        said("trainer", "goes on", 901),
        e.CheckpointRetired(at=AT + 902, name="step-00000100", reason="cycle"),
        said("evaluator", NASTY, 903, "warning"),
    )
    database.close()
    return tmp_path


@asynccontextmanager
async def log_screen(
    run_dir: Path, state: RunState, size: tuple[int, int] = SMALL
) -> AsyncIterator[tuple[ControlCentre, LogView, Pilot[int]]]:
    app = ControlCentre(FakeLink(state), run_dir=run_dir, clock=lambda: state.now, refresh_s=3600.0)
    async with app.run_test(size=size, notifications=True) as pilot:
        await draw(app, pilot)
        await pilot.press("L")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, LogScreen)
        while screen.book.is_unreadable or not screen.view.lines:
            await pilot.pause()
        await draw(app, pilot)
        yield app, screen.view, pilot


@pytest.mark.parametrize("size", [SMALL, (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_log_screen_looks_as_it_did(
    rich: RunState, run_dir: Path, size: tuple[int, int]
) -> None:
    async with log_screen(run_dir, rich, size) as (app, view, _):
        assert len(view.rows) == 804
        text = plain(app).text
        assert not any(ord(char) < 32 and char != "\n" for char in text)
        assert "\u202e" not in text
        check_golden(f"log-{size[0]}x{size[1]}", text)


async def test_levels_and_sources_are_filtered_and_the_cursor_stays(
    rich: RunState, run_dir: Path
) -> None:
    async with log_screen(run_dir, rich) as (app, view, pilot):
        await pilot.press("v")
        await draw(app, pilot)
        assert [line.source for line in view.rows] == ["alert", "evaluator"]
        assert "trainer ended with 71: no memory" in plain(app)
        await pilot.press("v", "v", "up", "up")
        at = view.current
        assert at is not None
        assert at.text == "goes on"
        for _ in range(10):
            await pilot.press("s")
            if view.source == "trainer":
                break
        await draw(app, pilot)
        assert "checkpoint" not in plain(app)
        assert view.current is at


async def test_a_search_goes_to_matches_and_n_and_N_go_on(rich: RunState, run_dir: Path) -> None:
    async with log_screen(run_dir, rich) as (app, view, pilot):
        await pilot.press("slash", *"GAME 77", "enter")
        await draw(app, pilot)
        assert view.num_found == 11
        found = [view.current.text if view.current else ""]
        for key in ("n", "N", "N"):
            await pilot.press(key)
            found.append(view.current.text if view.current else "")
        assert found == [f"game {i} finished" for i in (779, 77, 779, 778)]
        assert "/GAME 77: 11 found" in plain(app)
        await pilot.press("slash", "q", "escape")
        assert app.is_running
        assert isinstance(app.screen, LogScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, LogScreen)


async def test_a_mark_is_found_again(rich: RunState, run_dir: Path) -> None:
    async with log_screen(run_dir, rich) as (app, view, pilot):
        await pilot.press("apostrophe")
        assert "no line is marked" in toasts(app)[0]
        await pilot.press("home", "j", "m", "G", "apostrophe")
        assert view.cursor == 1


async def test_following_ends_with_the_first_step_up(rich: RunState, run_dir: Path) -> None:
    async with log_screen(run_dir, rich) as (_, view, pilot):
        assert view.is_following
        await pilot.press("up")
        place = view.cursor
        view.add([said("run", "the newest", 950)])
        assert (view.is_following, view.cursor) == (False, place)
        await pilot.press("F")
        assert (view.is_following, view.cursor) == (True, 804)


async def test_what_is_shown_can_be_written_to_a_file(
    rich: RunState, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_dir)
    async with log_screen(run_dir, rich) as (app, _, pilot):
        await pilot.press("v", "w")
        await pilot.pause()
        assert "2 lines in" in toasts(app)[0]
    (name,) = (entry for entry in os.listdir(run_dir) if "-log-" in entry)
    first, second = (run_dir / name).read_text("utf-8").splitlines()
    assert first.endswith("WARNING alert trainer ended with 71: no memory")
    assert "\x1b" not in second


async def test_without_a_database_the_lines_of_the_state_are_shown(rich: RunState) -> None:
    app = ControlCentre(
        FakeLink(rich), run_dir=Path("nowhere"), clock=lambda: rich.now, refresh_s=3600.0
    )
    async with app.run_test(size=SMALL) as pilot:
        await draw(app, pilot)
        await pilot.press("L")
        await draw(app, pilot)
        assert isinstance(app.screen, LogScreen)
        assert app.screen.view.lines == list(rich.log)


def test_the_book_reads_page_by_page_and_then_what_is_new(run_dir: Path) -> None:
    book = LogBook(run_dir / "matrix0.db")
    assert len(book.read()) == 804
    assert book.read() == []


def test_a_removed_checkpoint_is_said_although_no_state_knows_it() -> None:
    (line,) = lines_of(e.CheckpointRetired(at=1.0, name="step-00000100", reason="cycle"))
    assert line.text.startswith("checkpoint step-00000100 removed")


async def test_the_number_of_lines_in_memory_is_bounded(rich: RunState, run_dir: Path) -> None:
    async with log_screen(run_dir, rich) as (_, view, pilot):
        line = said("run", "again", 960)
        view.add([line] * (MAX_LINES + 5))
        assert len(view.lines) == len(view.rows) == MAX_LINES
        await pilot.press("home")
        assert view.cursor == 0
