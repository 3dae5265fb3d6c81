"""Activation checkpointing changes what is kept, and nothing else."""

import pytest
import torch
from torch import Tensor

from backend.training.footprint import LiveTensors
from model.checkpointing import Checkpointing
from model.config import ModelConfig
from model.net import ChessNet

NET = ModelConfig(
    channels=32,
    blocks=6,
    board_features=True,
    attention_every=2,
    attention_heads=2,
    policy_head="conv",
    aux_policy_heads=False,
)


def step(mode: Checkpointing, autocast: bool = False) -> tuple[ChessNet, int]:
    """A network after forward and backward, its gradients in place; and the bytes kept between."""
    net = ChessNet(NET, torch.Generator().manual_seed(3)).train()
    net.checkpointing = mode
    planes = torch.rand(6, 19, 8, 8, generator=torch.Generator().manual_seed(4))
    with LiveTensors() as live, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = net(planes, ("policy", "value", "piece"))
    kept = live.alive
    loss = sum(
        logits.float().square().mean()
        for logits in (out.policy_logits_BM, out.wdl_logits_B3, out.piece_logits_B13S)
    )
    assert isinstance(loss, Tensor)
    loss.backward()
    return net, kept


@pytest.mark.parametrize("mode", ["selective", "full"])
def test_gradients_and_batch_norm_statistics_are_those_of_keeping_everything(
    mode: Checkpointing,
) -> None:
    plain, _ = step("none")
    lean, _ = step(mode)
    for (name, expected), found in zip(plain.named_parameters(), lean.parameters(), strict=True):
        if expected.grad is None:
            assert found.grad is None, name
        else:
            torch.testing.assert_close(found.grad, expected.grad, rtol=1e-5, atol=1e-7, msg=name)
    for (name, expected), found in zip(plain.named_buffers(), lean.buffers(), strict=True):
        assert torch.equal(found, expected), name
    assert lean.tower[0].bn1.num_batches_tracked == 1
    assert lean.tower[0].bn1.track_running_stats


@pytest.mark.parametrize("autocast", [False, True])
def test_selective_keeps_less_than_none_and_full_keeps_least(autocast: bool) -> None:
    kept = {mode: step(mode, autocast)[1] for mode in ("none", "selective", "full")}
    # The tower alone: 2/8 of a block's tensors, or its input. Stem, features and heads keep all.
    assert kept["selective"] < 0.75 * kept["none"], kept
    assert kept["full"] < 0.6 * kept["none"], kept
    assert kept["full"] < kept["selective"], kept


def test_play_is_not_touched() -> None:
    net = ChessNet(NET, torch.Generator().manual_seed(3)).eval()
    planes = torch.rand(2, 19, 8, 8)
    with torch.no_grad():
        expected = net(planes).policy_logits_BM
        net.checkpointing = "full"
        assert torch.equal(net(planes).policy_logits_BM, expected)
