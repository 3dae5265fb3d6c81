"""The screens above the dashboard, and a chart alone, without colour and without Unicode."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from backend.state import RunState
from tests.tui.conftest import FakeLink, draw, screen
from tests.tui.plain import plain
from tests.tui.test_colours import runs
from tests.tui.test_games_screen import run_dir, settled
from tui.app import ControlCentre

__all__ = ["run_dir"]
"""A fixture."""
TOUR = (
    (("z", "h", "h", "plus", "X"), "Back"),
    (("escape", "escape", "L", "k", "m"), "all sources"),
    (("escape", "b", "end", "left"), "Result"),
    (("escape", "question_mark"), "Everywhere"),
    (("escape", "P"), "Promote"),
)
"""Keys, and what is seen after them."""


@pytest.mark.parametrize(
    "size",
    [(80, 24), pytest.param((120, 40), marks=pytest.mark.slow)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
@pytest.mark.parametrize("how", ["ascii", pytest.param("no colour", marks=pytest.mark.slow)])
async def test_screens_and_dialogs_do_without(
    rich: RunState,
    run_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    how: str,
) -> None:
    if how == "no colour":
        monkeypatch.setenv("NO_COLOR", "1")
    app = ControlCentre(
        FakeLink(rich),
        run_dir=run_dir,
        ascii=how == "ascii",
        clock=lambda: rich.now,
        refresh_s=3600.0,
    )
    async with app.run_test(size=size) as pilot:
        await draw(app, pilot)
        for keys, wanted in TOUR:
            await pilot.press(*keys)
            await settled(app, pilot)
            seen = plain(app)
            assert wanted in seen
            assert all(cell_len(line) <= size[0] for line in seen.lines)
            if how == "ascii":
                # Textual draws the thumb of a scrollbar itself, in blocks; a control character of
                # others becomes the sign for what cannot be shown.
                strange = {char for char in seen.text if not char.isascii()}
                assert strange <= set("▁▂▃▄▅▆▇█\ufffd"), wanted


@pytest.mark.parametrize("terminal", ["xterm-16color", "xterm-256color"])
async def test_sixteen_colours_lose_shades_and_signs_stand_for_them(
    rich: RunState, monkeypatch: pytest.MonkeyPatch, terminal: str
) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("COLORTERM", "")
    has_few = terminal == "xterm-16color"
    async with screen(FakeLink(rich)) as (app, _):
        # The squares of the last move, and the row of a table that keys are for.
        assert ("[♗ ]" in plain(app)) == has_few
        selected = [style for _, _, text, style in runs(app) if text.strip() == "2,000"]
        assert [style.reverse is True for style in selected] == [has_few]
