"""A run that is started and left: the command comes back when its workers are up, or says why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.commands import StopRun
from backend.launch import await_start, is_up
from backend.rundir import RunDirectory
from matrix0 import cli
from tests.backend.fakes.process import ROOT, SupervisorProcess, client, prepare
from tests.command_line import Run


def test_it_comes_back_when_all_workers_are_up(tmp_path: Path) -> None:
    run = prepare(tmp_path / "demo")
    with SupervisorProcess(run) as supervisor:
        state = await_start(RunDirectory(run), supervisor.process.poll)
        assert state is not None
        assert is_up(state)
        assert state.pid == supervisor.process.pid
        phases = {w.phase for w in state.workers.values()}
        assert phases <= {"playing", "training", "evaluating", "saving", "waiting"}
        with client(run) as screen:
            assert screen.ask(StopRun()).refused == ""
        supervisor.finish()
        assert await_start(RunDirectory(run), supervisor.process.poll) is None


def test_a_worker_that_is_given_up_is_told_and_not_waited_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = prepare(tmp_path / "demo")
    with SupervisorProcess(directory, "--stays", "--fault", "sp0=config") as supervisor:
        monkeypatch.setattr("backend.processes.start_detached", lambda *_, **__: supervisor.process)
        shown = run("--detach-after-start", "--run", str(directory), entry=cli.tui_main)
        assert (shown.code, shown.out) == (70, "")
        assert "sp0 was given up: its configuration cannot work" in shown.err
        assert f"its log is {directory / 'logs' / 'sp0.log'}\n" in shown.err
        assert f"matrix0 ctl restart sp0 --run {directory}" in shown.err
        with client(directory) as screen:
            assert screen.hello.state.phase == "running"
            assert screen.ask(StopRun()).refused == ""
            assert screen.is_at_end()


def test_a_supervisor_that_ends_at_once_is_told_with_its_own_exit_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object, **__: object) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(73)"])

    monkeypatch.setattr("backend.processes.start_detached", ends)
    shown = run("--detach-after-start", "--preset", "tiny", "--run", "demo", entry=cli.tui_main)
    assert (shown.code, shown.out) == (73, "")
    assert "the run has ended before its workers were up\n" in shown.err
    assert "supervisor.log" in shown.err


@pytest.mark.parametrize("flag", ["--no-ui", "--serve", "--read-only"])
def test_it_goes_with_no_screen(run: Run, flag: str) -> None:
    refused = run("--detach-after-start", "--run", "demo", flag, entry=cli.tui_main)
    assert (refused.code, refused.err.count("\n")) == (2, 1)


@pytest.mark.slow
def test_the_run_goes_on_when_the_command_has_come_back(tmp_path: Path) -> None:
    code = "from matrix0.cli import tui_main; tui_main()"
    words = ["--detach-after-start", "--preset", "tiny", "--run", str(tmp_path / "demo")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--set", "selfplay.workers=1"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert "demo is at work: process " in done.stdout
    assert f"matrix0-tui --run {tmp_path / 'demo'}" in done.stdout
    with client(tmp_path / "demo") as screen:
        assert screen.ask(StopRun()).refused == ""
        assert screen.hello.state.phase == "running"
        assert screen.is_at_end()
