"""A batch in parts teaches what the whole teaches, and running out of memory costs no step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from backend import checkpoints
from backend.device import Device
from backend.errors import DeviceError
from backend.training.config import TrainingConfig
from backend.training.footprint import OVERHEAD, standing_bytes
from backend.training.governor import Plan
from backend.training.trainer import Trainer
from model.config import ModelConfig, SslConfig
from tests.fake_accelerator import FakeAccelerator, fake_device
from tests.positions import random_batch

NET = ModelConfig(
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
PLAIN = TrainingConfig(
    batch_size=24, precision="float32", checkpointing="none", micro_batch=24, warmup_steps=0
)


def make_trainer(
    config: TrainingConfig,
    device: Device | None = None,
    said: list[str] | None = None,
    model: ModelConfig = NET,
) -> Trainer:
    return Trainer(
        model,
        SslConfig(),
        config,
        device or fake_device(FakeAccelerator()),
        seed=7,
        say=lambda text, level: said.append(text) if said is not None else None,
    )


def freeze_batch_norm(net: nn.Module) -> None:
    """Every part is then normalised alike; the layers stay in training mode."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def gradients_of(trainer: Trainer, seed: int = 3) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Clipped gradients and metrics of a step on weighted random positions."""
    batch = random_batch(24, seed)
    rng = np.random.default_rng(seed)
    batch = replace(
        batch,
        policy_weight=rng.uniform(0, 2, 24).astype(np.float32),
        value_weight=(rng.uniform(0, 1, 24) > 0.4).astype(np.float32),
    )
    metrics = trainer.step(batch)
    metrics.pop("samples_per_s")
    gradients = {
        name: p.grad.clone() for name, p in trainer.net.named_parameters() if p.grad is not None
    }
    return gradients, metrics


def require_close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize("micro_batch", [12, 7, 1])
def test_gradients_and_metrics_of_parts_add_up_to_those_of_the_whole(micro_batch: int) -> None:
    whole, parts = make_trainer(PLAIN), make_trainer(replace(PLAIN, micro_batch=micro_batch))
    for trainer in (whole, parts):
        freeze_batch_norm(trainer.net)
    expected, expected_metrics = gradients_of(whole)
    found, metrics = gradients_of(parts)
    require_close(found, expected, 1e-6)
    assert metrics == pytest.approx(expected_metrics, abs=1e-5)


def test_batch_norm_takes_the_statistics_of_each_part() -> None:
    whole, parts = make_trainer(PLAIN), make_trainer(replace(PLAIN, micro_batch=12))
    gradients_of(whole)
    gradients_of(parts)
    assert whole.net.tower[0].bn1.num_batches_tracked == 1
    assert parts.net.tower[0].bn1.num_batches_tracked == 2


def activation_bytes(config: TrainingConfig) -> int:
    """What a step keeps at its peak when there is no limit."""
    accelerator = FakeAccelerator()
    make_trainer(config, fake_device(accelerator)).step(random_batch(24, 3))
    return accelerator.peak


def test_out_of_memory_repeats_the_step_in_halves_and_says_so(tmp_path: Path) -> None:
    peak = activation_bytes(PLAIN)
    accelerator, said = FakeAccelerator(0.6 * peak), []
    saved = []
    trainer = make_trainer(PLAIN, fake_device(accelerator), said)
    trainer._before_risk = lambda: saved.append(trainer.save(tmp_path))
    before = {name: tensor.clone() for name, tensor in trainer.net.state_dict().items()}
    trainer.step(random_batch(24, 3))
    assert accelerator.num_failed == 1
    assert trainer.governor.plan.micro_batch == 12
    assert said[-1] == ("out of memory with micro-batches of 24; now micro-batches of 12")
    # What was saved before the risk is the state before the step, BatchNorm statistics included.
    fresh = make_trainer(PLAIN)
    fresh.restore(checkpoints.load(saved[0]))
    assert fresh.num_steps == 0
    after = fresh.net.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())

    # The step is the one that halves would have taken from the start.
    straight = make_trainer(replace(PLAIN, micro_batch=12))
    straight.step(random_batch(24, 3))
    assert all(map(torch.equal, trainer.net.parameters(), straight.net.parameters()))
    assert all(map(torch.equal, trainer.net.buffers(), straight.net.buffers()))
    trainer.step(random_batch(24, 4))
    assert accelerator.num_failed == 1


