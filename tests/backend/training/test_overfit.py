"""One batch shown again and again is learned by heart; what is not is named."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from backend.config import Config
from backend.device import choose_device
from backend.replay.batch import Batch
from backend.replay.sampler import Sampler
from backend.replay.window import Window
from backend.settings import build_config
from backend.training.overfit import Lesson, distinct_batch, for_overfitting, overfit
from backend.training.synthetic import synthetic_batch
from backend.training.trainer import Trainer
from tests.backend.replay import games

STEPS = 60
SMALL = ("model.channels=16", "model.blocks=2", "training.precision=float32", "device.kind=cpu")


def learn(*overrides: str, batch: Batch | None = None, steps: int = STEPS) -> dict[str, Lesson]:
    config = for_overfitting(build_config("tiny", overrides=[*SMALL, *overrides]), steps)
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        choose_device(config.device),
        seed=3,
        say=lambda *_: None,
    )
    batch = batch or synthetic_batch(24, "mover", np.random.default_rng(1))
    seen: list[int] = []

    def on_step(step: int, metrics: Mapping[str, float]) -> None:
        seen.append(step)

    lessons = overfit(trainer, batch, steps, on_step=on_step, should_stop=lambda: False)
    assert seen == list(range(1, steps + 1))
    return {lesson.head: lesson for lesson in lessons}


def test_a_sound_network_learns_every_head_by_heart() -> None:
    lessons = learn("training.learning_rate=0.01")
    assert set(lessons) == {"policy", "value", "piece", "threat", "pin", "fork", "control"}
    assert {head: lesson.fault for head, lesson in lessons.items() if lesson.fault} == {}
    policy, value = lessons["policy"], lessons["value"]
    assert 2 < policy.floor < policy.last < policy.first
    assert value.floor == 0
    assert value.guess is not None
    assert value.guess <= np.log(3)
    assert value.way > 0.8


def test_a_head_without_weight_has_no_gradient() -> None:
    lessons = learn("training.value_weight=0", steps=2)
    assert lessons["value"].fault == "no gradient reaches its weights"
    assert lessons["policy"].has_gradient


def test_a_rate_of_nearly_nothing_stays_at_the_cost_of_guessing() -> None:
    lessons = learn("training.learning_rate=1e-9", steps=3)
    for head in ("value", "piece", "threat", "control"):
        assert lessons[head].fault.startswith("no better than guessing, which costs "), head
    assert all(lesson.fault for lesson in lessons.values())


def test_what_a_batch_does_not_ask_is_no_fault() -> None:
    """Imported games were never searched: the short-term value has no target there."""
    batch = synthetic_batch(8, "mover", np.random.default_rng(1))
    assert batch.future is not None
    batch.future.short_weight[:] = 0
    lessons = learn("model.short_value_head=true", batch=batch, steps=2)
    assert not lessons["short_value"].is_asked
    assert lessons["short_value"].fault == ""


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_a_loss_of_the_score_has_floor_zero(loss: str) -> None:
    value = learn(f"training.value_loss={loss}", steps=2)["value"]
    assert (value.floor, value.guess) == (0.0, None)


def test_a_distinct_batch_holds_no_position_twice(tmp_path: Path) -> None:
    window = Window(tmp_path, 1000)
    window.add(games.write(tmp_path, [games.white_mates(), games.black_mates()]).name)
    rng = np.random.default_rng(0)
    batch = distinct_batch(window, Sampler(window, rng, 0.25), 50, rng)
    # 7 and 4 positions, of which the starting position is the same.
    assert len(batch) == 10
    assert len(np.unique(batch.positions, axis=0)) == 10


def test_the_settings_for_it_leave_nothing_that_hinders() -> None:
    config: Config = for_overfitting(
        build_config("flagship", overrides=["training.drop_path=0.1", "ssl.warmup_steps=500"]), 100
    )
    assert config.training.warmup_steps == 10
    assert config.training.drop_path == config.training.weight_decay == 0
    assert config.ssl.warmup_steps == 0
