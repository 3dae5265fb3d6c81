"""Processes that train together live and die together, and what they learned goes on."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend import checkpoints
from backend.errors import ExitCode
from backend.events import CheckpointSaved, LogLine, TrainingStep, WorkerFailed
from backend.processes import child_environment
from backend.replay.imports import import_pgn
from backend.rundir import RunDirectory
from tests.backend.test_resuming import LAST, make_run
from tests.backend.test_supervised import CONFIG, GAMES
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
        trainer.wait_for(CheckpointSaved, lambda e: e.name == LAST)
        followers = _followers(trainer._process)
        assert len(followers) == 1
    # The trainer was killed: nobody told its follower anything.
    assert psutil.wait_procs(followers, timeout=PATIENCE_S)[1] == []

    killed = _run_of_two(tmp_path / "killed")
    with _Trainer(killed) as trainer:
        trainer.wait_for(TrainingStep, lambda e: e.step == 25)
        _followers(trainer._process)[0].kill()
        failed = trainer.wait_for(WorkerFailed)
        assert "a process of those that train together is gone" in failed.error
        assert trainer.finish() == ExitCode.INTERNAL
    with _Trainer(killed) as trainer:
        trainer.wait_for(LogLine, lambda e: e.text == "goes on from step-00000020")
        trainer.wait_for(CheckpointSaved, lambda e: e.name == LAST)
    for part in checkpoints.PARTS:
        once, twice = (run.checkpoints / LAST / f"{part}.safetensors" for run in (straight, killed))
        assert once.read_bytes() == twice.read_bytes(), part


def test_torchrun_starts_the_group_again_and_it_goes_on_from_its_checkpoint(
    tmp_path: Path,
) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create()
    import_pgn([str(GAMES)], run.imported, "mover")
    run.settle(replace(CONFIG, training=replace(CONFIG.training, checkpoint_every_steps=1)))
    words = ("--standalone", "--nproc-per-node", "2", "--max-restarts", "1")
    train = ("-m", "matrix0", "train", "--run", str(run.path), "--steps", "200")
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *words, *train],
            env=child_environment(),
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        first = {child.pid for child in _wait_for_step(run, 5, process)}
        follower = max(first)  # Started last: rank 1.
        os.kill(follower, signal.SIGKILL)
        reached = _steps(run)[-1]
        second = {child.pid for child in _wait_for_step(run, reached + 5, process)}
        assert not first & second
        text = (tmp_path / "said").read_text("utf-8")
        assert text.count("positions to learn from") == 2
        assert "step 0: " in text
        assert text.count("step 0: ") == 1  # The second time it did not begin anew.
        ranks = _followers(process)
        process.terminate()
        process.wait(PATIENCE_S)
        assert psutil.wait_procs(ranks, timeout=PATIENCE_S)[1] == []
    finally:
        process.kill()
        process.wait()


def _steps(run: RunDirectory) -> list[int]:
    found = [checkpoints.checkpoint_step(n) for n in checkpoints.list_checkpoints(run.checkpoints)]
    return [step for step in found if step is not None]


def _wait_for_step(
    run: RunDirectory, step: int, process: "subprocess.Popen[bytes]"
) -> list[psutil.Process]:
    """The ranks that are there when a checkpoint of that step or a later one is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None
        if max(_steps(run), default=0) >= step:
            return _followers(process)
        time.sleep(0.05)
    raise AssertionError(f"no checkpoint of step {step} came; there are {_steps(run)}")
