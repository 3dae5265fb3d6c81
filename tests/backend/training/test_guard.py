"""Numbers that are none reach no weights and no checkpoint; training goes back, or it stops."""

import json
import math
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import safetensors.numpy
import torch

from backend import checkpoints
from backend.commands import Resume, Stop, WorkerCommand
from backend.errors import NonFiniteError
from backend.events import (
    CheckpointSaved,
    EventBase,
    LossSpiked,
    NonFinite,
    RolledBack,
    TrainingHalted,
    TrainingStep,
)
from backend.replay.batch import Batch
from backend.replay.sampler import Sampler
from backend.rundir import RunDirectory
from backend.training.config import TrainingConfig
from backend.training.guard import STAYS, WARM_STEPS, Guard, LossWatch
from backend.training.trainer import Trainer
from backend.workers import trainer as trainer_worker
from tests.backend.test_trainer_worker import CONFIG, _admit, _make_run, _write
from tests.backend.test_training import FAST, make_trainer, state_bytes
from tests.backend.training.test_saving import RecordingIO
from tests.positions import random_batch

E = TypeVar("E", bound=EventBase)


# The decisions ------------------------------------------------------------------------------------


def test_the_third_refusal_in_a_hundred_steps_goes_back_and_the_second_time_stops() -> None:
    guard = Guard(TrainingConfig(max_rollbacks=1))

    def take(steps: int) -> None:
        for _ in range(steps):
            assert guard.took(1.0) is None

    assert guard.refused() == "skip"
    take(98)
    assert guard.refused() == "skip"
    take(1)  # The first refusal is a hundred steps ago.
    assert guard.refused() == "skip"
    assert guard.refused() == "roll_back"
    assert [guard.refused(), guard.refused()] == ["skip", "skip"]
    assert guard.refused() == "halt"
    guard.resumed()
    assert [guard.refused() for _ in range(3)] == ["skip", "skip", "roll_back"]
    guard.saved()
    assert [guard.refused() for _ in range(3)] == ["skip", "skip", "roll_back"]


def noisy(steps: int, level: float = 3.0) -> list[float]:
    rng = np.random.default_rng(1)
    return list(level + 0.1 * rng.standard_normal(steps))


def test_a_spike_is_told_once_with_its_distance_and_a_loss_that_stays_up_is_divergence() -> None:
    watch = LossWatch(8.0)
    assert [watch.saw(loss) for loss in noisy(1000)] == [None] * 1000
    spike = watch.saw(6.0)
    assert spike is not None
    assert spike.sigmas == pytest.approx(30.0, rel=0.2)
    assert spike.usual == pytest.approx(3.0, abs=0.05)
    assert not spike.stays
    assert watch.saw(3.0) is None
    seen = [watch.saw(loss) for loss in noisy(STAYS, 6.0)]
    assert [one.stays for one in seen if one] == [False, True]
    assert seen[-1] is not None


@pytest.mark.parametrize(
    "losses",
    [
        [*noisy(WARM_STEPS - 1), 100.0],
        [*noisy(500), *(3.0 + 0.002 * n for n in range(1500))],
        [*noisy(500), 0.5],
        [1e-9] * 500,
    ],
    ids=["early", "slowly rising", "falling", "learned by heart"],
)
def test_what_is_usual_raises_no_alarm(losses: list[float]) -> None:
    watch = LossWatch(8.0)
    assert [watch.saw(loss) for loss in losses] == [None] * len(losses)


def test_zero_switches_the_alarm_off() -> None:
    watch = LossWatch(0.0)
    assert [watch.saw(loss) for loss in [*noisy(500), 1e6]] == [None] * 501


# The trainer --------------------------------------------------------------------------------------


class Patient(RecordingIO):
    """Lets the trainer wait so often, resuming it, before it is stopped."""

    def __init__(self, resumes: int = 0) -> None:
        super().__init__()
        self._resumes = resumes

    def wait(self, timeout: float) -> WorkerCommand:
        self._resumes -= 1
        return Resume() if self._resumes >= 0 else Stop()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = _make_run(tmp_path / "run")
    for seq in range(3):
        _admit(directory, _write(directory, seq))
    return directory


def train(run: RunDirectory, resumes: int = 0, **training: Any) -> Patient:
    """With credits for 21 steps."""
    io = Patient(resumes)
    config = replace(CONFIG, training=replace(CONFIG.training, checkpoint_every_s=0, **training))
    trainer_worker.main(io, run, config)  # type: ignore[arg-type]
    return io


def spoil(monkeypatch: pytest.MonkeyPatch, draws: Collection[int]) -> None:
    """One sample of these draws (from 1) has a value target that is no number."""
    count, sample = 0, Sampler.sample

    def spoiled(self: Sampler, size: int, step: int) -> Batch:
        nonlocal count
        count += 1
        batch = sample(self, size, step)
        if count in draws:
            batch.wdl_target[3, 1] = math.nan
        return batch

    monkeypatch.setattr(Sampler, "sample", spoiled)


def assert_all_finite(run: RunDirectory) -> None:
    for name in checkpoints.list_checkpoints(run.checkpoints):
        assert checkpoints.load(run.checkpoints / name).manifest.step >= 0


