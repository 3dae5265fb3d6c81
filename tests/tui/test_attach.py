"""Several screens on one real supervisor, and one that may only watch."""

import asyncio
from pathlib import Path

from backend import commands as c
from backend.events import WorkerReady
from backend.runs import list_runs
from backend.state import RunState
from tests.backend.fakes.process import SupervisorProcess, prepare
from tests.tui.conftest import FakeLink, screen, toasts
from tests.tui.test_client import attached, until
from tui.action import Context
from tui.actions import ACTIONS
from tui.client import READ_ONLY, LinkView


async def test_what_one_screen_orders_the_others_see_and_a_watcher_orders_nothing(
    tmp_path: Path,
) -> None:
    run = prepare(tmp_path / "run")
    with SupervisorProcess(run) as supervisor:
        await asyncio.to_thread(supervisor.wait_for, WorkerReady)
        async with (
            attached(run) as first,
            attached(run) as second,
            attached(run, read_only=True) as watcher,
        ):
            links = (first, second, watcher)
            await until(lambda: all(link.view.status == "connected" for link in links))
            assert (await watcher.request(c.PauseRun())).refused == READ_ONLY
            assert (await watcher.request(c.StopRun())).refused == READ_ONLY
            assert (await first.request(c.PauseRun())).text == "paused"
            await until(lambda: all(link.state.phase == "paused" for link in links))
            assert (await second.request(c.PauseRun())).refused == "the run is paused already"
            assert (await second.request(c.ResumeRun())).text == "resumed"
            await until(lambda: all(link.state.phase == "running" for link in links))
            (listed,) = list_runs(tmp_path)
            assert (listed.state, listed.pid) == ("running", supervisor.process.pid)


async def test_a_read_only_screen_gives_no_order_and_says_why(rich: RunState) -> None:
    link = FakeLink(rich, LinkView("connected", "", read_only=True))
    orders = [action for action in ACTIONS if action.command is not None]
    refusals = {action.refused(Context(rich, link.view, rich.best)) for action in orders}
    assert refusals == {READ_ONLY}
    async with screen(link) as (app, pilot):
        for action in orders:
            await pilot.press(action.key)
        await pilot.pause()
        assert toasts(app) == [f"{action.title}: {READ_ONLY}" for action in orders]
        assert link.sent == []
        await pilot.press("f")
        assert app.is_running
