"""What is read from the trunk: policy, value, masked pieces, the earlier program's auxiliary heads.

Heads that are a plain chain of layers are built by functions; the two policy heads compute their
logits here. Submodule names follow the earlier program's state dict (see `model.net`).

Shapes: B batch, C channels, M 4672 moves.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.blocks import batch_norm, conv, linear, norm_silu
from model.encoding import NUM_MOVES

MOVE_PLANES = 73
NUM_PIECE_CLASSES = 13
POLICY_CHANNELS = 64
AUX_CHANNELS = 32
NUM_MOVE_TYPES = 12
BOARD_CHANNELS = 8
BOARD_HIDDEN = 128
PLIES_UNIT = 20.0
"""Plies that are 1 to the plies-left head and to its loss, as in lc0."""


class ConvPolicyHead(nn.Module):
    """3x3 convolution, BatchNorm, SiLU, 1x1 convolution to the 73 move planes.

    Move index = square * 73 + plane with a1 = 0, but row 0 of the planes is rank 8: the rows are
    turned over before they are laid out (in front of the 1x1 convolution, where it costs least).

        planes row 0  a8 … h8   -> squares 56 … 63
        …
        planes row 7  a1 … h1   -> squares  0 …  7
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv(channels, channels, 3)
        self.norm: nn.Module = batch_norm(channels)
        self.moves = conv(channels, MOVE_PLANES, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.silu(self.norm(self.conv(x)))
        planes: Tensor = self.moves(hidden.flip(2))
        return planes.permute(0, 2, 3, 1).reshape(x.shape[0], NUM_MOVES)


def lowrank_policy(
    hidden_BC88: Tensor, fc1: nn.Linear, fc2: nn.Linear, norm: nn.LayerNorm
) -> Tensor:
    """logits_BM of the earlier program's linear pair, with its clamps."""
    flat = hidden_BC88.clamp(-5, 5).flatten(1)
    low = F.relu(fc1(flat)).clamp(-10, 10)
    return torch.clamp(norm(fc2(low).clamp(-10, 10)), -5, 5)


def policy_trunk(channels: int) -> nn.Sequential:
    """The 64 channels in front of the low-rank pair."""
    return nn.Sequential(*norm_silu(channels, POLICY_CHANNELS, 1))


def value_trunk(channels: int, value_channels: int) -> nn.Sequential:
    return nn.Sequential(*norm_silu(channels, value_channels, 1))


def square_classifier(
    channels: int, hidden: int, classes: int, *, bias: bool = False
) -> nn.Sequential:
    """1x1 convolution, GroupNorm, SiLU, 1x1 convolution: `classes` logits for each square."""
    return nn.Sequential(*norm_silu(channels, hidden, 1), conv(hidden, classes, 1, bias=bias))


def board_head(channels: int, outputs: int) -> nn.Sequential:
    """A few numbers about the whole board: 1x1 convolution, GroupNorm, SiLU, two linear layers."""
    return nn.Sequential(
        *norm_silu(channels, BOARD_CHANNELS, 1),
        nn.Flatten(),
        linear(BOARD_CHANNELS * 64, BOARD_HIDDEN),
        nn.ReLU(),
        linear(BOARD_HIDDEN, outputs),
    )


def reply_logits(planes_BP88: Tensor, *, is_turned: bool) -> Tensor:
    """logits_BM of the opponent's moves from 73 planes on the board as the mover sees it.

    The opponent's move index starts at a1 of its own board. Where boards are turned to the mover
    (`is_turned`), row 0 here is that board's first rank; else it is rank 8, as for any policy.
    """
    rows = planes_BP88 if is_turned else planes_BP88.flip(2)
    return rows.permute(0, 2, 3, 1).reshape(len(rows), NUM_MOVES)