def test_cached_memory_is_released_before_anything_else_is_changed() -> None:
    peak = activation_bytes(PLAIN)
    accelerator, said = FakeAccelerator(1.2 * peak), []
    accelerator.cached = peak // 2
    trainer = make_trainer(PLAIN, fake_device(accelerator), said)
    trainer.step(random_batch(24, 3))
    assert accelerator.num_emptied == 1
    assert trainer.governor.plan.micro_batch == 24
    assert "out of memory: released" in said[-1]


def test_fragmented_memory_is_given_back_after_a_step() -> None:
    accelerator, said = FakeAccelerator(), []
    trainer = make_trainer(PLAIN, fake_device(accelerator, memory_budget=1000), said)
    trainer.step(random_batch(24, 3))
    assert accelerator.num_emptied == 0
    accelerator.cached = 501
    trainer.step(random_batch(24, 3))
    assert accelerator.num_emptied == 1
    assert "fragmented" in said[-1]


def test_where_parts_become_small_layers_keep_less_and_at_last_it_is_an_error() -> None:
    accelerator, said = FakeAccelerator(), []
    config = replace(PLAIN, batch_size=40, micro_batch=40, checkpointing="auto")
    trainer = make_trainer(config, fake_device(accelerator), said)
    trainer.step(random_batch(40, 3))
    accelerator.capacity = 0
    with pytest.raises(DeviceError, match="a step of 40 positions, even one at a time"):
        trainer.step(random_batch(40, 3))
    assert trainer.num_steps == 1
    plans = [line.split("now ")[1] for line in said if "now" in line]
    assert plans == [
        "micro-batches of 20",
        "micro-batches of 20, cheap layers computed twice",
        "micro-batches of 20, all layers computed twice",
        *(f"micro-batches of {n}, all layers computed twice" for n in (10, 5, 3, 2, 1)),
    ]


def test_a_network_that_does_not_fit_even_for_a_rehearsal_is_an_error_too() -> None:
    trainer = make_trainer(replace(PLAIN, micro_batch=0), fake_device(FakeAccelerator(0)))
    with pytest.raises(DeviceError, match="take a smaller model"):
        trainer.step(random_batch(24, 3))


def test_an_error_that_is_not_about_memory_is_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer = make_trainer(PLAIN)

    def fail(*_: object) -> None:
        raise RuntimeError("MPS: something else")

    monkeypatch.setattr(trainer.objective, "backward", fail)
    with pytest.raises(RuntimeError, match="something else"):
        trainer.step(random_batch(8, seed=2))


DEEP = replace(NET, blocks=8, attention_every=0)


def test_parts_fit_the_budget_and_where_they_would_be_small_layers_keep_less() -> None:
    accelerator = FakeAccelerator()
    probe = make_trainer(PLAIN, fake_device(accelerator), model=DEEP)
    probe.step(random_batch(24, 3))
    a_position = OVERHEAD * accelerator.peak / 24

    def planned(positions: int, checkpointing: str) -> Plan:
        """The plan for a batch of 80 in a budget for so many positions of the plain step."""
        budget = standing_bytes(probe.net) + a_position * positions
        config = replace(PLAIN, batch_size=80, micro_batch=0, checkpointing=checkpointing)  # type: ignore[arg-type]
        device = fake_device(FakeAccelerator(a_position * positions), int(budget))
        trainer = make_trainer(config, device, model=DEEP)
        trainer.step(random_batch(80, 3))
        assert device.accelerator.num_failed == 0  # type: ignore[attr-defined]
        return trainer.governor.plan

    assert planned(110, "auto") == Plan(80, "none")
    half = planned(50, "auto")
    assert half.checkpointing == "none"
    assert 32 <= half.micro_batch <= 50
    assert planned(24, "none").micro_batch < 32
    tight = planned(24, "auto")
    assert tight.checkpointing != "none"
    assert tight.micro_batch >= 32
