"""The attention bias made from the position: nothing at first, then something for each position."""

import pytest
import torch

from model.blocks import Attention, Smolgen
from model.config import ModelConfig
from model.net import ChessNet
from tests.earlier import golden_state, golden_tensors
from tests.model.test_net import golden_config

CONFIG = ModelConfig(channels=32, blocks=2, attention_every=2, attention_heads=4, smolgen=True)


def layer_of(net: ChessNet) -> tuple[Attention, Smolgen]:
    layer = net.tower[2]
    assert isinstance(layer, Attention)
    assert layer.smolgen is not None
    return layer, layer.smolgen


@torch.inference_mode()
def test_added_to_a_trained_network_it_changes_nothing_at_first() -> None:
    net = ChessNet(golden_config(smolgen=True)).eval()
    state = {name: t for name, t in golden_state().items() if not name.startswith("ssl_head.")}
    missing = net.load_state_dict(state, strict=False).missing_keys
    assert all(".smolgen." in name for name in missing)
    tensors = golden_tensors()
    output = net(tensors["planes"])
    torch.testing.assert_close(output.policy_logits_BM, tensors["policy"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_its_bias_depends_on_the_position_and_steers_where_attention_looks() -> None:
    layer, smolgen = layer_of(ChessNet(CONFIG).eval())
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 32, 8, 8, generator=generator)
    without = layer(x)
    assert torch.equal(smolgen(x), torch.zeros(2, 4, 64, 64))
    smolgen.expand.weight.normal_(std=0.5, generator=generator)
    bias = smolgen(x)
    assert bias.shape == (2, 4, 64, 64)
    assert (bias[0] - bias[1]).abs().mean() > 0.1
    assert (layer(x) - without).abs().max() > 1e-2
    # It adds to the learned bias, in both of the two attentions.
    layer.smolgen = None
    layer.rel_bias.copy_(bias[:1])
    torch.testing.assert_close(layer(x[:1]), with_smolgen(layer, smolgen, x[:1]))


def with_smolgen(layer: Attention, smolgen: Smolgen, x: torch.Tensor) -> torch.Tensor:
    layer.rel_bias.zero_()
    layer.smolgen = smolgen
    answer: torch.Tensor = layer(x)
    return answer


def test_it_learns_from_the_first_step_on() -> None:
    net = ChessNet(CONFIG).train()
    _, smolgen = layer_of(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    planes = torch.randn(4, 19, 8, 8, generator=torch.Generator().manual_seed(2))
    for _ in range(2):
        optimizer.zero_grad()
        net.trunk(planes)[:, 0].square().mean().backward()
        optimizer.step()
    assert smolgen.expand.weight.abs().max() > 0
    assert smolgen.squeeze.weight.grad is not None
    assert smolgen.squeeze.weight.grad.abs().max() > 0


def test_it_needs_attention() -> None:
    with pytest.raises(ValueError, match="needs attention layers"):
        ModelConfig(channels=16, attention_every=0, smolgen=True)
