"""How often the screen is drawn, and that a slow link is noticed and said once."""

from pathlib import Path

import pytest

from backend.state import RunState
from matrix0 import cli
from tests.command_line import Run
from tests.tui.conftest import FakeLink, toasts
from tui.app import ControlCentre
from tui.pace import REMOTE_REFRESH_S, Pace, pace


@pytest.mark.parametrize(
    ("asked", "environment", "refresh_s", "is_remote", "is_told"),
    [
        (None, {}, 0.5, False, False),
        (2.0, {}, 2.0, False, False),
        (None, {"SSH_TTY": "/dev/pts/3"}, REMOTE_REFRESH_S, True, True),
        (None, {"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, REMOTE_REFRESH_S, True, True),
        (0.25, {"SSH_TTY": "/dev/pts/3"}, 0.25, True, False),
        (None, {"SSH_TTY": ""}, 0.5, False, False),
    ],
)
def test_over_ssh_the_screen_is_calmer_unless_somebody_has_decided(
    asked: float | None,
    environment: dict[str, str],
    refresh_s: float,
    is_remote: bool,
    is_told: bool,
) -> None:
    found = pace(asked, environment)
    assert (found.refresh_s, found.is_remote) == (refresh_s, is_remote)
    assert ("--refresh SECONDS" in found.remark) == is_told
    assert bool(found.remark) == is_told
    assert pace(None, {}) == Pace()


async def test_the_remark_is_said_once(rich: RunState) -> None:
    app = ControlCentre(
        FakeLink(rich), run_dir=Path("runs/demo"), clock=lambda: rich.now, remark="over ssh"
    )
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.pause()
        app.tick()
        await pilot.pause()
        assert toasts(app) == ["over ssh"]


def test_a_refresh_without_a_screen_or_out_of_range_is_refused(run: Run) -> None:
    refused = run("--no-ui", "--preset", "tiny", "--refresh", "1", entry=cli.tui_main)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert run("--refresh", "0", entry=cli.tui_main).code == 2
