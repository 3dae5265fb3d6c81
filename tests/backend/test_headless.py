"""What a run without a screen says about an event."""

import pytest
from msgspec.structs import replace

from backend.events import (
    Event,
    Promoted,
    ShardRejected,
    WorkerBackoff,
    WorkerExited,
    WorkerFailed,
    WorkerGivenUp,
)
from backend.headless import describe, progress_line
from tests.tui import scenario


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            WorkerFailed(worker="sp0", error="a NaN in the output", exit_code=70),
            "sp0 failed: a NaN in the output",
        ),
        (
            WorkerExited(worker="sp0", code=-11, expected=False, reason="killed by signal 11"),
            "sp0 ended: killed by signal 11",
        ),
        (
            WorkerBackoff(worker="sp0", delay_s=3.96, crashes=2),
            "sp0 is started again in 4.0 s, abnormal exits so far: 2",
        ),
        (
            WorkerBackoff(worker="sp0", delay_s=0.0, crashes=0),
            "sp0 is started again at once, abnormal exits so far: 0",
        ),
        (
            WorkerGivenUp(worker="sp0", reason="5 abnormal exits within 10 minutes"),
            "sp0 is given up: 5 abnormal exits within 10 minutes",
        ),
        (
            ShardRejected(name="a.safetensors", reason="damaged"),
            "shard a.safetensors is refused and set aside: damaged",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_failure_is_told_with_its_cause(event: Event, words: str) -> None:
    assert describe(event) == words


def test_a_worker_that_stops_as_asked_is_not_worth_a_line() -> None:
    assert describe(WorkerExited(worker="sp0", code=0, expected=True, reason="asked")) == ""


def test_a_running_match_is_told_with_its_pairs_and_its_test() -> None:
    state = scenario.rich_state()
    playing = scenario.fold_all(scenario.running_match(state.now), state)
    said = "match 131/400 55.3%, pairs 5-12-21-14-9, LLR +0.87 (-2.94, +2.94)"
    assert said in progress_line(playing)
    started, progress = scenario.running_match(state.now)
    assert describe(started) == ("match step-00002300 against step-00002000, at most 400 games")
    untested = replace(started, llr_low=None, llr_high=None)
    playing = scenario.fold_all([untested, replace(progress, llr=None)], state)
    assert "match 131/400 55.3%, pairs 5-12-21-14-9 |" in progress_line(playing)
    back = Promoted(name="step-1", previous="step-2", reason="it blunders", is_rollback=True)
    assert describe(back) == "best network is again step-1: it blunders"
