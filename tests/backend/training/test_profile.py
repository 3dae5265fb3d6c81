"""A profile accounts for a step: every part, its time, its memory, and a trace that can be read."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend.config import DeviceConfig
from backend.device import choose_device
from backend.training.config import TrainingConfig
from backend.training.parts import PARTS
from backend.training.profile import StepProfile, profile_step
from backend.training.synthetic import synthetic_batch
from backend.training.trainer import Trainer
from model.config import ModelConfig, SslConfig
from model.rules import from_fen, to_fen

NET = ModelConfig(
    channels=32,
    blocks=4,
    board_features=False,
    attention_every=0,
    policy_head="conv",
    value_channels=8,
    value_hidden=32,
    aux_policy_heads=False,
)


def profile(micro_batch: int, trace: Path | None = None) -> StepProfile:
    config = TrainingConfig(precision="float32", micro_batch=micro_batch, checkpointing="none")
    device = choose_device(DeviceConfig(kind="cpu"))
    trainer = Trainer(NET, SslConfig(), config, device, seed=7, say=lambda *_: None)
    batch = synthetic_batch(64, "mover", np.random.default_rng(1))
    return profile_step(trainer, lambda: batch, steps=2, trace=trace)


def test_the_parts_make_up_the_step(tmp_path: Path) -> None:
    found = profile(64, tmp_path / "trace.json")
    assert [cost.name for cost in found.parts] == list(PARTS)
    parts_s = sum(cost.seconds for cost in found.parts)
    assert 0.5 * found.seconds < parts_s <= found.seconds
    cost = {part.name: part for part in found.parts}
    assert cost["backward"].peak_mib >= cost["heads"].alive_mib > cost["trunk"].alive_mib > 1
    assert cost["average"].alive_mib < cost["trunk"].alive_mib
    assert found.peak_rss_mib > 100
    # Convolutions of the tower, forward and twice as much backward, are nearly all of it.
    tower = 4 * 2 * (64 + 16) * 64 * 2 * 9 * 32 * 32
    assert 3 * tower < found.flops < 6 * tower

    events = json.loads((tmp_path / "trace.json").read_text("utf-8"))["traceEvents"]
    assert set(PARTS) - {"replay"} <= {event.get("name") for event in events}


def test_smaller_parts_of_the_batch_have_less_alive() -> None:
    def peak(found: StepProfile) -> float:
        return max(cost.peak_mib for cost in found.parts)

    assert peak(profile(16)) < 0.5 * peak(profile(64))


def test_made_up_batches_are_legal_and_repeatable() -> None:
    batch = synthetic_batch(300, "mover", np.random.default_rng(1))
    batch.validate()
    assert len(np.unique(batch.positions, axis=0)) > 200
    for position in batch.positions:
        assert (from_fen(to_fen(position)) == position).all()
    again = synthetic_batch(300, "mover", np.random.default_rng(1))
    assert (again.positions == batch.positions).all()
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(
            synthetic_batch(300, "mover", np.random.default_rng(2)).positions, batch.positions
        )
