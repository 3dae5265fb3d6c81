"""Only lines that have changed are drawn again, and what is seen is the same as drawn anew."""

import random

import pytest

from backend.state import RunState
from tests.tui import scenario
from tests.tui.conftest import FakeLink, draw, screen
from tests.tui.plain import plain
from tui.panes.board import BoardPane
from tui.panes.chart import LineChart


async def test_what_was_drawn_line_by_line_is_what_is_drawn_anew(rich: RunState) -> None:
    noise = random.Random(3)
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        for turn in range(6):
            at = link.state.now + 1.0
            link.say(
                scenario.training_step(2341 + 7 * turn, at, noise),
                scenario.board_seen(5 + 3 * turn, at),
                *scenario.heartbeats(at, 2341 + 7 * turn, noise),
            )
            await draw(app, pilot)
        seen = plain(app)
        for pane in app.screen.query("LineChart, BoardPane"):
            pane.refresh()
        await pilot.pause()
        assert plain(app) == seen


@pytest.mark.parametrize("pane", [BoardPane, LineChart])
async def test_a_small_change_draws_few_lines(
    rich: RunState, pane: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        link.say(scenario.board_seen(20, link.state.now))
        await draw(app, pilot)
        drawn: list[int] = []
        real = pane.render_line  # type: ignore[attr-defined]

        def counted(widget: object, y: int) -> object:
            drawn.append(y)
            return real(widget, y)

        monkeypatch.setattr(pane, "render_line", counted)
        at = link.state.now + 1.0
        link.say(scenario.training_step(2341, at, random.Random(3)), scenario.board_seen(21, at))
        await draw(app, pilot)
        lines = sum(widget.size.height for widget in app.screen.query(pane))
        assert 0 < len(drawn) < 0.8 * lines
