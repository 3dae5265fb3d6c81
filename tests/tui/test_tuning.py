"""Settings and single workers changed from the screen: keys, dialogs, palette, marks."""

import numpy as np
import pytest
from msgspec.structs import replace
from textual.widgets import Input

from backend import commands as c
from backend import events as e
from backend.config import Config
from backend.fold import fold
from backend.live import settings_in_force
from backend.state import RunState
from backend.wire import Reply
from tests.tui.conftest import SMALL, FakeLink, draw, screen, toasts
from tests.tui.plain import plain
from tui.action import Context
from tui.actions import BY_ID
from tui.client import READ_ONLY, LinkView
from tui.figure import Mark
from tui.history import History
from tui.panes.curves import CHARTS
from tui.panes.workers import WorkersPane
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.logs import LogScreen
from tui.screens.menu import MenuScreen
from tui.screens.tuning import SettingScreen

UP = LinkView("connected", "")


@pytest.fixture
def tunable(rich: RunState) -> RunState:
    return replace(rich, settings=settings_in_force(Config()))


async def test_a_setting_is_chosen_typed_and_set(tunable: RunState) -> None:
    link = FakeLink(tunable)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("u", "j", "j")
        assert isinstance(app.screen, SettingScreen)
        await draw(app, pilot)
        assert "takes: 1 to 10,000" in plain(app)
        link.reply = Reply(id=1, refused="simulations = 0 must be at least 1")
        await pilot.press("enter", "0", "enter")
        await draw(app, pilot)
        assert link.sent == [c.ChangeSetting(name="search.simulations", value="0")]
        assert "simulations = 0 must be at least 1" in plain(app)
        link.reply = Reply(id=1, text="search.simulations is 100 now, was 64")
        await pilot.press("home", "1", "0", "enter")
        await draw(app, pilot)
        assert link.sent[1:] == [c.ChangeSetting(name="search.simulations", value="100")]
        assert isinstance(app.screen, Dashboard)
        assert toasts(app) == ["search.simulations is 100 now, was 64"]


async def test_escape_goes_back_from_the_value_and_then_away(tunable: RunState) -> None:
    link = FakeLink(tunable)
    async with screen(link, SMALL) as (app, pilot):
        app.change_setting("selfplay.workers")  # As the palette does.
        await pilot.pause()
        assert isinstance(app.screen, SettingScreen)
        entry = app.screen.query_one(Input)
        assert (app.screen.chosen, entry.has_focus, entry.value) == ("selfplay.workers", True, "0")
        await pilot.press("9", "escape")
        assert (entry.has_focus, entry.value) == (False, "0")
        await pilot.press("escape")
        assert isinstance(app.screen, Dashboard)
        entries = {entry.title for entry in app.get_system_commands(app.screen)}
        assert {f"Change {name}" for name in tunable.settings} <= entries
    assert link.sent == []


async def test_a_worker_rests_and_goes_on_by_its_key(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        await pilot.press("2", "down", "w")
        await draw(app, pilot)
        link.say(e.WorkerHeld(worker="selfplay-1", held=True, by="a test"))
        await draw(app, pilot)
        assert "selfplay-1: paused by hand, w resumes" in plain(app)
        await pilot.press("w", "j", "W")
        await draw(app, pilot)
        assert isinstance(app.screen, ConfirmScreen)
        assert "Restart trainer?\nIt saves a checkpoint first" in app.screen.question
        await pilot.press("y")
        await draw(app, pilot)
        assert link.sent == [
            c.PauseWorker(worker="selfplay-1"),
            c.ResumeWorker(worker="selfplay-1"),
            c.RestartWorker(worker="trainer"),
        ]


async def test_a_click_on_the_selected_worker_asks_what_to_do(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        await pilot.click("#workers", offset=(5, 3))
        await pilot.click("#workers", offset=(5, 3))
        await draw(app, pilot)
        assert isinstance(app.screen, MenuScreen)
        assert app.dashboard.query_one(WorkersPane).selected_key == "selfplay-1"
        assert "W  Restart the selected worker" in plain(app)
        await pilot.press("down", "enter")
        await draw(app, pilot)
        # It waits for its next start: nothing is lost, so nothing is asked.
        assert link.sent == [c.RestartWorker(worker="selfplay-1")]


async def test_in_the_menu_of_a_worker_the_keys_that_it_shows_work(rich: RunState) -> None:
    failed = fold(rich, e.WorkerGivenUp(worker="selfplay-1", reason="crashed five times"))
    link = FakeLink(failed)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("2", "down", "enter")
        await draw(app, pilot)
        assert isinstance(app.screen, MenuScreen)
        assert app.screen.subject == "selfplay-1"
        await pilot.press("w")
        assert toasts(app)[-1].endswith("selfplay-1 was given up: restart it first")
        await pilot.press("W")
        await draw(app, pilot)
        assert link.sent == [c.RestartWorker(worker="selfplay-1")]


def test_what_cannot_be_done_to_a_worker_says_why(rich: RunState) -> None:
    failed = fold(rich, e.WorkerGivenUp(worker="trainer", reason="crashed five times"))

    def refusal(id: str, state: RunState, worker: str, link: LinkView = UP) -> str:
        return BY_ID[id].refused(Context(state, link, worker=worker))

    assert refusal("worker-pause", rich, "") == "no worker is selected"
    assert refusal("worker-pause", rich, "trainer") == ""
    assert refusal("worker-pause", failed, "trainer") == "trainer was given up: restart it first"
    assert refusal("worker-restart", failed, "trainer") == ""
    assert refusal("worker-restart", rich, "trainer", LinkView("connected", "", True)) == READ_ONLY
    assert refusal("tune", rich, "", LinkView("connected", "", True)) == READ_ONLY
    assert "earlier version" in refusal("tune", rich, "")


def test_changes_and_numbers_that_are_none_are_marked_at_their_steps(rich: RunState) -> None:
    spec = CHARTS[0]
    history = History(None)  # type: ignore[arg-type]
    changed = fold(
        rich,
        e.SettingChanged(name="training.learning_rate", old="1", new="2", by="x", step=1200),
    )
    assert Mark(1200.0, "setting") in spec.figure(changed, history, "step").marks
    assert changed.settings == {**rich.settings, "training.learning_rate": "2"}
    broken = fold(changed, e.NonFinite(worker="trainer", step=1500, values={"loss": "nan"}))
    assert Mark(1500.0, "missing") in spec.figure(broken, history, "step").marks
    assert spec.inputs(broken, history) != spec.inputs(changed, history)
    assert spec.inputs(changed, history) != spec.inputs(rich, history)
    told = fold(rich, e.Alert(at=rich.now, level="error", text="loss is not finite"))
    kinds = {m.kind for m in spec.figure(told, history, "step").marks if not np.isnan(m.x)}
    assert "missing" not in kinds  # An event says so, not a word in a text.


async def test_vim_keys_move_between_charts_and_search_from_the_dashboard(rich: RunState) -> None:
    async with screen(FakeLink(rich), SMALL) as (app, pilot):
        await pilot.press("j")
        assert app.dashboard.charts.current.id == "value-loss"
        await pilot.press("k")
        assert app.dashboard.charts.current.id == "policy-loss"
        await pilot.press("slash")
        await pilot.pause()
        assert isinstance(app.screen, LogScreen)
        assert app.screen.query_one(Input).has_focus
