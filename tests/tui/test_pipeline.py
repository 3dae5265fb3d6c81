"""The second line of the screen: what fits is whole."""

from msgspec.structs import replace

from backend import events as e
from backend.state import RunState
from tests.tui.scenario import fold_all, rich_state, running_match
from tui import format as fmt
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
    widths = {width: pipeline(state, state.now, width, UNICODE).plain for width in range(80, 200)}
    assert "KL 0.42" in widths[199]
    for line in widths.values():
        assert "KL" not in line.replace("KL 0.42 ", "")
        assert "KL 0.42" in line or "KL" not in line


def seen(state: RunState, width: int = 200) -> str:
    return pipeline(state, state.now, width, UNICODE).plain


def those(run: RunState, *roles: str, **changes: object) -> RunState:
    """Workers of these roles are as `changes` say."""
    workers = {
        name: replace(view, **changes) if view.role in roles else view
        for name, view in run.workers.items()
    }
    return replace(run, workers=workers)


def test_every_station_says_why_it_does_not_work() -> None:
    state = rich_state()
    assert "53 pos/s" in seen(state)  # One of two plays: that is work.
    assert "↻" not in seen(state)

    gone = those(state, "selfplay", state="backoff", retry_at=state.now + 8)
    assert "self-play 736 games ↻ retry in 8s ─▸" in seen(gone)
    tuning = those(gone, "selfplay", state="running", phase="tuning", progress=None)
    assert "736 games ○ tuning ─▸" in seen(tuning)
    held = those(gone, "selfplay", state="paused", held=True)
    assert "736 games ‖ paused by hand ─▸" in seen(held)
    failed = those(state, "selfplay", "trainer", state="failed")
    assert "736 games ✗ given up ─▸ train ✗ given up ─▸" in seen(failed)
    assert "train ○ compiling" in seen(those(state, "trainer", phase="compiling"))

    match = fold_all(running_match(state.now), state)
    stuck = those(match, "evaluator", state="failed")
    assert "evaluate 131/400 55% ✗ given up ─▸" in seen(stuck)
    idle = those(state, "evaluator", state="failed")
    assert "evaluate @3,000 ✗ given up" in seen(idle)
    paused = fold_all([e.PauseChanged(at=state.now, paused=True)], match)
    line = seen(paused)
    assert "736 games ‖ paused ─▸ train ‖ paused ─▸ evaluate 131/400 55% ‖ paused ─▸" in line


def test_stations_say_when_they_will_be_done() -> None:
    state = rich_state()
    elapsed_s = state.now - state.cycle_started_at
    assert state.step == 2340
    assert f"evaluate @3,000 in {fmt.duration(elapsed_s * 66 / 34)} ─▸" in seen(state)
    early = replace(state, step=2010)
    assert "evaluate @3,000 ─▸" in seen(early)
    match = fold_all(running_match(state.now), state)
    assert "131/400 55% ─▸" in seen(match)
    assert match.match is not None
    late = replace(match, match=replace(match.match, played=300))
    assert "300/400" in seen(late)
    assert " 20s left ─▸" in seen(late)


def test_self_play_leaves_its_games_out_before_its_speed_is_cut() -> None:
    state = rich_state()
    lines = [seen(state, width) for width in range(110, 200)]
    assert any("self-play 53 pos/s" in line for line in lines)
    for line in lines:
        assert "self-play 736 games 53 pos/s" in line or "self-play 53 pos/s" in line, line
