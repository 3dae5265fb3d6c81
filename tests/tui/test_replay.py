"""A run of the past on the dashboard, driven by a clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backend import events as e
from backend.rundir import RunDirectory
from backend.state import RunState
from backend.timeline import read_timeline
from tests.backend.test_timeline import as_recorded
from tests.limits import PATIENCE_S
from tests.recorded_run import record
from tests.tui import scenario
from tests.tui.conftest import SMALL, FakeLink, draw, toasts
from tests.tui.plain import plain
from tui.actions import ACTIONS
from tui.app import ControlCentre
from tui.client import REPLAYED
from tui.glyphs import UNICODE
from tui.replaying import IDLE_S, Replaying
from tui.screens.compare import CompareScreen
from tui.screens.replay import ReplayDashboard, transport

STORY = scenario.story(1040)
END = STORY[-1].at


@pytest.fixture
async def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "demo")
    stop = e.RunStopped(at=END + 5, reason="5 cycles are done", exit_code=0)
    await record(run, [*STORY, stop])
    return run


@asynccontextmanager
async def replaying(
    run: RunDirectory, size: tuple[int, int] = SMALL
) -> AsyncIterator[tuple[ControlCentre, Replaying, Pilot[int]]]:
    """Paused at the first instant; its own clock stands still."""
    link = Replaying(run.path, monotonic=lambda: 0.0)
    app = ControlCentre(link, run_dir=run.path, clock=link.clock, refresh_s=3600.0)
    async with app.run_test(size=size, notifications=True) as pilot:
        async with asyncio.timeout(PATIENCE_S):
            while link.view.status != "connected":
                await pilot.pause(0.005)
        await draw(app, pilot)
        yield app, link, pilot


async def settled(app: ControlCentre, link: Replaying, pilot: Pilot[int]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while link.retelling.number != link.timeline.number_until(link.now):
            await pilot.pause(0.005)
    await link.settle()
    assert app.dashboard.charts.history is link.history
    names = ("policy_loss", "value_loss")
    link.history.follow(link.state.step)
    link.history.take(link.history.read(names))
    for chart in app.dashboard.charts.charts:
        chart.show_again()
    await draw(app, pilot)


async def test_at_its_end_a_replay_shows_the_dashboard_of_the_live_run(run: RunDirectory) -> None:
    stop = e.RunStopped(at=END + 5, reason="5 cycles are done", exit_code=0)
    live = as_recorded(scenario.fold_all([*STORY, stop]))
    async with replaying(run, (120, 40)) as (app, link, pilot):
        await pilot.press("end")
        await settled(app, link, pilot)
        assert as_recorded(link.state) == live
        replayed = plain(app)
    shown = ControlCentre(FakeLink(live), run_dir=run.path, clock=link.clock, refresh_s=3600.0)
    async with shown.run_test(size=(120, 39)) as pilot:  # A replay has one line more, its clock.
        await draw(shown, pilot)
        await pilot.press("escape")  # The page of the cycles.
        await draw(shown, pilot)
        original = plain(shown)
    assert "policy loss  2." in replayed
    assert replayed.lines[1:38] == original.lines[1:38]


async def test_orders_are_refused_because_it_is_a_replay(run: RunDirectory) -> None:
    async with replaying(run) as (app, link, pilot):
        orders = [action for action in ACTIONS if action.command is not None]
        assert len(orders) >= 6
        for action in orders:
            assert action.why_not(app.context) == REPLAYED
        await pilot.press("R")
        assert toasts(app) == ["Roll back the last promotion: this is a replay"]
        reply = await link.request(e)  # type: ignore[arg-type]
        assert reply.refused == REPLAYED


async def test_the_clock_plays_pauses_and_changes_its_speed(run: RunDirectory) -> None:
    async with replaying(run) as (app, link, pilot):
        start = link.timeline.start
        assert (link.now, link.is_playing, link.speed) == (start, True, 10)
        link.advance(2.0)
        assert link.now == start + 20
        await pilot.press("space")
        assert not link.is_playing
        await pilot.press("greater_than_sign")
        link.advance(0.1)
        assert link.now == start + 30
        await pilot.press(*["greater_than_sign"] * 5)
        assert link.speed == 10_000
        await pilot.press(*["less_than_sign"] * 9)
        assert link.speed == 1
        assert "paused" in plain(app)
        link.seek(END)
        await pilot.press("space")
        link.advance(10.0)
        assert link.now == link.timeline.end
        assert not link.is_playing
        await pilot.press("space")  # From the end it plays from the start.
        assert link.now == start


async def test_on_a_long_way_it_says_that_it_is_not_there_yet(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await told(run)
    monkeypatch.setattr("tui.replaying.SLICE", 1)
    monkeypatch.setattr("tui.replaying.TICK_S", -1.0)
    publish = link._publish
    seen: list[str] = []

    def look() -> None:
        publish()
        seen.append(transport(link, 120, UNICODE).plain)

    monkeypatch.setattr(link, "_publish", look)
    link.toggle()
    link.seek(END)
    await link.settle()
    assert "catching up" in seen[0]
    assert "paused" in seen[-1]


async def told(run: RunDirectory) -> Replaying:
    """The replay alone, without a screen."""
    link = Replaying(run.path)
    link.begin(read_timeline(run.database))
    await link.settle()
    return link


async def test_time_in_which_nothing_was_recorded_is_skipped(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "demo")
    night = 8 * 3600.0
    await record(run, [*scenario.beginning(), e.PauseChanged(at=END + night, paused=True)])
    link = await told(run)
    link.seek(scenario.START + 3)
    link.advance(0.001)
    assert link.now == END + night - 1
    assert night > IDLE_S


@pytest.mark.parametrize(
    ("text", "step"),
    [("500", 500), ("step 500", 500), ("1,000", 1000), ("0%", 0), ("end", 1040), ("100%", 1040)],
)
async def test_a_place_is_a_step_or_a_share(run: RunDirectory, text: str, step: int) -> None:
    link = await told(run)
    at = link.place_of(text)
    assert at is not None
    link.seek(at)
    await link.settle()
    assert link.state.step == step


async def test_a_place_is_a_time_or_a_span_or_it_is_none(run: RunDirectory) -> None:
    link = await told(run)
    assert link.place_of("14:20") == 1_790_000_400.0
    assert link.place_of("14:20:30") == 1_790_000_430.0
    assert link.place_of("1m40s") == link.timeline.start + 100
    for wrong in ("", "soon", "25:00", "x%"):
        assert link.place_of(wrong) is None


async def test_a_place_is_asked_for_and_gone_to(run: RunDirectory) -> None:
    async with replaying(run) as (app, link, pilot):
        await pilot.press("colon", *"500", "enter")
        await settled(app, link, pilot)
        assert link.state.step == 500
        await pilot.press("colon", *"soon", "enter")
        await pilot.pause()
        assert "a step (1200), a share (40%)" in toasts(app)[-1]


async def test_curves_end_where_the_replay_is_and_events_are_stopped_at(run: RunDirectory) -> None:
    async with replaying(run) as (app, link, pilot):
        link.seek(link._at_step(300))
        await settled(app, link, pilot)
        track = link.history.track("policy_loss")
        assert track is not None
        assert track.steps[-1] == 300
        await pilot.press("n")
        await settled(app, link, pilot)
        assert link.state.step == 1000
        await pilot.press("N")
        await settled(app, link, pilot)
        assert link.state.step == 0
        assert (track := link.history.track("policy_loss")) is None or not track.steps.size
        await pilot.press("N", "N", "N", "N")
        assert "there is no earlier event" in toasts(app)[-1]


async def test_a_run_that_cannot_be_replayed_says_why(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "demo")
    run.create()
    run.database.write_bytes(b"SQLite format 3\0" + b"\1" * 4096)
    link = Replaying(run.path)
    app = ControlCentre(link, run_dir=run.path, clock=link.clock, refresh_s=3600.0)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        async with asyncio.timeout(PATIENCE_S):
            while link.view.status == "waiting":
                await pilot.pause(0.005)
        await draw(app, pilot)
        assert "this run cannot be replayed" in plain(app)
        await pilot.press("space", "end")
        assert "this run cannot be replayed" in toasts(app)[-1]


@pytest.mark.slow
async def test_from_the_compare_screen_a_run_is_replayed_and_esc_leads_back(
    run: RunDirectory, rich: RunState
) -> None:
    live = FakeLink(rich)
    app = ControlCentre(live, run_dir=run.path, clock=lambda: rich.now, refresh_s=3600.0)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await draw(app, pilot)
        await pilot.press("C")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        async with asyncio.timeout(PATIENCE_S):
            while screen.selected is None:
                await pilot.pause(0.005)
        await pilot.press("r")
        await pilot.pause()
        assert isinstance(app.screen, ReplayDashboard)
        assert isinstance(app.link, Replaying)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is screen
        assert app.link is live
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("V")
        await pilot.pause()
        assert isinstance(app.screen, ReplayDashboard)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.dashboard
        assert live.sent == []
