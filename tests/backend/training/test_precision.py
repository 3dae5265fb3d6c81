"""The type of the activations: why it was chosen, and how a scaled loss keeps float16 honest."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend import checkpoints
from backend.accelerator import Precision
from backend.config import DeviceConfig
from backend.device import Device, choose_device
from backend.errors import DeviceError, NonFiniteError
from backend.training.config import TrainingConfig
from backend.training.precision import LossScale, choose_precision
from backend.training.trainer import Trainer
from model.config import ModelConfig, SslConfig
from tests.fake_accelerator import FakeAccelerator, fake_device
from tests.positions import random_batch

NET = ModelConfig(
    channels=16,
    blocks=1,
    board_features=False,
    attention_every=0,
    policy_head="conv",
    value_channels=8,
    value_hidden=32,
    aux_policy_heads=False,
)
PLAIN = TrainingConfig(precision="float32", micro_batch=8, checkpointing="none", warmup_steps=0)


class Gpu(FakeAccelerator):
    """Calls itself by another kind; computes on the CPU all the same."""

    def __init__(self, kind: str, *precisions: Precision) -> None:
        super().__init__(precisions=precisions)
        self._kind = kind

    @property
    def torch_device(self) -> torch.device:  # type: ignore[override]
        return torch.device(self._kind)

    @torch_device.setter
    def torch_device(self, device: torch.device) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "precisions", "expected", "why"),
    [
        ("cuda", ("float32", "float16", "bfloat16"), "bfloat16", "no scaling"),
        ("cuda", ("float32", "float16"), "float32", "lacks bfloat16"),
        ("mps", ("float32", "float16", "bfloat16"), "bfloat16", "no scaling"),
        ("mps", ("float32", "float16"), "float16", "macOS 14"),
        ("cpu", ("float32",), "float32", "no instructions"),
        ("cpu", ("float32", "bfloat16"), "float32", "no faster"),
    ],
)
def test_each_device_gets_the_type_that_suits_it_with_the_reason(
    kind: str, precisions: tuple[Precision, ...], expected: Precision, why: str
) -> None:
    choice = choose_precision("auto", fake_device(Gpu(kind, *precisions)))
    assert choice.precision == expected
    assert why in choice.reason
    # Only on a CPU is it a matter of measurement.
    assert (choice.rival == "bfloat16") == (kind == "cpu" and "bfloat16" in precisions)


def test_a_type_that_the_device_lacks_is_refused_when_asked_for() -> None:
    with pytest.raises(DeviceError, match="precision = 'bfloat16': mps cannot"):
        choose_precision("bfloat16", fake_device(Gpu("mps", "float32", "float16")))


def make_trainer(
    config: TrainingConfig, device: Device | None = None, said: list[str] | None = None
) -> Trainer:
    return Trainer(
        NET,
        SslConfig(),
        config,
        device or choose_device(DeviceConfig(kind="cpu")),
        seed=7,
        say=lambda text, level: said.append(text) if said is not None else None,
    )


@pytest.mark.parametrize(("gain", "taken"), [(2.0, "bfloat16"), (1.05, "float32")])
def test_bfloat16_must_be_measured_faster_on_a_cpu_and_then_stays(
    gain: float, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seconds(self: Trainer, part: object) -> float:
        return 1.0 if self.precision == "float32" else 1.0 / gain

    monkeypatch.setattr(Trainer, "_seconds", seconds)
    said: list[str] = []
    device = fake_device(FakeAccelerator())
    trainer = make_trainer(replace(PLAIN, precision="auto"), device, said)
    trainer.step(random_batch(8, 1))
    assert trainer.precision == taken
    assert said[0].startswith(f"trains in {taken}: ")
    assert trainer.net.stem[0].weight.dtype == torch.float32
    path = trainer.save(tmp_path)

    # Another measurement would now say otherwise; it is not made.
    monkeypatch.setattr(Trainer, "_seconds", lambda *_: 1 / 0)
    resumed = make_trainer(replace(PLAIN, precision="auto"), device, said)
    resumed.restore(checkpoints.load(path))
    resumed.step(random_batch(8, 1))
    assert resumed.precision == taken
    assert said[-1] == f"trains in {taken}: as measured when this run began"


def test_bfloat16_learns_about_what_float32_learns() -> None:
    metrics = {}
    for precision in ("float32", "bfloat16"):
        trainer = make_trainer(replace(PLAIN, precision=precision), fake_device(FakeAccelerator()))  # type: ignore[arg-type]
        for _ in range(20):
            metrics[precision] = trainer.step(random_batch(8, 1))
    assert metrics["bfloat16"]["loss"] == pytest.approx(metrics["float32"]["loss"], rel=0.05)
    assert metrics["bfloat16"]["loss"] != metrics["float32"]["loss"]


def test_float16_scales_the_loss_and_not_the_gradients(tmp_path: Path) -> None:
    device = fake_device(FakeAccelerator())
    plain = make_trainer(PLAIN, device)
    scaled = make_trainer(replace(PLAIN, precision="float16"), device)
    batch = random_batch(8, 1)
    expected, found = plain.step(batch), scaled.step(batch)
    assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=0.02)
    assert "loss_scale" not in expected
    assert found["loss_scale"] > 1


def test_an_overflow_halves_the_scale_and_repeats_the_step(tmp_path: Path) -> None:
    trainer = make_trainer(replace(PLAIN, precision="float16"), fake_device(FakeAccelerator()))
    trainer.loss_scale.value = 2.0**40
    batch = random_batch(8, 1)
    metrics = trainer.step(batch)
    assert trainer.num_steps == 1
    assert 1 < metrics["loss_scale"] < 2.0**40
    assert trainer.net.tower[0].bn1.num_batches_tracked == 1

    path = trainer.save(tmp_path)
    resumed = make_trainer(replace(PLAIN, precision="float16"), fake_device(FakeAccelerator()))
    resumed.restore(checkpoints.load(path))
    assert resumed.loss_scale == trainer.loss_scale
    assert resumed.loss_scale.good_steps == 1


def test_a_gradient_that_no_scale_can_explain_is_an_error() -> None:
    trainer = make_trainer(replace(PLAIN, precision="float16"), fake_device(FakeAccelerator()))
    trainer.net.stem[0].weight.register_hook(lambda gradient: gradient.fill_(torch.inf))
    with pytest.raises(NonFiniteError, match="grad_norm"):
        trainer.step(random_batch(8, 1))
    assert trainer.loss_scale.value == 1
    assert trainer.num_steps == 0


def test_the_scale_grows_after_many_good_steps() -> None:
    scale = LossScale(4.0)
    for _ in range(LossScale.GROW_AFTER):
        scale.worked()
    assert (scale.value, scale.good_steps) == (8.0, 0)
    constant = LossScale.of("bfloat16")
    for _ in range(LossScale.GROW_AFTER):
        constant.worked()
    assert constant.value == 1
