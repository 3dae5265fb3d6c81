"""Compiling: where it pays, never where it cannot be had, and never another result."""

from dataclasses import replace

import pytest
import torch

from backend.config import DeviceConfig
from backend.device import Device, choose_device
from backend.errors import DeviceError
from backend.training.compiling import choose_compile
from backend.training.config import TrainingConfig
from backend.training.trainer import Trainer
from model.config import ModelConfig, SslConfig
from tests.fake_accelerator import FakeAccelerator, fake_device
from tests.positions import random_batch


class Gpu(FakeAccelerator):
    def __init__(self) -> None:
        super().__init__()
        self.torch_device = torch.device("cuda")


CPU = choose_device(DeviceConfig(kind="cpu"))


@pytest.mark.parametrize(
    ("device", "compiler", "is_on", "why"),
    [
        (fake_device(Gpu()), "/usr/bin/c++", True, "gains"),
        (fake_device(Gpu()), None, False, "no C++ compiler"),
        (CPU, "/usr/bin/c++", False, "gains little"),
    ],
)
def test_auto_compiles_on_an_nvidia_gpu_with_a_compiler(
    device: Device, compiler: str | None, is_on: bool, why: str
) -> None:
    choice = choose_compile("auto", device, lambda name: compiler)
    assert choice.is_on == is_on
    assert why in choice.reason


def test_what_was_asked_for_is_done_or_refused() -> None:
    assert choose_compile("on", CPU, lambda name: "/usr/bin/c++").is_on
    assert not choose_compile("off", fake_device(Gpu())).is_on
    with pytest.raises(DeviceError, match="no C\\+\\+ compiler was found"):
        choose_compile("on", CPU, lambda name: None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler warns about itself
def test_a_compiled_network_learns_what_the_plain_one_learns() -> None:
    model = ModelConfig(
        channels=16,
        blocks=2,
        board_features=False,
        attention_every=2,
        attention_heads=2,
        policy_head="conv",
        value_channels=8,
        value_hidden=32,
        aux_policy_heads=False,
    )
    config = TrainingConfig(precision="float32", micro_batch=8, checkpointing="none")
    said: list[str] = []
    trainers = [
        Trainer(
            model,
            SslConfig(),
            replace(config, compile=setting),  # type: ignore[arg-type]
            CPU,
            seed=7,
            say=lambda text, level: said.append(text),
        )
        for setting in ("off", "on")
    ]
    plain, compiled = (
        [trainer.step(random_batch(16, 1)) for _ in range(2)] for trainer in trainers
    )
    assert "compiles its layers: asked for by [training] compile" in said
    for one, other in zip(plain, compiled, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-3)
    first, second = (trainer.net.state_dict() for trainer in trainers)
    assert first.keys() == second.keys()
    assert second["tower.0.bn1.num_batches_tracked"] == first["tower.0.bn1.num_batches_tracked"]
