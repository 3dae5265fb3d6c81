"""Asked to stop by a signal, at any moment: the run ends in order, soon, and loses nothing."""

import json
import signal
import time
from pathlib import Path
from random import Random

import pytest

from backend.errors import ExitCode
from backend.events import RunStarted, RunStopped, ShardAdmitted
from backend.wire import encode
from tests.backend.fakes.process import SupervisorProcess, prepare
from tests.run_witness import Witness, faults

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STARTS = 6
LIMIT_S = 30.0


@pytest.mark.slow
def test_a_signal_at_any_moment_ends_the_run_in_order(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run")
    rng, witness = Random(1), Witness()
    for number in range(STARTS):
        with SupervisorProcess(run) as supervisor:
            supervisor.wait_for(RunStarted if number < STARTS // 2 else ShardAdmitted)
            deadline = time.monotonic() + rng.uniform(0.0, 2.0)
            while supervisor._next(deadline) is not None:
                pass
            began = time.monotonic()
            supervisor.process.send_signal(SIGNALS[number % len(SIGNALS)])
            assert supervisor.finish() == ExitCode.DONE
            assert time.monotonic() - began < LIMIT_S
            assert supervisor.of(RunStopped)
            assert not any(worker.is_running() for worker in supervisor.workers)
        for event in supervisor.seen:
            witness.hear(json.loads(encode(event)))
        assert faults(run, witness) == []
    assert witness.games > 0
