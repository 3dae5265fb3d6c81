"""The learning rate: warm-up, then one of three ways down."""

from itertools import pairwise

import pytest

from backend.training.config import TrainingConfig
from backend.training.schedule import learning_rate


def test_learning_rate_rises_falls_along_a_cosine_and_stays() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=10, decay_steps=100, final_lr_frac=0.1)
    rates = [learning_rate(config, step) for step in range(200)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == rates[199] == pytest.approx(0.1)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_the_step_schedule_falls_by_its_factor_down_to_the_least_rate() -> None:
    config = TrainingConfig(
        schedule="step",
        learning_rate=1.0,
        warmup_steps=10,
        decay_steps=100,
        decay_factor=0.5,
        final_lr_frac=0.2,
    )
    rates = [learning_rate(config, step) for step in range(500)]
    assert rates[9] == rates[10] == rates[109] == 1.0
    assert rates[110] == rates[209] == 0.5
    assert rates[210] == 0.25
    assert rates[310] == rates[499] == 0.2


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    config = TrainingConfig(schedule="constant", learning_rate=0.5, warmup_steps=4)
    assert learning_rate(config, 0) == 0.125
    assert {learning_rate(config, step) for step in range(4, 10**6, 9_999)} == {0.5}
