"""`matrix0 ctl` against a real supervisor with fake workers: answers, exit codes, waiting."""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.errors import ExitCode
from backend.events import (
    Alert,
    CycleFinished,
    MatchFinished,
    PauseChanged,
    TrainingStep,
)
from backend.fold import fold
from backend.rundir import SUPERVISOR, RunDirectory
from backend.state import RunState
from backend.store.journal import read_journal
from matrix0 import cli
from matrix0.commands.ctl import standing
from tests.backend.fakes.process import CONFIG, SupervisorProcess, prepare
from tests.tui import scenario

Ctl = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ctl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ctl:
    """`ctl("pause", directory)`: exit code, stdout, stderr."""

    def call(verb: str, directory: Path, *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["matrix0", "ctl", verb, "--run", str(directory), *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return call


# Away from the ends of cycles, so that no evaluation of the run's own is in the way for long.
LONG_CYCLES = CONFIG.replace(
    "steps_per_cycle = 20", "steps_per_cycle = 100000\nlearning_rate = 0.001"
)


def test_a_shell_script_drives_a_run_from_its_first_checkpoint_to_its_end(
    tmp_path: Path, ctl: Ctl
) -> None:
    run = prepare(tmp_path / "run", LONG_CYCLES)
    with SupervisorProcess(run) as supervisor:
        # The untrained network is saved and the best: only a later one can be measured.
        supervisor.wait_for(TrainingStep)

        code, out, err = ctl("checkpoint", run, "--wait", "--json")
        assert (code, err) == (0, "")
        saved = json.loads(out)["event"]
        assert (saved["type"], saved["reason"]) == ("CheckpointSaved", "requested")
        assert (run / "checkpoints" / saved["name"]).is_dir()

        assert ctl("pause", run, "--wait") == (0, "paused: all workers rest\n", "")
        state = json.loads(ctl("status", run, "--json")[1])
        assert state["phase"] == "paused"
        assert {worker["state"] for worker in state["workers"].values()} == {"paused"}
        assert ctl("pause", run) == (ExitCode.NO, "", "matrix0: the run is paused already\n")
        code, out, err = ctl("evaluate", run, "--json")
        assert (code, err) == (1, "")
        assert json.loads(out) == {
            "order": "EvaluateNow",
            "refused": "the run is paused: resume it first",
        }
        # What was saved since may be the newest: rest, save, and nothing is left to save.
        ctl("checkpoint", run, "--wait")
        code, out, _ = ctl("checkpoint", run, "--wait")
        assert (code, out.split(" ", 1)[1]) == (0, "is saved already\n")
        newest = out.split()[0]
        assert ctl("resume", run, "--wait") == (0, "resumed: all workers go on\n", "")

        code, out, _ = ctl("evaluate", run, newest, "--wait", "--json")
        assert code == 0
        finished = json.loads(out)["event"]
        assert (finished["type"], finished["candidate"]) == ("MatchFinished", newest)

        assert ctl("promote", run, newest, "--reason", "by script")[:2] == (
            0,
            f"{newest} is the best network\n",
        )
        assert ctl("rollback", run)[1] == "step-00000000 is the best network again\n"
        code, out, err = ctl("verify", run, newest)
        assert (code, err) == (0, "")
        assert out.startswith(f"{newest} is sound: ")
        code, _, err = ctl("delete", run, "step-00000000")
        assert (code, err) == (ExitCode.NO, "matrix0: step-00000000 is the best network\n")
        code, _, err = ctl("promote", run, "step-9")
        assert (code, err) == (1, "matrix0: there is no checkpoint 'step-9' on disk\n")

        assert ctl("stop", run, "--wait") == (0, "stopped: stopped by a person\n", "")
        assert RunDirectory(run).holder() is None
        assert supervisor.finish() == ExitCode.DONE
    journal = [type(entry.fact).__name__ for entry in read_journal(run / "journal.jsonl").entries]
    for order in ("PauseRun", "ResumeRun", "CheckpointNow", "EvaluateNow", "Promote", "Rollback"):
        assert order in journal
    assert [e.paused for e in supervisor.of(PauseChanged)] == [True, False]
    assert any("-by-hand-" in e.match for e in supervisor.of(MatchFinished))
    assert not supervisor.of(CycleFinished)


def test_settings_and_single_workers_are_changed_from_a_shell_script(
    tmp_path: Path, ctl: Ctl
) -> None:
    run = prepare(tmp_path / "run", LONG_CYCLES)
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(TrainingStep)
        was = "training.learning_rate is 0.0005 now, was 0.001\n"
        assert ctl("set", run, "learning_rate", "x0.5") == (0, was, "")
        code, _, err = ctl("set", run, "training.batch_size", "8")
        assert (code, err.count("\n")) == (ExitCode.NO, 1)
        assert "no setting that a run at work can change" in err
        assert ctl("set", run, "workers")[2].endswith("`matrix0 ctl set workers VALUE`\n")
        assert json.loads(ctl("set", run, "--json")[1])["training.learning_rate"] == "0.0005"
        assert "\nsearch.simulations           64 " in ctl("set", run)[1]

        assert ctl("pause", run, "sp0", "--wait") == (0, "sp0 is paused: it rests\n", "")
        assert ctl("resume", run, "sp0", "--wait") == (0, "sp0 is resumed: it is running\n", "")
        code, out, _ = ctl("restart", run, "sp0", "--wait")
        assert (code, out) == (0, "sp0 is at work again, process 1\n")
        code, _, err = ctl("restart", run, "sp7")
        assert (code, err) == (
            ExitCode.NO,
            "matrix0: there is no worker 'sp7' (there are: trainer, evaluator, sp0)\n",
        )


def test_who_waits_for_a_checkpoint_hears_that_the_trainer_is_gone(
    tmp_path: Path, ctl: Ctl
) -> None:
    run = prepare(tmp_path / "run", LONG_CYCLES + "stall_s = 1.0\n")
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(TrainingStep, lambda e: e.step > 5)
        os.kill(supervisor.pid_of("trainer"), signal.SIGSTOP)
        code, out, err = ctl("checkpoint", run, "--wait")
    assert (code, out) == (ExitCode.NO, "")
    assert err.startswith("matrix0: the trainer ended before it saved: ")


def test_a_run_without_a_supervisor_is_one_clear_line(tmp_path: Path, ctl: Ctl) -> None:
    run = RunDirectory(prepare(tmp_path / "run"))
    code, out, err = ctl("pause", run.path)
    assert (code, out) == (64, "")
    assert err == (
        f"matrix0: {run.path}: no supervisor is at work on this run; "
        f"`matrix0-tui --run {run.path}` starts one\n"
    )
    assert "holds no run" in ctl("status", tmp_path / "nowhere")[2]
    assert not (tmp_path / "nowhere").exists()
    with run.lock("matrix0 train"):
        code, _, err = ctl("pause", run.path)
    assert code == 73
    assert "`matrix0 train` is at work on this run" in err
    with run.lock(SUPERVISOR):
        code, _, err = ctl("pause", run.path)
    assert code == 64
    assert err.endswith("its supervisor cannot be asked: it takes no orders yet, or no more\n")


def test_the_status_says_what_the_screen_says(rich: RunState) -> None:
    state = fold(rich, Alert(at=rich.now, level="error", text="\x1b[31mred"))
    lines = standing(state)
    assert lines[0] == (
        f"{state.run}: {state.phase}, process {state.pid}, preset {state.preset}, "
        f"in {state.directory}"
    )
    assert f"step {state.step:,}" in lines[1]
    assert {line.split()[0] for line in lines[3 : 3 + len(state.workers)]} == set(state.workers)
    assert lines[-1] == "error: \ufffd[31mred"


@pytest.fixture(scope="module")
def rich() -> RunState:
    return scenario.rich_state()
