"""What can be done with a checkpoint from the screen: keys, menu, palette, refusals, comparison."""

from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from backend import checkpoints
from backend import commands as c
from backend.state import RunState
from backend.wire import Reply
from model.config import ModelConfig
from tests.tui.conftest import SMALL, FakeLink, draw, screen, toasts
from tests.tui.plain import plain
from tui.action import Context
from tui.actions import BY_ID
from tui.app import ControlCentre
from tui.client import READ_ONLY, LinkView
from tui.screens.checkpoints import OtherScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.menu import MenuScreen
from tui.screens.pages import PageScreen

ORDINARY = "step-00001000"
"""Neither the best of the scenario nor its newest."""


async def test_a_checkpoint_is_verified_by_its_key_and_the_answer_is_shown(rich: RunState) -> None:
    link = FakeLink(rich)
    link.reply = Reply(id=1, refused="ema.safetensors: damaged: its SHA-256 is not the manifest's")
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("4", "j", "v")
        await draw(app, pilot)
        assert link.sent == [c.VerifyCheckpoint(name=ORDINARY)]
        assert toasts(app) == [f"{BY_ID['verify'].title}: {link.reply.refused}"]


@pytest.mark.parametrize(("answer", "sent"), [("y", True), ("n", False), ("enter", False)])
async def test_deleting_asks_first(rich: RunState, answer: str, sent: bool) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("4", "j", "D")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmScreen)
        assert "Delete checkpoint 1,000 from disk" in plain(app)
        await pilot.press(answer)
        await draw(app, pilot)
        assert link.sent == ([c.DeleteCheckpoint(name=ORDINARY)] if sent else [])


def test_what_must_stay_is_not_deleted_and_the_screen_knows_why(rich: RunState) -> None:
    def refusal(id: str, name: str, link: LinkView | None = None) -> str:
        view = link or LinkView("connected", "")
        return BY_ID[id].refused(Context(rich, view, checkpoint=name))

    newest = rich.checkpoints[-1].name
    assert refusal("delete", ORDINARY) == ""
    assert refusal("delete", rich.best).endswith("is the best network")
    if newest != rich.best:
        assert "training goes on from it" in refusal("delete", newest)
    assert refusal("delete", "") == refusal("diff", "") == "there is no checkpoint yet"
    watcher = LinkView("connected", "", True)
    assert refusal("delete", ORDINARY, watcher) == refusal("verify", ORDINARY, watcher) == READ_ONLY
    assert refusal("diff", ORDINARY, watcher) == ""


async def test_the_menu_of_a_checkpoint_says_what_can_be_done_with_it(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("4", "enter")
        await draw(app, pilot)
        assert isinstance(app.screen, MenuScreen)
        assert app.screen.subject == rich.best
        assert "D  Delete the selected checkpoint: 2,000 is the best network" in plain(app)
        await pilot.press("D")
        assert toasts(app)[-1].endswith("2,000 is the best network")
        await pilot.press("v")
        await draw(app, pilot)
        assert link.sent == [c.VerifyCheckpoint(name=rich.best)]


async def test_the_palette_has_every_checkpoint_and_opens_its_menu(rich: RunState) -> None:
    async with screen(FakeLink(rich), SMALL) as (app, pilot):
        entries = {entry.title: entry for entry in app.get_system_commands(app.screen)}
        assert "Checkpoint 2,000 (best)" in entries
        entries["Checkpoint 1,000"].callback()
        await draw(app, pilot)
        assert isinstance(app.screen, MenuScreen)
        assert app.screen.subject == app.dashboard.selected_checkpoint == ORDINARY


def save(root: Path, name: str, shift: float, loss: float) -> None:
    weights = {"stem.0.weight": np.full((2, 2), 3.0, np.float32)}
    weights["tower.0.conv1.weight"] = np.array([3.0 + shift, 4.0], np.float32)
    checkpoints.save(
        root,
        step=checkpoints.checkpoint_step(name) or 0,
        model=ModelConfig(),
        parts={"model": weights, "ema": weights, "optimizer": {}},
        metrics={"policy_loss": loss},
    )


async def read(app: ControlCentre, pilot: Pilot[int]) -> None:
    """Until the files that were asked for are read, and what came of it is drawn."""
    await pilot.pause()
    asked = [w for w in app.workers if w.group == "reading" and w.is_running]
    if asked:  # Of none, all are waited for, and the link never ends.
        await app.workers.wait_for_complete(asked)
    await draw(app, pilot)


async def test_two_checkpoints_are_compared_also_by_who_only_watches(
    rich: RunState, tmp_path: Path
) -> None:
    link = FakeLink(rich, LinkView("connected", "", True))
    async with screen(link, (100, 30)) as (app, pilot):
        app.run_dir = tmp_path
        await pilot.press("4", "j", "d")
        await draw(app, pilot)
        assert isinstance(app.screen, OtherScreen)
        assert "compare 1,000 with" in plain(app)
        await pilot.press("enter")  # The best, on which it begins; its files are not there.
        await read(app, pilot)
        assert toasts(app)[-1].startswith(
            f"{BY_ID['diff'].title}: there is no checkpoint '{rich.best}' in "
        )
        save(tmp_path / "checkpoints", rich.best, 0.0, 2.0)
        save(tmp_path / "checkpoints", ORDINARY, 4.0, 2.5)
        await pilot.press("d", "enter")
        await read(app, pilot)
        assert isinstance(app.screen, PageScreen)
        seen = [" ".join(line.strip("│ ").split()) for line in plain(app).lines]
        assert f"checkpoint {rich.best} {ORDINARY}" in seen
        assert "step 2,000 1,000 -1,000" in seen
        assert "policy loss 2 2.5 +25.0%" in seen
        assert "tower.0 2 80.00% 0.9179" in seen
        assert "stem 4 0.00% 1.0000" in seen
