"""Inference gives what the network gives, for legal moves only, and refuses what is not finite."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from backend.config import DeviceConfig
from backend.device import choose_device
from backend.errors import CheckpointError, DeviceError, NonFiniteError
from backend.inference.folding import fold_batch_norm
from backend.inference.front import Inference
from backend.inference.torch_runtime import TorchRuntime
from backend.training.config import TrainingConfig
from backend.training.trainer import Trainer
from backend.weights import load_arrays, load_network
from model.config import ModelConfig, SslConfig
from model.encoding import encode_planes
from tests.backend.inference.networks import CONV, CPU, LOWRANK, lived_in
from tests.fake_accelerator import FakeAccelerator, fake_device
from tests.positions import legal_index, random_batch, random_positions


@pytest.mark.parametrize("config", [CONV, LOWRANK], ids=["conv", "lowrank"])
def test_a_device_that_makes_planes_itself_gives_the_same_answers(config: ModelConfig) -> None:
    net = lived_in(config)
    runtimes = [TorchRuntime(net, CPU, "float32", unpacks=unpacks) for unpacks in (False, True)]
    for count in (24, 7, 24):
        positions = random_positions(count, seed=count)
        index, num_moves = legal_index(positions, config.orientation)
        encoded, unpacked = (
            Inference(net, CPU, runtime)(positions, index, num_moves) for runtime in runtimes
        )
        for wanted, got in zip(encoded, unpacked, strict=True):
            np.testing.assert_array_equal(wanted, got)


@pytest.mark.parametrize("config", [CONV, LOWRANK], ids=["conv", "lowrank"])
def test_answers_are_the_networks_own_for_each_legal_move(config: ModelConfig) -> None:
    net = lived_in(config)
    positions = random_positions(24, seed=5)
    index, num_moves = legal_index(positions, config.orientation)
    logits, wdl = Inference(net, CPU)(positions, index, num_moves)
    with torch.inference_mode():
        planes = torch.from_numpy(encode_planes(positions, config.orientation))
        output = net(planes)
    assert logits.shape == index.shape
    assert logits.dtype == wdl.dtype == np.float32
    for row, count in enumerate(num_moves):
        expected = output.policy_logits_BM[row, torch.from_numpy(index[row, :count]).long()]
        np.testing.assert_allclose(logits[row, :count], expected, atol=1e-4)
        assert (logits[row, count:] == 0).all()
    assert logits.std() > 0.02
    np.testing.assert_allclose(wdl.sum(axis=1), 1, atol=1e-6)
    if output.wdl_logits_B3 is not None:
        np.testing.assert_allclose(wdl, output.wdl_logits_B3.softmax(1), atol=1e-5)
    else:
        np.testing.assert_allclose(wdl[:, 0] - wdl[:, 2], output.value_B, atol=1e-5)
        assert (wdl[:, 1] == 0).all()
        assert (wdl >= 0).all()


def test_folding_changes_no_output_and_not_the_network_it_was_given() -> None:
    net = lived_in(CONV)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    folded = fold_batch_norm(net)
    planes = torch.from_numpy(encode_planes(random_positions(8, seed=6), "mover"))
    with torch.inference_mode():
        expected, got = net(planes), folded(planes)
    torch.testing.assert_close(got.policy_logits_BM, expected.policy_logits_BM, atol=1e-4, rtol=0)
    torch.testing.assert_close(got.wdl_logits_B3, expected.wdl_logits_B3, atol=1e-5, rtol=0)
    left = [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(left) == CONV.blocks  # One in each block has no convolution in front of it.
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_each_position_is_judged_by_itself() -> None:
    inference = Inference(lived_in(CONV), CPU)
    positions = random_positions(7, seed=8)
    index, num_moves = legal_index(positions, "mover")
    together, wdl = inference(positions, index, num_moves)
    for row in range(7):
        one = slice(row, row + 1)
        alone, wdl_alone = inference(positions[one], index[one], num_moves[one])
        np.testing.assert_allclose(alone, together[one], atol=1e-5)
        np.testing.assert_allclose(wdl_alone, wdl[one], atol=1e-6)


def test_rubbish_beyond_the_legal_moves_is_ignored() -> None:
    inference = Inference(lived_in(CONV), CPU)
    positions = random_positions(4, seed=8)
    index, num_moves = legal_index(positions, "mover")
    clean, _ = inference(positions, index, num_moves)
    beyond = np.arange(index.shape[1]) >= num_moves[:, None]
    dirty, _ = inference(positions, np.where(beyond, 32_767, index), num_moves)
    np.testing.assert_array_equal(clean, dirty)


def test_evaluations_and_time_are_counted() -> None:
    inference = Inference(lived_in(CONV), CPU)
    positions = random_positions(6, seed=8)
    index, num_moves = legal_index(positions, "mover")
    inference(positions, index, num_moves)
    after_one = inference.network_s
    inference(positions[:2], index[:2], num_moves[:2])
    logits, wdl = inference(positions[:0], index[:0], num_moves[:0])
    assert logits.shape == (0, index.shape[1])
    assert wdl.shape == (0, 3)
    assert (inference.evaluations, inference.batches) == (8, 2)
    assert 0 < after_one < inference.network_s


@pytest.mark.parametrize("layer", ["value_fc3", "policy_head"])
def test_an_answer_that_is_not_finite_is_refused(layer: str) -> None:
    net = lived_in(CONV)
    with torch.no_grad():
        next(getattr(net, layer).parameters()).fill_(torch.inf)
    positions = random_positions(3, seed=8)
    with pytest.raises(NonFiniteError, match="not finite for 3 of 3 positions"):
        Inference(net, CPU)(positions, *legal_index(positions, "mover"))


def test_a_checkpoint_is_played_by_its_average(tmp_path: Path) -> None:
    trainer = Trainer(CONV, SslConfig(), TrainingConfig(warmup_steps=1), CPU, seed=1)
    batch = random_batch(8, seed=1)
    trainer.step(batch)
    path = trainer.save(tmp_path)
    query = (batch.positions, batch.policy_index.astype(np.int16), batch.num_moves.astype(np.int16))
    loaded = Inference.load(path, DeviceConfig(kind="cpu"))(*query)
    direct = Inference(trainer.ema, CPU)(*query)
    np.testing.assert_array_equal(loaded[0], direct[0])
    np.testing.assert_array_equal(loaded[1], direct[1])


def test_weights_that_do_not_fit_are_named_and_change_nothing() -> None:
    net, other = lived_in(CONV), lived_in(CONV)
    arrays = {name: tensor.numpy().copy() for name, tensor in other.state_dict().items()}
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    arrays["stem.0.weight"] += 1
    for change, message in (
        ({"value_fc3.bias": np.zeros(2, np.float32)}, r"'value_fc3.bias' has shape \[2\]"),
        ({"value_fc3.bias": np.zeros(3, np.float64)}, "'value_fc3.bias' is float64"),
        ({"extra": np.zeros(1)}, r"1 unknown \['extra'\]"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load_arrays(net, {**arrays, **change}, "here")
    del arrays["value_fc3.bias"]
    with pytest.raises(CheckpointError, match=r"here: 1 arrays missing \['value_fc3.bias'\]"):
        load_arrays(net, arrays, "here")
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_the_raw_network_can_be_loaded_too(tmp_path: Path) -> None:
    trainer = Trainer(CONV, SslConfig(), TrainingConfig(warmup_steps=1), CPU, seed=1)
    trainer.step(random_batch(8, seed=1))
    raw = load_network(trainer.save(tmp_path), "model")
    assert torch.equal(raw.stem[0].weight, trainer.net.stem[0].weight)
    assert not raw.training


def test_a_device_that_is_not_here_is_an_error_and_auto_says_why() -> None:
    for kind, present in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ):
        if not present:
            with pytest.raises(DeviceError, match=f"kind = '{kind}'"):
                choose_device(DeviceConfig(kind=kind))
    device = choose_device(DeviceConfig(kind="auto"))
    assert device.kind in device.reason or "GPU" in device.reason
    assert torch.get_num_threads() == 1


def test_memory_the_cpu_cannot_tell_is_none() -> None:
    memory = CPU.memory()
    assert (memory.used, memory.reserved, memory.total) == (None, None, None)


def test_a_device_without_memory_for_the_batch_says_how_large_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = lived_in(CONV)
    runtime = TorchRuntime(net, CPU, "float32")
    inference = Inference(net, CPU, runtime)
    positions = random_positions(3, seed=8)

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(runtime, "_forward", fail)
    with pytest.raises(DeviceError, match="no memory for a batch of 1"):
        inference(positions, *legal_index(positions, "mover"))
    assert inference.evaluations == 0


def test_where_memory_runs_out_a_batch_is_judged_in_parts_with_the_same_answers() -> None:
    net = lived_in(CONV)
    positions = random_positions(20, seed=8)
    question = (positions, *legal_index(positions, "mover"))
    logits, wdl = Inference(net, CPU)(*question)
    accelerator = FakeAccelerator()
    device = fake_device(accelerator)
    inference = Inference(net, device, TorchRuntime(net, device, "float32", unpacks=False))
    inference(*question)
    accelerator.capacity = 0.4 * accelerator.peak
    for _ in range(2):
        parts = inference(*question)
        np.testing.assert_allclose(parts[0], logits, atol=1e-5)
        np.testing.assert_allclose(parts[1], wdl, atol=1e-5)
    assert inference.max_batch == 5
    assert accelerator.num_failed == accelerator.num_emptied == 2
