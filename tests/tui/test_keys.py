"""The whole application: which keys do what, and what they say when they cannot."""

import asyncio

import pytest
from msgspec.structs import replace
from textual.command import CommandList

from backend import commands as c
from backend import events as e
from backend.state import RunState
from backend.wire import Reply
from tests.limits import PATIENCE_S
from tests.tui.conftest import SMALL, FakeLink, draw, screen, toasts
from tests.tui.plain import plain
from tui.action import PLACES, Context
from tui.actions import ACTIONS
from tui.app import ControlCentre
from tui.client import LinkView
from tui.panes.alerts import AlertsPane
from tui.panes.bars import key_pieces
from tui.panes.chart import LineChart
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.pages import PageScreen


@pytest.mark.parametrize(
    ("key", "command"),
    [("space", c.PauseRun()), ("c", c.CheckpointNow())],
)
async def test_a_key_gives_its_order_and_shows_the_answer(
    rich: RunState, key: str, command: c.ClientCommand
) -> None:
    link = FakeLink(rich)
    link.reply = Reply(id=1, text="it is done [/]")
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press(key)
        await draw(app, pilot)
        assert link.sent == [command]
        assert toasts(app) == ["it is done [/]"]


async def test_a_refusal_of_the_supervisor_is_shown(rich: RunState) -> None:
    link = FakeLink(rich)
    link.reply = Reply(id=1, refused="a checkpoint is being saved")
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("c")
        await draw(app, pilot)
        assert toasts(app) == ["Save a checkpoint: a checkpoint is being saved"]


