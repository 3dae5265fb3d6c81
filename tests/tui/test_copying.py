"""`y` copies what has the focus: to the clipboard of the terminal, and to a file of the user."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from backend import events as e
from backend.state import RunState
from tests.tui.conftest import FakeLink, draw, screen, toasts
from tui.remembered import folder


@pytest.mark.parametrize(
    ("keys", "copied"),
    [
        (["y"], r"policy loss, step 2,340: policy \d\.\d{3,} \(ema 0\.9\)"),
        (["s", "s", "h", "h", "y"], r"policy loss, step 2,2\d\d: policy \d\.\d{3,}"),
        (["2", "down", "y"], "selfplay-1"),
        (["4", "j", "y"], "step-00001000"),
        (["3", "y"], r"\S+/\S+ [wb] \S+ \S+ \d+ \d+"),
        (["5", "y"], r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARNING|ERROR) +\S+ .+"),
        (["6", "y"], r"(info|warning|error): .+"),
        (["L", "y"], r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARNING|ERROR) +\S+ .+"),
    ],
    ids=["chart", "cursor", "worker", "checkpoint", "board", "log", "alert", "log-screen"],
)
async def test_the_focused_value_is_copied(rich: RunState, keys: list[str], copied: str) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        for key in keys:
            await pilot.press(key)
            await draw(app, pilot)
        assert re.fullmatch(copied, app.clipboard), app.clipboard
        assert (folder() / "copied.txt").read_text("utf-8") == f"{app.clipboard}\n"
        assert "copied: " in toasts(app)[-1]


async def test_where_there_is_nothing_to_copy_it_is_said(rich: RunState) -> None:
    async with screen(FakeLink(replace(rich, alerts=()))) as (app, pilot):
        await pilot.press("6", "y")
        await draw(app, pilot)
        assert app.clipboard == ""
        assert toasts(app) == ["there is nothing to copy here"]


async def test_without_a_place_for_the_file_the_clipboard_is_enough(
    rich: RunState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    async with screen(FakeLink(rich)) as (app, pilot):
        await pilot.press("4", "y")
        await draw(app, pilot)
        assert toasts(app) == [f"copied: {rich.best}"]


async def test_the_theme_is_kept_for_the_next_start(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        assert app.theme == "matrix0-dark"
        await pilot.press("T")
        await pilot.pause()
    async with screen(FakeLink(rich)) as (app, _):
        assert app.theme == "matrix0-light"
    (folder() / "theme").write_text("no such theme")
    async with screen(FakeLink(rich)) as (app, _):
        assert app.theme == "matrix0-dark"


async def test_values_of_outside_text_are_copied_without_what_speaks_to_a_terminal(
    rich: RunState,
) -> None:
    link = FakeLink(rich)
    link.say(e.Alert(at=rich.now, level="error", text="\x1b]52;c;aGk=\x07 [red]"))
    async with screen(link) as (app, pilot):
        await pilot.press("6", "y")
        await draw(app, pilot)
        assert "\x1b" not in app.clipboard
        assert "[red]" in app.clipboard
