"""The temperature falls as the settings say, and moves follow it."""

import numpy as np
import pytest

from backend.config import SelfPlayConfig
from backend.selfplay.temperature import temperature_at


def _temperatures(plies: list[int], **settings: object) -> list[float]:
    config = SelfPlayConfig(**{"temperature": 1.0, "temperature_plies": 20, **settings})
    return [temperature_at(config, ply) for ply in plies]


def test_a_step_falls_all_at_once() -> None:
    assert _temperatures([0, 19, 20, 300]) == [1, 1, 0, 0]
    assert _temperatures([19, 20], temperature_end=0.2) == [1, 0.2]


def test_a_line_reaches_the_end_and_stays_there() -> None:
    settings = {"temperature_decay": "linear", "temperature_end": 0.2}
    assert _temperatures([0, 10, 20, 300], **settings) == pytest.approx([1, 0.6, 0.2, 0.2])


def test_a_half_life_halves_what_is_left_to_the_end() -> None:
    settings = {"temperature_decay": "half_life", "temperature_end": 0.2}
    wanted = [1.0, 0.6, 0.4, 0.3]
    assert _temperatures([0, 20, 40, 60], **settings) == pytest.approx(wanted)


@pytest.mark.parametrize("decay", ["step", "linear", "half_life"])
def test_no_plies_mean_the_end_at_once(decay: str) -> None:
    assert _temperatures([0], temperature_decay=decay, temperature_plies=0) == [0]


@pytest.mark.parametrize("decay", ["step", "linear", "half_life"])
def test_a_schedule_never_rises(decay: str) -> None:
    temperatures = _temperatures(list(range(200)), temperature_decay=decay)
    assert (np.diff(temperatures) <= 0).all()
