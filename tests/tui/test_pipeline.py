"""The second line of the screen: what fits is whole."""

from msgspec.structs import replace

from backend.state import RunState
from tests.tui.scenario import rich_state
from tui.glyphs import UNICODE
from tui.panes.pipeline import pipeline


def _searching(state: RunState) -> RunState:
    workers = {
        name: replace(view, progress=replace(view.progress, policy_surprise=0.42))
        if view.progress
        else view
        for name, view in state.workers.items()
    }
    return replace(state, workers=workers)


def test_what_searches_add_is_shown_whole_or_not_at_all() -> None:
    state = _searching(rich_state())
    widths = {width: pipeline(state, width, UNICODE).plain for width in range(80, 200)}
    assert "KL 0.42" in widths[199]
    for line in widths.values():
        assert "KL" not in line.replace("KL 0.42 ", "")
        assert "KL 0.42" in line or "KL" not in line
