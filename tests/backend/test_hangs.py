"""A worker that hangs, in every role and in two ways: seen, its stack written, killed, replaced."""

import os
import signal
import time
from pathlib import Path

import pytest

from backend.events import Alert, Heartbeat, WorkerExited, WorkerReady, WorkerStarted
from tests.backend.fakes.process import CONFIG, SupervisorProcess, prepare

DEADLINES = "stall_s = 1.0\nstartup_s = 8.0\n"
ROLES = ("sp0", "trainer", "evaluator")


@pytest.mark.slow
@pytest.mark.parametrize("worker", ROLES)
def test_a_stopped_worker_of_any_role_is_seen_in_time_and_replaced(
    worker: str, tmp_path: Path
) -> None:
    run = prepare(tmp_path / "run", CONFIG + DEADLINES)
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(
            Heartbeat, lambda e: e.worker == worker and e.phase not in ("starting", "loading")
        )
        os.kill(supervisor.pid_of(worker), signal.SIGSTOP)
        start_s = time.monotonic()
        alert = supervisor.wait_for(Alert, lambda e: e.text.startswith(f"{worker}: silent for"))
        seen_s = time.monotonic() - start_s
        exited = supervisor.wait_for(WorkerExited, lambda e: e.worker == worker)
        supervisor.wait_for(WorkerReady, lambda e: e.worker == worker)
    print(f"{worker}: seen after {seen_s:.1f} s, replaced after {time.monotonic() - start_s:.1f} s")
    assert seen_s < 12.0
    assert "its stack is in its log" in alert.text
    assert exited.code == -signal.SIGKILL
    assert "memory" not in exited.reason, "we asked for it"


@pytest.mark.slow
@pytest.mark.parametrize("worker", ROLES)
def test_a_dead_loop_in_any_role_is_seen_and_its_stack_is_in_the_log(
    worker: str, tmp_path: Path
) -> None:
    run = prepare(tmp_path / "run", CONFIG + DEADLINES)
    with SupervisorProcess(run, "--fault", f"{worker}=loop") as supervisor:
        start_s = time.monotonic()
        exited = supervisor.wait_for(WorkerExited)
        supervisor.wait_for(WorkerStarted, lambda e: e.worker == worker)
    print(f"{worker}: ended after {time.monotonic() - start_s:.1f} s")
    assert (exited.worker, exited.code) == (worker, -signal.SIGKILL)
    assert "silent for" in exited.reason
    log = (run / "logs" / f"{worker}.log").read_text()
    assert "most recent call first" in log
    assert "fakes/worker.py" in log
    assert any("fakes/worker.py" in line for line in exited.last_words)
