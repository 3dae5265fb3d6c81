"""Processes that train together live and die together, and what they learned goes on."""

import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend import checkpoints
from backend.errors import ExitCode
from backend.events import CheckpointSaved, LogLine, TrainingStep, WorkerFailed
from backend.rundir import RunDirectory
from tests.backend.test_resuming import LAST, make_run
from tests.backend.test_trainer_worker import _Trainer
from tests.limits import PATIENCE_S

pytestmark = pytest.mark.slow


def _followers(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def _run_of_two(path: Path) -> RunDirectory:
    run = make_run(path)
    config = run.read_config()
    run.config_file.unlink()
    run.settle(replace(config, training=replace(config.training, processes=2)))
    return run


def test_a_killed_follower_ends_the_trainer_and_the_next_one_takes_the_same_steps(
    tmp_path: Path,
) -> None:
    straight = _run_of_two(tmp_path / "straight")
    with _Trainer(straight) as trainer:
        _reach(trainer, LAST)
        followers = _followers(trainer._process)
        assert len(followers) == 1
    # The trainer was killed: nobody told its follower anything.
    assert psutil.wait_procs(followers, timeout=PATIENCE_S)[1] == []

    killed = _run_of_two(tmp_path / "killed")
    with _Trainer(killed) as trainer:
        trainer.wait_for(TrainingStep)
        trainer.wait_for(TrainingStep, lambda e: e.step == 25)
        _followers(trainer._process)[0].kill()
        failed = trainer.wait_for(WorkerFailed)
        assert "a process of those that train together is gone" in failed.error
        assert trainer.finish() == ExitCode.INTERNAL
    with _Trainer(killed) as trainer:
        trainer.wait_for(LogLine, lambda e: e.text == "goes on from step-00000020")
        _reach(trainer, LAST)
    for part in checkpoints.PARTS:
        once, twice = (run.checkpoints / LAST / f"{part}.safetensors" for run in (straight, killed))
        assert once.read_bytes() == twice.read_bytes(), part


def _reach(trainer: _Trainer, name: str) -> None:
    """Patience is for one event: to start two processes is one, to train another."""
    trainer.wait_for(TrainingStep)
    trainer.wait_for(CheckpointSaved, lambda e: e.name == name)