def test_a_bad_sample_costs_its_step_and_no_more(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {3, 9})
    io = train(run, checkpoint_every_steps=0)
    assert [event.step for event in io.of(NonFinite)] == [3, 8]
    assert io.of(NonFinite)[0].values["value_loss"] == "nan"
    assert [event.step for event in io.of(TrainingStep)] == list(range(1, 22))
    assert io.of(RolledBack) == []
    assert_all_finite(run)


def test_after_three_it_goes_back_takes_other_data_and_half_the_rate_until_the_next_checkpoint(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {7, 8, 9})
    io = train(run, checkpoint_every_steps=5, warmup_steps=0, schedule="constant")
    (back,) = io.of(RolledBack)
    assert (back.step, back.checkpoint, back.rate_factor) == (6, "step-00000005", 0.5)
    assert back.reason == "3 of the last 100 steps were not finite"
    steps = [event.step for event in io.of(TrainingStep)]
    assert steps == [*range(1, 7), *range(6, 22)]
    rates = [event.metrics["learning_rate"] / 3e-3 for event in io.of(TrainingStep)]
    assert rates == pytest.approx([1.0] * 6 + [0.5] * 5 + [1.0] * 11)
    assert [event.step for event in io.of(CheckpointSaved)] == [0, 5, 10, 15, 20, 21]
    assert_all_finite(run)


def test_where_going_back_does_not_help_it_keeps_the_evidence_and_waits_for_a_person(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, range(7, 16))
    io = train(run, checkpoint_every_steps=5, max_rollbacks=1, resumes=1)
    assert [event.checkpoint for event in io.of(RolledBack)] == ["step-00000005"] * 3
    first, again = io.of(TrainingHalted)[0], io.of(TrainingHalted)[1:]
    assert again == []
    assert first.step == 5
    folder = run.quarantine / first.evidence
    assert {path.name for path in folder.iterdir()} == {
        "report.json",
        *(f"{part}.safetensors" for part in ("batch", *checkpoints.PARTS)),
    }
    report = json.loads((folder / "report.json").read_text())
    assert report["not_finite"]["value_loss"] == "nan"
    assert report["rate_factor"] == 0.5
    assert "sampler" in report["data_position"]
    batch = safetensors.numpy.load_file(folder / "batch.safetensors")
    assert np.isnan(batch["open.value.wdl_R3"]).sum() == 1
    assert io.of(TrainingStep)[-1].step == 21
    assert_all_finite(run)


def test_a_state_that_is_not_finite_is_never_saved_and_it_goes_back(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, count = Trainer.step, 0

    def poisoned(self: Trainer, batch: Any) -> dict[str, float]:
        nonlocal count
        count += 1
        values = step(self, batch)
        if count == 7:
            next(self.ema.parameters()).data.fill_(math.inf)
        return values

    monkeypatch.setattr(Trainer, "step", poisoned)
    io = train(run, checkpoint_every_steps=5)
    (back,) = io.of(RolledBack)
    assert (back.step, back.checkpoint) == (10, "step-00000005")
    assert "step-00000010, not written: ema" in back.reason
    assert io.of(TrainingStep)[-1].step == 21
    assert_all_finite(run)


def test_a_loss_that_stays_far_up_goes_back_too(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step
    monkeypatch.setattr("backend.training.guard.WARM_STEPS", 5)
    monkeypatch.setattr("backend.training.guard.STAYS", 3)

    def diverged(self: Trainer, batch: Any) -> dict[str, float]:
        values = step(self, batch)
        if self.num_steps >= 12 and self.rate_factor == 1.0:
            values["policy_loss"] += 1e4
        return values

    monkeypatch.setattr(Trainer, "step", diverged)
    io = train(run, checkpoint_every_steps=10, max_rollbacks=1)
    assert [event.step for event in io.of(LossSpiked)][:1] == [12]
    back = io.of(RolledBack)[0]
    assert (back.step, back.checkpoint) == (14, "step-00000010")
    assert "losses in a row are far above" in back.reason


# Before it reaches the weights --------------------------------------------------------------------


def spoil_loss(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    backward = trainer._backward

    def bad(*words: Any) -> dict[str, torch.Tensor]:
        found = backward(*words)
        found["loss"] = found["loss"] * math.inf
        return found

    monkeypatch.setattr(trainer, "_backward", bad)


def spoil_gradient(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    parameter = list(trainer.net.parameters())[5]
    parameter.register_hook(lambda gradient: gradient * math.nan)


def spoil_output(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = next(m for m in trainer.net.modules() if isinstance(m, torch.nn.Conv2d))
    layer.register_forward_hook(lambda module, words, output: output * math.inf)


@pytest.mark.parametrize("average", ["ema", pytest.param("swa", marks=pytest.mark.slow)])
@pytest.mark.parametrize("harm", [spoil_loss, spoil_gradient, spoil_output])
def test_nothing_of_the_state_is_changed_by_a_step_that_is_not_finite(
    harm: Callable[[Trainer, pytest.MonkeyPatch], None],
    average: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = make_trainer(config=replace(FAST, average=average, swa_every_steps=1))
    batch = random_batch(8, seed=1, orientation=trainer.net.config.orientation)
    trainer.step(batch)
    before = state_bytes(trainer, tmp_path / "before")
    scale = replace(trainer.loss_scale)
    harm(trainer, monkeypatch)
    for _ in range(2):
        with pytest.raises(NonFiniteError):
            trainer.step(batch)
    assert state_bytes(trainer, tmp_path / "after") == before
    assert trainer.loss_scale == scale
