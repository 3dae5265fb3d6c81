"""Folding many events at once comes to what folding them one by one comes to."""

from backend import events as e
from backend.fold import MAX_LOG, fold, fold_all
from backend.state import RunState
from tests.tui import scenario


def test_a_story_with_a_flood_of_log_lines_ends_in_the_same_state() -> None:
    flood = [e.LogLine(source="a", level="info", text=f"line {i}", at=5.0 + i) for i in range(900)]
    story = list(scenario.story(60))
    events = [*flood[:3], *story[:40], *flood[3:700], *story[40:], *flood[700:]]
    state = RunState()
    for event in events:
        state = fold(state, event)
    assert fold_all(RunState(), events) == state
    assert len(state.log) == MAX_LOG
    assert fold_all(state, []) is state
