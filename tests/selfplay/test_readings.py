"""What the workers report is shown: on the screen, in the pipe, and only if it says something."""

from typing import Any

import pytest

from backend.events import SelfPlayProgress
from backend.headless import progress_line
from backend.selfplay.readings import policy_surprise, remarks
from backend.state import RunState, WorkerView
from tui.glyphs import UNICODE
from tui.panes.pipeline import pipeline


def _state(*workers: dict[str, Any]) -> RunState:
    views = {}
    for number, said in enumerate(workers):
        name = f"selfplay-{number}"
        progress = SelfPlayProgress(
            worker=name,
            network="step-00000000",
            games_running=1,
            mean_ply=1.0,
            positions_per_s=1.0,
            evaluations_per_s=1.0,
            network_frac=1.0,
            batch_frac=1.0,
            **said,
        )
        views[name] = WorkerView(worker=name, role="selfplay", state="running", progress=progress)
    return RunState(phase="running", workers=views)


def test_policy_surprise_is_the_mean_of_the_workers_that_know_it() -> None:
    state = _state({"policy_surprise": 0.4}, {"policy_surprise": 0.2}, {})
    assert policy_surprise(state) == pytest.approx(0.3)
    assert "KL 0.30" in pipeline(state, state.now, 120, UNICODE).plain
    assert "surprise 0.300" in progress_line(state)
    assert policy_surprise(_state({})) is None
    assert "KL" not in pipeline(_state({}), 0.0, 120, UNICODE).plain


def test_cheap_searches_and_resignations_are_remarked_on_only_where_there_are_any() -> None:
    assert remarks(_state({"full_frac": 1.0, "resigned_frac": 0.0})) == []
    state = _state(
        {
            "full_frac": 0.2,
            "resigned_frac": 0.2,
            "resign_threshold": 0.9,
            "resign_false_frac": 0.02,
        },
        {
            "full_frac": 0.3,
            "resigned_frac": 0.4,
            "resign_threshold": 0.8,
            "resign_false_frac": 0.06,
        },
        {"resigned_frac": 0.0},
    )
    assert remarks(state) == ["25% full searches", "30% resigned, 4% wrongly"]
    assert "25% full searches | 30% resigned, 4% wrongly" in progress_line(state)
