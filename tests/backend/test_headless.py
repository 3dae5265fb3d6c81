"""What a run without a screen says about an event."""

import pytest

from backend.events import (
    Event,
    ShardRejected,
    WorkerBackoff,
    WorkerExited,
    WorkerFailed,
    WorkerGivenUp,
)
from backend.headless import describe


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
