"""The learning-rate range test: the rates it takes, what it suggests, and where it ends."""

import numpy as np
import pytest

from backend.device import choose_device
from backend.settings import build_config
from backend.training.range_test import RangeTest, range_test
from backend.training.synthetic import synthetic_batch
from backend.training.trainer import Trainer

SMALL = ("model.channels=16", "model.blocks=1", "training.precision=float32", "device.kind=cpu")


def rise(lowest: float, highest: float, steps: int, stop_after: int = 10**9) -> RangeTest:
    config = build_config("tiny", overrides=SMALL)
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        choose_device(config.device),
        seed=3,
        say=lambda *_: None,
    )
    batch = synthetic_batch(16, "mover", np.random.default_rng(1))
    taken: list[int] = []
    return range_test(
        trainer,
        lambda: batch,
        lowest=lowest,
        highest=highest,
        steps=steps,
        on_step=lambda step, rate, loss: taken.append(step),
        should_stop=lambda: len(taken) >= stop_after,
    )


def seen(smoothed: tuple[float, ...], ended: str = "") -> RangeTest:
    rates = tuple(10.0 ** (k - 4) for k in range(len(smoothed)))
    return RangeTest(rates=rates, losses=smoothed, smoothed=smoothed, ended=ended)


def test_the_rate_rises_by_the_same_factor_each_step() -> None:
    found = rise(1e-4, 1e-2, 21)
    assert found.rates == pytest.approx(tuple(1e-4 * 10 ** (k / 10) for k in range(21)))
    assert found.ended == ""
    assert found.smoothed[0] == pytest.approx(found.losses[0])
    assert found.smoothed[-1] < found.smoothed[0]


def test_a_tenth_of_the_rate_of_the_least_loss_is_suggested() -> None:
    found = seen((5.0, 4.0, 3.0, 4.0))
    assert found.suggestion == pytest.approx(1e-3)
    assert found.verdict == (
        "suggested: 1.0e-03, a tenth of the rate at which the smoothed loss is least"
    )


def test_nothing_is_suggested_where_the_least_is_at_an_end() -> None:
    assert seen((5.0, 4.0, 3.0)).verdict.endswith("raise --to")
    assert seen((3.0, 4.0, 5.0)).verdict.startswith("no suggestion: the loss never fell")
    assert seen(()).suggestion is None


def test_a_step_that_is_not_finite_ends_the_test_with_what_was_seen() -> None:
    found = rise(1e-3, 1e38, 3)
    assert len(found.rates) == 2
    assert found.ended.startswith("at 1.0e+38: step 3 was not taken: ")
    assert np.isfinite(found.losses).all()


def test_a_loss_far_above_the_least_ends_the_test() -> None:
    found = rise(1e-3, 1e36, 40)
    assert 0 < len(found.rates) < 40
    assert found.ended.endswith("the loss is more than 1.5 times the least")


def test_it_ends_when_it_is_asked_to() -> None:
    found = rise(1e-4, 1e-2, 50, stop_after=3)
    assert len(found.rates) == 3
    assert found.smoothed[-1] == min(found.smoothed)
    # Where the loss still fell, nobody knows yet at which rate it is least.
    assert found.suggestion is None
    assert found.verdict == "no suggestion: the loss still fell when it was asked to stop"
    assert found.ended.endswith("it was asked to stop")
