"""What torchrun does when one of its processes is killed, and what becomes of the training then."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend import checkpoints
from backend.errors import ExitCode
from backend.events import TrainingStep
from backend.processes import Group, child_environment, group_by_torchrun
from backend.replay.imports import import_pgn
from backend.rundir import RunDirectory
from backend.training.goal import goal, steps_left
from backend.wire import decode_event
from tests.backend.test_supervised import CONFIG, GAMES
from tests.limits import PATIENCE_S

STEPS = 60
EVERY = 5


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "killed")
    directory.create()
    import_pgn([str(GAMES)], directory.imported, "mover")
    training = replace(
        CONFIG.training, checkpoint_every_steps=EVERY, checkpoint_every_s=0, steps_per_cycle=STEPS
    )
    directory.settle(replace(CONFIG, training=training))
    return directory


@pytest.mark.slow
def test_a_group_that_is_started_again_ends_with_the_weights_of_one_that_was_left_alone(
    run: RunDirectory, tmp_path: Path
) -> None:
    undisturbed = _copy(run, tmp_path / "undisturbed")
    with _torchrun(run, restarts=2) as process:
        first = _ranks(process)
        reached = _wait_for_step(run, EVERY, process)
        first[1].send_signal(signal.SIGKILL)
        assert psutil.wait_procs(first.values(), timeout=PATIENCE_S)[1] == []
        second = _ranks(process)
        _wait_for_step(run, reached + EVERY, process)
        second[0].send_signal(signal.SIGKILL)
        assert process.wait(2 * PATIENCE_S) == ExitCode.DONE
    with _torchrun(undisturbed) as process:
        assert process.wait(2 * PATIENCE_S) == ExitCode.DONE

    last = checkpoints.checkpoint_name(STEPS)
    for directory in (run, undisturbed):
        assert checkpoints.list_checkpoints(directory.checkpoints)[-1] == last
        steps = [_step(line) for line in directory.metrics_file.read_bytes().splitlines()]
        assert steps == [*range(2, STEPS + 1, 2), STEPS]  # The last one is what was measured.
    for part in checkpoints.PARTS:
        one, two = (r.checkpoints / last / f"{part}.safetensors" for r in (run, undisturbed))
        assert one.read_bytes() == two.read_bytes(), part


def test_only_a_group_that_is_started_again_takes_fewer_steps() -> None:
    first, again = (
        group_by_torchrun({"TORCHELASTIC_RUN_ID": "7", "TORCHELASTIC_RESTART_COUNT": restarts})
        for restarts in "01"
    )
    position = goal(100, first)
    assert steps_left(30, 100, position, again) == 70
    assert steps_left(100, 100, position, again) == 0
    assert steps_left(30, 100, position, first) == 100, "a new call of the same name"
    assert steps_left(30, 100, position, Group("8", is_again=True)) == 100
    assert steps_left(30, 100, {}, again) == 100, "it died before its first checkpoint"
    assert steps_left(30, 100, position, group_by_torchrun({})) == 100
    assert goal(100, None) == {}


def _copy(run: RunDirectory, path: Path) -> RunDirectory:
    copy = RunDirectory(path)
    copy.create()
    for shard in run.imported.iterdir():
        (copy.imported / shard.name).symlink_to(shard)
    copy.settle(run.read_config())
    return copy


@contextmanager
def _torchrun(run: RunDirectory, restarts: int = 0) -> Iterator["subprocess.Popen[bytes]"]:
    """Two processes that train `run`; whatever still runs at the end is killed."""
    words = ("--standalone", "--nproc-per-node", "2", "--max-restarts", str(restarts), "-m", "--")
    train = ("matrix0", "train", "--run", str(run.path), "--steps", str(STEPS))
    with run.log_file("torchrun").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *words, *train],
            env=child_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.kill()
            process.wait()


def _ranks(process: "subprocess.Popen[bytes]") -> dict[int, psutil.Process]:
    """The two processes that torchrun has started, by their number."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None
        found = {}
        for child in psutil.Process(process.pid).children():
            try:
                found[int(child.environ()["RANK"])] = child
            except (KeyError, psutil.Error):
                break  # It is only being started, or it ends.
        if len(found) == 2:
            return found
        time.sleep(0.05)
    raise AssertionError("torchrun does not start two processes")


def _wait_for_step(run: RunDirectory, step: int, process: "subprocess.Popen[bytes]") -> int:
    """The step of the newest checkpoint, once it is that one or a later one."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, run.log_file("torchrun").read_text("utf-8")
        names = checkpoints.list_checkpoints(run.checkpoints)
        newest = checkpoints.checkpoint_step(names[-1]) or 0 if names else 0
        if newest >= step:
            return newest
        time.sleep(0.02)
    raise AssertionError(f"no checkpoint of step {step} came")


def _step(line: bytes) -> int:
    event = decode_event(line)
    assert isinstance(event, TrainingStep)
    return event.step