async def test_a_key_that_makes_no_sense_now_says_why(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("e")
        await draw(app, pilot)
        assert link.sent == []
        assert "2,000 is the best network itself" in toasts(app)[0]


@pytest.mark.parametrize(("answer", "sent"), [("y", True), ("n", False), ("enter", False)])
async def test_promotion_asks_and_takes_the_checkpoint_under_the_cursor(
    rich: RunState, answer: str, sent: bool
) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("4", "j", "P")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        assert "1,000" in plain(app)
        await pilot.press(answer)
        await draw(app, pilot)
        wanted = c.Promote(name="step-00001000", reason="promoted by hand")
        assert link.sent == ([wanted] if sent else [])


async def test_stopping_asks_first(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("Q")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("y")
        await draw(app, pilot)
        assert link.sent == [c.StopRun()]


async def test_leaving_sends_no_order(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value == 0
        assert link.sent == []


async def test_ctrl_c_loses_nothing(rich: RunState) -> None:
    async with screen(FakeLink(rich), SMALL) as (app, pilot):
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app.is_running
        assert "Q stops the run" in toasts(app)[0]


async def test_smoothing_and_axis_are_switched_and_said(rich: RunState) -> None:
    async with screen(FakeLink(rich), SMALL) as (app, pilot):
        await pilot.press("s", "Y")
        await draw(app, pilot)
        seen = plain(app)
        assert "ema 0.97 · log" in seen
        await pilot.press("s", "Y")
        await draw(app, pilot)
        assert "ema" not in plain(app)


async def test_the_self_supervised_chart_shows_one_task_after_the_other(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        assert "masked piece  0.564" in plain(app)
        await pilot.press("m")
        await draw(app, pilot)
        assert "threat  0.122" in plain(app)
        assert "masked piece" not in plain(app)
        await pilot.press("m")  # Of pin, fork and control nothing has been heard.
        await draw(app, pilot)
        assert "masked piece  0.564" in plain(app)


async def test_without_other_tasks_their_key_changes_nothing(rich: RunState) -> None:
    kept = {name: curve for name, curve in rich.metrics.items() if "threat" not in name}
    async with screen(FakeLink(replace(rich, metrics=kept))) as (app, pilot):
        await pilot.press("m")
        await draw(app, pilot)
        assert "masked piece  0.564" in plain(app)
        assert "next task" not in plain(app)


async def test_a_chart_is_maximised_and_comes_back(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        await pilot.press("tab", "z")
        await draw(app, pilot)
        assert [ch.id for ch in app.dashboard.query(LineChart) if ch.region.area] == ["value-loss"]
        await pilot.press("z")
        await draw(app, pilot)
        assert sum(bool(ch.region.area) for ch in app.dashboard.query(LineChart)) == 4


async def test_the_board_is_flipped(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        before = plain(app).lines
        await pilot.press("f")
        await draw(app, pilot)
        after = plain(app).lines
        files = next(line for line in after if "h   g   f" in line)
        assert files
        assert not any("h   g   f" in line for line in before)


async def test_alerts_open_beside_the_log_and_close_again(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        alerts = app.dashboard.query_one("#alerts")
        assert not alerts.region.area
        await pilot.press("6")
        await draw(app, pilot)
        assert alerts.region.area
        await pilot.press("6")
        await draw(app, pilot)
        assert not alerts.region.area


async def test_help_lists_every_action_and_why_some_are_refused(rich: RunState) -> None:
    async with screen(FakeLink(rich), (120, 240)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, PageScreen)
        seen = plain(app)
        for action in ACTIONS:
            assert action.title in seen, action.id
        assert "Not now: 2,000 is the best network itself." in seen
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Dashboard)


@pytest.mark.slow
async def test_every_action_has_a_key_that_reaches_it_and_an_entry_in_the_palette(
    rich: RunState, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(ControlCentre, "action_act", lambda self, id: done.append(id))
    async with screen(FakeLink(rich), SMALL) as (app, pilot):
        for place in PLACES:
            monkeypatch.setattr(ControlCentre, "place", place)
            here = [action for action in ACTIONS if action.works_in(place)]
            done.clear()
            await pilot.press(*(action.key for action in here))
            assert done == [action.id for action in here]
        done.clear()
        entries = {entry.title: entry for entry in app.get_system_commands(app.screen)}
        for action in ACTIONS:
            entries[action.title].callback()
        assert done == [action.id for action in ACTIONS]


async def test_the_palette_opens_and_does_an_action(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("ctrl+p", *"save a checkp")
        found = app.screen.query_one(CommandList)
        async with asyncio.timeout(PATIENCE_S):
            while found.highlighted is None or "Save a checkpoint" not in plain(app):
                await pilot.pause()
        await pilot.press("enter")
        async with asyncio.timeout(PATIENCE_S):
            while not link.sent:
                await pilot.pause()
        assert link.sent == [c.CheckpointNow()]


@pytest.mark.parametrize(
    ("width", "wanted"),
    [
        (
            120,
            "space Pause c Checkpoint e Evaluate P Promote z Zoom ? Help q Detach Q Stop "
            "^p Palette",
        ),
        (80, "space Pause c Ckpt e Eval P Promote z Zoom ? Help q Detach Q Stop ^p"),
        (68, "space Pause c Ckpt e Eval P Promote ? Help q Detach Q Stop"),
    ],
)
def test_the_footer_has_the_keys_that_must_be_found(
    rich: RunState, width: int, wanted: str
) -> None:
    pieces = key_pieces(Context(rich, LinkView("connected", ""), "step-00001000"), width)
    line = "".join(text for text, _, _ in pieces)
    assert len(line) <= width
    assert " ".join(line.split()) == wanted


async def test_the_footer_can_be_clicked(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        column = plain(app).lines[-1].index("Checkpoint")
        await pilot.click("#keys", offset=(column, 0))
        await draw(app, pilot)
        assert link.sent == [c.CheckpointNow()]


async def test_the_mouse_reaches_every_action_through_the_palette(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        await pilot.click("#keys", offset=(plain(app).lines[-1].index("^p"), 0))
        await pilot.pause()
        found = app.screen.query_one(CommandList)
        async with asyncio.timeout(PATIENCE_S):
            while "Save a checkpoint" not in [str(o.hit.text) for o in found._options]:  # type: ignore[attr-defined]
                await pilot.pause()
        titles = [str(o.hit.text) for o in found._options]  # type: ignore[attr-defined]
        assert {action.title for action in ACTIONS} <= set(titles)
        number = titles.index("Acknowledge all alerts")
        await pilot.click(CommandList, offset=(6, 1 + 2 * number))
        async with asyncio.timeout(PATIENCE_S):
            while app.dashboard.seen_until == 0.0:
                await pilot.pause()


async def test_acknowledged_alerts_stay_in_the_list_and_leave_the_status_line(
    rich: RunState,
) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        assert "!1" in plain(app).lines[0]
        await pilot.press("6", "a")
        await draw(app, pilot)
        seen = plain(app)
        assert "!1" not in seen.lines[0]
        assert "all acknowledged" in seen
        assert "✓" in next(line for line in seen.lines if "no heartbeat for 60 s" in line)
        await pilot.press("a")
        assert toasts(app) == ["Acknowledge all alerts: every alert is acknowledged"]
        link.say(e.Alert(at=rich.now + 5, level="error", text="value loss is not finite"))
        await draw(app, pilot)
        assert "!1" in plain(app).lines[0]
        assert "a acknowledges 1" in str(app.dashboard.query_one(AlertsPane).border_subtitle)
