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
    assert "step 3,230   evaluating 12/20   ███████▎░░░░ 60%   cycle ETA" in seen(state)
    assert "step 3,230  evaluating 12/20  60%" in seen(state, 80)

    ended = scenario.fold_all([e.RunStopped(at=state.now, reason="by hand", exit_code=0)], state)
    assert "evaluating" not in seen(ended)
    assert "%" not in seen(ended)


def test_memory_is_what_the_workers_hold_of_what_there_is() -> None:
    state = scenario.rich_state()
    assert "RSS 2.4 GiB" in seen(state)
    beats = [
        e.Heartbeat(
            at=state.now + second,
            worker=worker,
            phase="playing",
            rss_mib=5000.0,
            device_mib=device_mib,
            device_limit_mib=16 * 1024.0,
        )
        for second, (worker, device_mib) in enumerate(
            [("selfplay-0", 2048.0), ("trainer", 4096.0), ("evaluator", 9216.0)], 2
        )
    ]
    state = scenario.fold_all(beats[:2], state)
    assert [mib for _, mib in state.memory] == [2048.0, 6144.0]
    assert "device 6.0/16.0 GiB" in seen(state)
    assert "device 15.0/16.0 GiB" in seen(scenario.fold_all(beats[2:], state), 140)


def test_the_busiest_card_is_told_where_somebody_knows_it() -> None:
    state = scenario.rich_state()
    assert "GPU" not in seen(state, 200)

    def beat(worker: str, busy_frac: float | None, watts: float | None) -> e.Heartbeat:
        return e.Heartbeat(
            at=state.now,
            worker=worker,
            phase="playing",
            device_busy_frac=busy_frac,
            device_watts=watts,
        )

    cards = [beat("selfplay-0", 0.07, 60.2), beat("trainer", 0.874, 311.6)]
    busy = scenario.fold_all(cards, state)
    assert "GPU 87% 312 W" in seen(busy, 200)
    assert "GPU" not in seen(busy, 80)
    assert "GPU 0%" in seen(scenario.fold_all([beat("trainer", 0.0, None)], state), 200)
    died = e.WorkerExited(at=state.now, worker="trainer", code=1, expected=False, reason="died")
    assert "GPU 7% 60 W" in seen(scenario.fold_all([died], busy), 200)
