"""Resuming is exact: forty steps are the same whether the trainer was killed between or not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend import checkpoints
from backend.events import CheckpointSaved, LogLine, TrainingStep
from backend.rundir import RunDirectory
from backend.training.precision import LossScale
from backend.training.trainer import Trainer
from model.config import SslConfig
from tests.backend.test_trainer_worker import CONFIG, _admit, _make_run, _Trainer, _write
from tests.backend.test_training import FAST, NET, state_bytes
from tests.fake_accelerator import FakeAccelerator, fake_device
from tests.positions import random_batch

LAST = "step-00000040"
HARDEST: dict[str, Any] = {
    "average": "swa",
    "swa_every_steps": 7,
    "swa_snapshots": 3,
    "drop_path": 0.2,
    "schedule": "cosine",
    "decay_steps": 50,
    "warmup_steps": 10,
}


def make_run(path: Path) -> RunDirectory:
    settings = replace(
        CONFIG.training, steps_per_cycle=40, checkpoint_every_steps=20, checkpoint_every_s=0
    )
    run = _make_run(path, replace(CONFIG, training=replace(settings, **HARDEST)))
    for seq in range(6):
        _admit(run, _write(run, seq))
    return run


@pytest.mark.slow
def test_forty_steps_are_twenty_a_kill_and_twenty_more_bit_for_bit(tmp_path: Path) -> None:
    straight = make_run(tmp_path / "straight")
    with _Trainer(straight) as trainer:
        trainer.wait_for(CheckpointSaved, lambda e: e.name == LAST)
        rates = {e.step: e.metrics["learning_rate"] for e in trainer.of(TrainingStep)}
    killed = make_run(tmp_path / "killed")
    with _Trainer(killed) as trainer:
        trainer.wait_for(TrainingStep, lambda e: e.step == 25)
    assert checkpoints.list_checkpoints(killed.checkpoints)[-1] == "step-00000020"
    with _Trainer(killed) as trainer:
        trainer.wait_for(LogLine, lambda e: e.text == "goes on from step-00000020")
        trainer.wait_for(CheckpointSaved, lambda e: e.name == LAST)
        resumed = {e.step: e.metrics["learning_rate"] for e in trainer.of(TrainingStep)}

    assert resumed == {step: rate for step, rate in rates.items() if step > 20}
    for part in checkpoints.PARTS:
        once, twice = (run.checkpoints / LAST / f"{part}.safetensors" for run in (straight, killed))
        assert once.read_bytes() == twice.read_bytes(), part
    one, two = (checkpoints.read_manifest(run.checkpoints / LAST) for run in (straight, killed))
    assert one.data_position == two.data_position
    assert one.trainer == two.trainer


def test_the_scale_of_float16_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LossScale, "GROW_AFTER", 3)
    config = replace(FAST, precision="float16", micro_batch=4, checkpointing="none")
    batch = random_batch(4, seed=1)

    def make() -> Trainer:
        return Trainer(NET, SslConfig(), config, fake_device(FakeAccelerator()), seed=7)

    straight, first, second = make(), make(), make()
    for _ in range(8):
        straight.step(batch)
    for _ in range(4):
        first.step(batch)
    second.restore(checkpoints.load(first.save(tmp_path / "middle")))
    assert second.loss_scale == first.loss_scale != LossScale.of("float16")
    for _ in range(4):
        second.step(batch)
    assert second.loss_scale == straight.loss_scale
    assert state_bytes(straight, tmp_path / "a") == state_bytes(second, tmp_path / "b")
