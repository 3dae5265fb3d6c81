"""Two checkpoints beside each other: facts, drift of the weights, and `matrix0 diff`."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend import checkpoints
from backend.checkpoints import Arrays
from backend.compare.networks import Fact, compared, in_lines
from backend.config import Config
from backend.errors import CheckpointError
from backend.rundir import RunDirectory
from model.config import ModelConfig
from tests.command_line import Run


def save(root: Path, step: int, weights: Arrays, channels: int = 320, **metrics: float) -> str:
    path = checkpoints.save(
        root,
        step=step,
        parent="" if step == 0 else "step-00000000",
        model=ModelConfig(channels=channels),
        parts={"model": weights, "ema": weights, "optimizer": {}},
        metrics=metrics,
    )
    return path.name


def array(*numbers: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(numbers, np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


def test_numbers_are_set_against_each_other_and_settings_only_where_they_differ(root: Path) -> None:
    a = save(root, 0, {"stem.0.weight": array(1)}, policy_loss=2.0, value_loss=1.0)
    b = save(root, 50, {"stem.0.weight": array(1)}, channels=480, value_loss=0.5, top1_frac=0.25)
    found = compared(root, a, b)
    assert found.facts[:3] == (
        Fact("step", "0", "50", "+50"),
        Fact("policy loss", "2", "—"),
        Fact("value loss", "1", "0.5", "-50.0%"),
    )
    assert found.metrics == (Fact("top1 frac", "—", "0.25"),)
    assert set(found.facts[3:]) == {
        Fact("trained on from", "—", a),
        Fact("network: channels", "320", "480"),
    }


def test_the_drift_of_each_part_is_that_of_its_trained_numbers(root: Path) -> None:
    before = {
        "tower.10.conv1.weight": array(3, 4),
        "tower.2.conv1.weight": array(1, 0),
        "tower.2.bn1.running_mean": array(0, 0),
        "value_fc1.bias": array(0),
    }
    after = {
        "tower.10.conv1.weight": array(3, 4),
        "tower.2.conv1.weight": array(0, 1),
        "tower.2.bn1.running_mean": array(9, 9),
        "value_fc1.bias": array(0),
    }
    a, b = save(root, 0, before), save(root, 1, after)
    whole, *parts = compared(root, a, b).drifts
    assert (whole.part, whole.parameters) == ("whole network", 5)
    assert whole.moved_frac == pytest.approx(np.sqrt(2 / 26))
    assert whole.cosine == pytest.approx(25 / 26)
    assert [(d.part, d.moved_frac, d.cosine) for d in parts] == [
        ("tower.2", pytest.approx(np.sqrt(2)), 0.0),
        ("tower.10", 0.0, pytest.approx(1.0)),
        ("value_fc1", 0.0, 1.0),
    ]


def test_what_only_one_network_has_is_named_and_not_compared(root: Path) -> None:
    a = save(root, 0, {"stem.0.weight": array(1), "old.bias": array(1), "other": array(1, 2)})
    b = save(root, 1, {"stem.0.weight": array(1), "new.bias": array(1), "other": array(1)})
    found = compared(root, a, b)
    assert (found.only_a, found.only_b) == (("old.bias", "other"), ("new.bias", "other"))
    assert found.drifts[0].parameters == 1
    lines = in_lines(found)
    assert "in A alone, or of another shape: old.bias, other" in lines
    assert "in B alone, or of another shape: new.bias, other" in lines


def test_a_checkpoint_that_is_not_there_or_damaged_is_named(root: Path) -> None:
    a = save(root, 0, {"stem.0.weight": array(1)})
    with pytest.raises(CheckpointError, match="there is no checkpoint 'step-00000007' in"):
        compared(root, a, "step-00000007")
    file = root / a / "ema.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"ema\.safetensors: damaged"):
        compared(root, a, a)


def test_the_command_prints_it_for_people_and_for_machines(tmp_path: Path, run: Run) -> None:
    directory = RunDirectory(tmp_path / "demo")
    directory.create()
    directory.write_config(Config())
    a = save(directory.checkpoints, 0, {"stem.0.weight": array(1)})
    b = save(directory.checkpoints, 5, {"stem.0.weight": array(2)})
    shown = run("diff", b, a, "--run", "demo")
    assert shown.code == 0, shown.err
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert lines[1:3] == [f"checkpoint {a} {b}", "step 0 5 +5"]
    assert "stem 1 100.00% 1.0000" in lines
    found = json.loads(run("diff", b, a, "--run", "demo", "--json").out)
    assert (found["a"], found["b"]) == (a, b)
    assert found["drifts"][1] == {"part": "stem", "parameters": 1, "moved_frac": 1.0, "cosine": 1.0}
    refused = run("diff", b, "--run", "demo")
    assert refused.code != 0
    assert "name the other checkpoint" in refused.err
