"""Twenty starts of one run at once: one gets it, the others are told who."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import ExitCode
from backend.rundir import RunDirectory
from tests.backend.fakes.process import ROOT, SUPERVISOR, prepare

STARTS = 20
LIMIT_S = 120.0


@pytest.mark.slow
def test_of_twenty_starts_at_once_one_wins_and_the_others_name_it(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run")
    starts = [
        subprocess.Popen(
            [sys.executable, str(SUPERVISOR), str(run)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(STARTS)
    ]
    told: dict[int, str] = {}
    try:
        while len(told) < STARTS - 1:
            pid, status = os.waitpid(-1, 0)
            process = next(start for start in starts if start.pid == pid)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == ExitCode.LOCKED
            assert process.stderr is not None
            told[pid] = process.stderr.read().decode()
        (winner,) = [start for start in starts if start.returncode is None]
        holder = RunDirectory(run).holder()
        assert holder is not None
        assert holder.pid == winner.pid
        assert all(f"process {winner.pid};" in text for text in told.values()), told
        winner.send_signal(signal.SIGINT)
        assert winner.wait(timeout=LIMIT_S) == ExitCode.DONE
        assert RunDirectory(run).holder() is None
    finally:
        for start in starts:
            if start.returncode is None:
                start.kill()
                start.wait()
            assert start.stderr is not None
            start.stderr.close()
