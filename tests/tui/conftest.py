"""The real application without a terminal: a fake link, a fixed clock, a fixed time zone."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backend.commands import ClientCommand
from backend.events import Event
from backend.fold import fold
from backend.state import RunState
from backend.wire import Reply
from tests.tui import scenario
from tui.app import ControlCentre
from tui.client import LinkView

SMALL = (80, 24)
"""Enough, and quicker, where the layout does not matter."""


class FakeLink:
    """A supervisor that does what the test says."""

    def __init__(self, state: RunState, view: LinkView | None = None) -> None:
        self.state = state
        self.view = view or LinkView("connected", "")
        self.version = 1
        self.sent: list[ClientCommand] = []
        self.reply = Reply(id=1, text="done")

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def request(self, command: ClientCommand) -> Reply:
        self.sent.append(command)
        return self.reply

    def say(self, *events: Event) -> None:
        for event in events:
            self.state = fold(self.state, event)
        self.version += 1

    def see(self, view: LinkView) -> None:
        self.view = view
        self.version += 1


@asynccontextmanager
async def screen(
    link: FakeLink, size: tuple[int, int] = (120, 40), *, ascii: bool = False
) -> AsyncIterator[tuple[ControlCentre, Pilot[int]]]:
    """The running application, drawn once. Its own clock stands still; `draw` makes it tick."""
    now = link.state.now + 2.0
    app = ControlCentre(
        link, run_dir=Path("runs/demo"), ascii=ascii, clock=lambda: now, refresh_s=3600.0
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        await draw(app, pilot)
        yield app, pilot


async def draw(app: ControlCentre, pilot: Pilot[int]) -> None:
    await pilot.pause()
    app.redraw()
    app.tick()
    await pilot.pause()


def toasts(app: ControlCentre) -> list[str]:
    return [notification.message for notification in app._notifications]


@pytest.fixture(scope="session")
def rich() -> RunState:
    return scenario.rich_state()


@pytest.fixture(autouse=True)
def _state_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a screen keeps for its user must not reach the next test, nor a person's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def _many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever terminal the tests are started from."""
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path leaves room for a socket (104 bytes on macOS)."""
    path = Path(tempfile.mkdtemp(prefix="m0-", dir="/tmp"))
    yield path
    shutil.rmtree(path)
