"""A recorded micro-batch teaches what one launched kernel by kernel teaches."""

from dataclasses import replace

import pytest
import torch

from backend.config import DeviceConfig
from backend.device import Device, choose_device
from backend.errors import NonFiniteError
from backend.training.config import TrainingConfig
from backend.training.trainer import Trainer
from model.config import SslConfig
from tests.backend.training.test_micro_batches import NET
from tests.fake_accelerator import FakeAccelerator, fake_device
from tests.positions import random_batch

CONFIG = TrainingConfig(batch_size=12, precision="float32", checkpointing="none", warmup_steps=0)


def make_trainer(device: Device, config: TrainingConfig = CONFIG) -> Trainer:
    # The weights of the self-supervised terms change with every step.
    ssl = SslConfig(warmup_steps=10)
    return Trainer(
        replace(NET, ssl_heads=True), ssl, config, device, seed=7, say=lambda text, level: None
    )


def recording(capacity: float = float("inf")) -> FakeAccelerator:
    return FakeAccelerator(capacity, records=True)


@pytest.mark.parametrize("micro_batch", [0, 4])
def test_a_recording_teaches_the_same(micro_batch: int) -> None:
    """Batches whose longest lists of moves differ, and weights of terms that change."""
    config = replace(CONFIG, micro_batch=micro_batch)
    accelerator = recording()
    recorded = make_trainer(fake_device(accelerator), config)
    launched = make_trainer(fake_device(FakeAccelerator()), config)
    for seed in range(4):
        batch = random_batch(12, seed=seed)
        found, expected = recorded.step(batch), launched.step(batch)
        for name in expected.keys() - {"samples_per_s"}:
            assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-5), name
    assert accelerator.num_recorded == 1
    torch.testing.assert_close(
        dict(recorded.net.named_parameters()), dict(launched.net.named_parameters())
    )
    torch.testing.assert_close(
        dict(recorded.net.named_buffers()), dict(launched.net.named_buffers())
    )


def test_a_batch_of_another_size_is_launched() -> None:
    accelerator = recording()
    recorded = make_trainer(fake_device(accelerator))
    launched = make_trainer(fake_device(FakeAccelerator()))
    for seed, size in enumerate((12, 5, 12)):
        batch = random_batch(size, seed=seed)
        assert recorded.step(batch)["loss"] == pytest.approx(launched.step(batch)["loss"], 1e-4)
    assert accelerator.num_recorded == 1


def test_a_step_that_was_not_finite_leaves_a_recording_that_works() -> None:
    recorded = make_trainer(fake_device(recording()))
    launched = make_trainer(fake_device(FakeAccelerator()))
    batch, poison = random_batch(12, seed=0), random_batch(12, seed=1)
    poison.wdl_target[3, 1] = float("nan")
    for trainer in (recorded, launched):
        trainer.step(batch)
        with pytest.raises(NonFiniteError):
            trainer.step(poison)
    assert recorded.step(batch)["loss"] == pytest.approx(launched.step(batch)["loss"], 1e-4)


def test_nothing_is_recorded_where_that_is_switched_off() -> None:
    accelerator = recording()
    make_trainer(fake_device(accelerator), replace(CONFIG, record="off")).step(
        random_batch(12, seed=0)
    )
    assert accelerator.num_recorded == 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")
@pytest.mark.parametrize("compiled", ["off", "on"])
def test_a_cuda_graph_teaches_the_same(compiled: str) -> None:
    device = choose_device(DeviceConfig(kind="cuda"))
    config = replace(CONFIG, compile=compiled)
    recorded, launched = (
        make_trainer(device, config),
        make_trainer(device, replace(config, record="off")),
    )
    for seed in range(4):
        batch = random_batch(12, seed=seed)
        found, expected = recorded.step(batch), launched.step(batch)
        for name in expected.keys() - {"samples_per_s"}:
            assert found[name] == pytest.approx(expected[name], rel=5e-3, abs=1e-3), name
    assert recorded.recorder is not None
    assert not recorded.recorder.is_empty
