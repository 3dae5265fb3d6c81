"""A run where nothing can be written, and a database that another program holds."""

import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from backend.audit.run import examine
from backend.errors import ExitCode
from backend.events import Heartbeat, ShardAdmitted
from backend.processes import child_command, child_environment
from backend.rundir import RunDirectory
from tests.backend.fakes.process import SupervisorProcess, prepare
from tests.faults.test_full_disk import volume
from tests.limits import PATIENCE_S

__all__ = ["volume"]
"""A fixture."""


@pytest.mark.slow
def test_a_run_on_a_volume_that_is_read_only_is_refused_in_one_line(volume: Path) -> None:
    path = prepare(volume / "run")
    before = sorted(str(entry) for entry in path.rglob("*"))
    subprocess.run(["mount", "-o", "remount,ro", str(volume)], check=True)
    done = subprocess.run(
        child_command("supervise", "--run", str(path)),
        env=child_environment(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == ExitCode.CONFIG
    (line,) = done.stderr.decode().splitlines()
    assert str(path) in line
    assert "Read-only file system" in line
    assert sorted(str(entry) for entry in path.rglob("*")) == before


@pytest.mark.slow
def test_a_database_that_another_program_holds_is_named_and_costs_nothing(tmp_path: Path) -> None:
    """At the start, and later for less than the run's patience (5 s)."""
    path = prepare(tmp_path / "run")
    with SupervisorProcess(path, "--cycles", "1") as supervisor:
        assert supervisor.finish() == 0
    other = sqlite3.connect(path / "matrix0.db", isolation_level=None)
    with closing(other):
        other.execute("BEGIN EXCLUSIVE")
        with SupervisorProcess(path, "--cycles", "2") as supervisor:
            assert supervisor.finish() == ExitCode.CONFIG
            assert "database is locked; another program holds it" in supervisor.errors()
        other.execute("ROLLBACK")
        with SupervisorProcess(path, "--cycles", "2") as supervisor:
            supervisor.wait_for(ShardAdmitted)
            other.execute("BEGIN IMMEDIATE")
            supervisor.wait_for(Heartbeat)
            time.sleep(1.0)
            other.execute("ROLLBACK")
            assert supervisor.finish() == 0
    assert examine(RunDirectory(path)).problems == []
