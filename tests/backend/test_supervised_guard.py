"""Training on imported games has the guard of a run's trainer: skip, go back, stop."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backend import checkpoints
from backend.errors import NonFiniteError
from backend.events import NonFinite, RolledBack, TrainingHalted, TrainingStep
from backend.heldout import Measurement
from backend.rundir import RunDirectory
from backend.supervised import SupervisedTraining
from backend.training.safeguard import Trouble
from backend.training.trainer import IMPORTED_SAMPLES, Trainer
from backend.wire import decode_event
from tests.backend.test_supervised import CONFIG, imported, run
from tests.backend.training.test_guard import assert_all_finite, spoil

__all__ = ["imported", "run"]  # Fixtures.


class Trained:
    """What training told."""

    def __init__(
        self, run: RunDirectory, steps: int, should_stop: Callable[[], bool], **training: Any
    ) -> None:
        self.measured: list[Measurement] = []
        self.points: list[TrainingStep] = []
        self.troubles: list[Trouble] = []
        self.error: NonFiniteError | None = None
        settings = replace(
            CONFIG.training,
            metrics_every=1,
            schedule="constant",
            warmup_steps=0,
            checkpoint_every_s=0,
            **training,
        )
        self.training = SupervisedTraining(run, replace(CONFIG, training=settings))
        try:
            self.training.train(
                steps,
                on_metrics=self.points.append,
                on_measured=self.measured.append,
                on_trouble=self.troubles.append,
                should_stop=should_stop,
            )
        except NonFiniteError as error:
            self.error = error

    def of(self, kind: type[Any]) -> list[Any]:
        return [trouble for trouble in self.troubles if isinstance(trouble, kind)]


def train(run: RunDirectory, steps: int, **training: Any) -> Trained:
    return Trained(run, steps, lambda: False, **training)


def test_a_bad_sample_costs_its_step_and_no_more(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {3})
    found = train(run, 5)
    assert [type(trouble) for trouble in found.troubles] == [NonFinite]
    assert [point.step for point in found.points] == [1, 2, 3, 4, 5]
    assert found.training.step == 5


def test_after_three_it_goes_back_and_its_curve_and_counts_with_it(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {7, 8, 9})
    found = train(run, 9)
    (back,) = found.of(RolledBack)
    assert (back.step, back.checkpoint, back.rate_factor) == (6, "step-00000004", 0.5)
    assert [point.step for point in found.points] == [*range(1, 7), *range(5, 10)]
    rates = [point.metrics["learning_rate"] for point in found.points]
    usual = rates[0]
    assert rates == pytest.approx([usual] * 6 + [usual / 2] * 4 + [usual])
    assert [measured.step for measured in found.measured] == [0, 4, 8, 9]
    manifest = checkpoints.read_manifest(run.checkpoints / "step-00000009")
    assert manifest.data_position[IMPORTED_SAMPLES] == 9 * 32
    curve = [decode_event(line) for line in run.metrics_file.read_bytes().splitlines()]
    steps = [event.step for event in curve if isinstance(event, TrainingStep)]
    assert sorted(set(steps)) == list(range(1, 10))
    assert len(steps) == 9 + 3  # Three of them are what was measured.
    assert_all_finite(run)


def test_where_going_back_does_not_help_it_ends_with_the_evidence_and_can_go_on(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        spoil(patch, range(6, 100))
        found = train(run, 9, max_rollbacks=1)
    assert [back.checkpoint for back in found.of(RolledBack)] == ["step-00000004"] * 2
    (halted,) = found.of(TrainingHalted)
    assert (run.quarantine / halted.evidence / "batch.safetensors").exists()
    text = str(found.error)
    assert "3 of the last 100 steps were not finite, also after going back" in text
    assert halted.evidence in text
    assert "step-00000004 is sound" in text
    assert_all_finite(run)
    again = train(run, 5)
    assert again.error is None
    assert again.training.step == 9


@pytest.mark.parametrize("every", [0, 6], ids=["at the end of a cycle", "between two cycles"])
def test_a_state_that_is_not_finite_is_neither_saved_nor_measured(
    every: int, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, count = Trainer.step, 0

    def poisoned(self: Trainer, batch: Any) -> dict[str, float]:
        nonlocal count
        count += 1
        values = step(self, batch)
        if count == 6:
            next(self.ema.parameters()).data.fill_(float("inf"))
        return values

    monkeypatch.setattr(Trainer, "step", poisoned)
    found = train(run, 9, checkpoint_every_steps=every // 3)
    (back,) = found.of(RolledBack)
    assert (back.step, back.checkpoint) == ((6, "step-00000004") if every else (8, "step-00000004"))
    assert found.training.step == 9
    curve = [decode_event(line) for line in run.metrics_file.read_bytes().splitlines()]
    steps = [event.step for event in curve if isinstance(event, TrainingStep)]
    assert steps == [*range(1, 5), 4, *range(5, 9), 8, 9, 9]  # What was undone is not on it.
    assert_all_finite(run)


def test_stopped_after_going_back_it_ends_with_the_checkpoint_it_went_back_to(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, {7, 8, 9})
    asked = iter([False] * 9 + [True] * 9)
    found = Trained(run, 100, lambda: next(asked))
    assert found.training.step == 4
    assert found.measured[-1].step == 4
    assert checkpoints.list_checkpoints(run.checkpoints)[-1] == "step-00000004"
