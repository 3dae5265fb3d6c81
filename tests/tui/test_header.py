"""The first line of the screen, for states of the run."""

from msgspec.structs import replace

from backend import events as e
from backend.state import RunState
from tests.tui import scenario
from tui.client import LinkView
from tui.glyphs import UNICODE
from tui.panes.header import header


def seen(state: RunState, width: int = 120) -> str:
    return header(state, LinkView("connected", ""), state.now, width, UNICODE).plain


def test_while_the_match_runs_its_games_are_shown_instead_of_steps_beyond_the_target() -> None:
    state = replace(scenario.rich_state(2990), cycles=0, evaluation_games=20, step=3230)
    at = state.now
    match = e.MatchStarted(
        at=at, match="m", candidate="step-00003000", opponent="b", games=20, simulations=8
    )
    played = e.MatchProgress(at=at + 120, match="m", played=12, wins=5, draws=2, losses=5)
    state = scenario.fold_all([match, played], state)
    assert "step 3,230   evaluating 12/20   ███████▎░░░░ 60%   cycle ETA 1m20s" in seen(state)
    assert "step 3,230  evaluating 12/20  60%" in seen(state, 80)
