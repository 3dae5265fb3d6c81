"""A network with the two answers of play alone, as converters want it: tensors in, tensors out.

Shapes: B batch, C channels, G groups, M 4672 moves.
"""

import torch
from torch import Tensor, nn

from backend.inference.folding import fold_batch_norm
from model.net import ChessNet


class PlayHeads(nn.Module):
    """planes_BC88 -> (policy logits_BM, wdl_B3 as probabilities), BatchNorm folded in."""

    def __init__(self, net: ChessNet) -> None:
        super().__init__()
        self.net = fold_batch_norm(net)
        self._has_wdl = net.config.value_head == "wdl"

    def forward(self, planes_BC88: Tensor) -> tuple[Tensor, Tensor]:
        trunk = self.net.trunk(planes_BC88)
        value = self.net.value(trunk)
        if self._has_wdl:
            wdl_B3 = value.softmax(1)
        else:
            win_B1 = (1 + torch.tanh(value)) / 2
            wdl_B3 = torch.cat((win_B1, torch.zeros_like(win_B1), 1 - win_B1), 1)
        return self.net.policy(trunk), wdl_B3


class PlainGroupNorm(nn.Module):
    """GroupNorm of 8 x 8 boards in operations that every converter knows for a free batch."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self._norm = norm

    def forward(self, x_BC88: Tensor) -> Tensor:
        norm = self._norm
        size = norm.num_channels // norm.num_groups * 64
        x = x_BC88.reshape(-1, norm.num_groups, size)
        x = x - x.mean(2, keepdim=True)
        x = x * torch.rsqrt((x * x).mean(2, keepdim=True) + norm.eps)
        x = x.reshape(-1, norm.num_channels, 8, 8)
        return x * norm.weight[None, :, None, None] + norm.bias[None, :, None, None]


def with_plain_norms(module: nn.Module) -> nn.Module:
    """`module` itself, its GroupNorms exchanged."""
    for name, child in module.named_children():
        if isinstance(child, nn.GroupNorm):
            setattr(module, name, PlainGroupNorm(child))
        else:
            with_plain_norms(child)
    return module
