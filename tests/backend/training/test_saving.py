"""The trainer saves what a crash would cost: every so many steps, and before a risk."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from backend import checkpoints
from backend.commands import Stop, WorkerCommand
from backend.events import CheckpointSaved, Event, LogLine, TrainingStep
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.training.config import TrainingConfig
from backend.training.saving import SaveClock
from backend.workers import trainer as trainer_worker
from tests.backend.test_trainer_worker import _admit, _write
from tests.fake_accelerator import FakeAccelerator, fake_device

T = TypeVar("T")

CONFIG = build_config(
    "tiny",
    overrides=[
        "model.channels=16",
        "model.blocks=2",
        "training.batch_size=8",
        "training.metrics_every=1",
        "training.precision=float32",
        "replay.min_positions=10",
        "replay.samples_per_position=4",
    ],
)


def test_a_save_is_due_after_so_many_steps() -> None:
    clock = SaveClock(TrainingConfig(checkpoint_every_s=0, checkpoint_every_steps=500))
    assert not clock.is_due(499)
    assert clock.is_due(500)
    clock.saved(501)
    assert not clock.is_due(1000)
    assert clock.is_due(1001)
    never = SaveClock(TrainingConfig(checkpoint_every_s=0, checkpoint_every_steps=0))
    assert not never.is_due(10**9)


class RecordingIO:
    """The worker's pipes, in this process: events are kept, and Stop comes when it must wait."""

    worker = "trainer"

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def emit(self, event: Event) -> None:
        self.seen.append(event)

    def log(self, text: str, level: Any = "info") -> None:
        self.emit(LogLine(source=self.worker, level=level, text=text))

    def poll(self) -> list[WorkerCommand]:
        return []

    def wait(self, timeout: float) -> WorkerCommand:
        return Stop()

    def set_phase(self, phase: str, detail: str = "") -> None:
        pass

    def ready(self, device: object) -> None:
        pass

    def progress(self) -> None:
        pass

    def until_there_is_room(self, path: Path, write: Callable[[], T]) -> T:
        return write()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDirectory]:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    directory.settle(CONFIG)
    _admit(directory, _write(directory, 0))
    return directory


def train(run: RunDirectory, **training: Any) -> list[Event]:
    """What a trainer says that has credits for seven steps."""
    io = RecordingIO()
    config = replace(CONFIG, training=replace(CONFIG.training, **training))
    trainer_worker.main(io, run, config)  # type: ignore[arg-type]
    return io.seen


def test_a_checkpoint_is_made_every_so_many_steps(run: RunDirectory) -> None:
    seen = train(run, checkpoint_every_s=0, checkpoint_every_steps=3)
    saved = [(e.step, e.reason) for e in seen if isinstance(e, CheckpointSaved)]
    assert saved == [(0, "initial"), (3, "timed"), (6, "timed"), (7, "stopping")]


def test_running_out_of_memory_saves_first_is_said_aloud_and_costs_no_step(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerator = FakeAccelerator()
    monkeypatch.setattr(trainer_worker, "choose_device", lambda _: fake_device(accelerator))
    whole = train(run, micro_batch=8, checkpointing="none")
    assert not [e for e in whole if isinstance(e, LogLine) and e.level == "warning"]

    for name in checkpoints.list_checkpoints(run.checkpoints)[1:]:
        for file in (run.checkpoints / name).iterdir():
            file.unlink()
        (run.checkpoints / name).rmdir()
    accelerator.capacity = 0.7 * accelerator.peak
    seen = train(run, micro_batch=8, checkpointing="none", checkpoint_every_s=0)
    warnings = [e.text for e in seen if isinstance(e, LogLine) and e.level == "warning"]
    assert warnings == ["out of memory with micro-batches of 8; now micro-batches of 4"]
    assert [e.step for e in seen if isinstance(e, TrainingStep)] == list(range(1, 8))
