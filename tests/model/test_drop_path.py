"""Stochastic depth: branches vanish for single positions, what runs past them is never touched."""

import pytest
import torch

from model.blocks import Attention, ResidualBlock
from model.config import ModelConfig
from model.drop_path import branch_scales
from model.net import ChessNet

CONFIG = ModelConfig(channels=16, blocks=4, attention_every=0, policy_head="conv")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_chances_rise_linearly_and_means_are_those_of_evaluation() -> None:
    scale_BL = branch_scales(20_000, 4, 0.4, generator())
    missing = (scale_BL == 0).float().mean(dim=0)
    torch.testing.assert_close(missing, torch.tensor([0.1, 0.2, 0.3, 0.4]), atol=0.015, rtol=0)
    torch.testing.assert_close(scale_BL.mean(dim=0), torch.ones(4), atol=0.03, rtol=0)
    assert torch.equal(branch_scales(9, 3, 0.0, generator()), torch.ones(9, 3))


@torch.no_grad()
def test_without_branches_the_tower_hands_on_what_it_was_given_bit_for_bit() -> None:
    net = ChessNet(CONFIG).train()
    planes = torch.randn(3, 19, 8, 8, generator=generator())
    seen: list[torch.Tensor] = []
    net.tower[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    scale_BL = torch.ones(3, 4)
    scale_BL[1] = 0
    trunk = net.trunk(planes, scale_BL)
    assert torch.equal(trunk[1], seen[0][1])
    assert not torch.equal(trunk[0], seen[0][0])


@torch.no_grad()
@pytest.mark.parametrize("se_ratio", [0, 4])
def test_only_the_branch_is_scaled(se_ratio: int) -> None:
    config = ModelConfig(channels=16, blocks=1, se_ratio=se_ratio, attention_every=0)
    block = ChessNet(config).eval().tower[0]
    assert isinstance(block, ResidualBlock)
    x = torch.randn(2, 16, 8, 8, generator=generator())
    branch = block(x) - x
    got = block(x, torch.tensor([1.25, 0.0]))
    torch.testing.assert_close(got[0], x[0] + 1.25 * branch[0])
    assert torch.equal(got[1], x[1])


@torch.no_grad()
def test_attention_without_its_branch_still_normalises() -> None:
    net = ChessNet(ModelConfig(channels=16, blocks=1, attention_every=1, attention_heads=2)).eval()
    layer = net.tower[1]
    assert isinstance(layer, Attention)
    x = torch.randn(2, 16, 8, 8, generator=generator())
    normed = layer.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert torch.equal(layer(x, torch.zeros(2)), normed)
    torch.testing.assert_close(layer(x, torch.ones(2)), layer(x))
