"""The trunk's layers: stem, board features, residual block, attention.

Attribute names are the state-dict names of the earlier program, so that its checkpoints load
without renaming.

Shapes: B batch, C channels, H heads, D head dimension, S 64 squares in plane row order (row 0 is
rank 8).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Layers are made on the "meta" device, without values: torch's own initialisation would draw from
# the global generator, and `model.net.initialise` sets every weight from the one it is given.

BATCH_NORM_MOMENTUM = 0.1
"""Share of the newest batch in the running statistics. The earlier program used 0.9, which makes
the statistics of evaluation those of the last batch or two; its outputs in evaluation mode do not
depend on it."""

MASKED_SHARE = 0.8
"""Weight of the attention over reachable squares; the rest goes to attention over all squares."""

SMOLGEN_CHANNELS = 16
SMOLGEN_HIDDEN = 128
SMOLGEN_CODE = 64

UNREACHABLE_SCORE = -1e4
"""Added to no score but put in place of its bias: float16 can still hold it."""


def num_groups(channels: int) -> int:
    """The largest divisor of `channels` that leaves at least 16 channels to a group; at least 1."""
    return max(
        (n for n in range(1, channels // 16 + 1) if channels % n == 0),
        default=1,
    )


def conv(num_in: int, num_out: int, size: int, *, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps 8x8; its weights are not yet set (see `model.net.initialise`)."""
    layer = nn.Conv2d(num_in, num_out, size, padding=size // 2, bias=bias, device="meta")
    return layer.to_empty(device=torch.get_default_device())


def linear(num_in: int, num_out: int) -> nn.Linear:
    """A linear layer with bias; its weights are not yet set (see `model.net.initialise`)."""
    layer = nn.Linear(num_in, num_out, device="meta")
    return layer.to_empty(device=torch.get_default_device())


def batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=BATCH_NORM_MOMENTUM)


def norm_silu(num_in: int, num_out: int, size: int) -> list[nn.Module]:
    """Convolution, GroupNorm, SiLU: the opening of the stem and of most heads."""
    return [
        conv(num_in, num_out, size),
        nn.GroupNorm(num_groups(num_out), num_out),
        nn.SiLU(),
    ]


def reachable_squares() -> Tensor:
    """bool[64, 64]: a piece on an empty board goes from one square to the other, or both are one.

    Lines and diagonals contain the king's steps. The relation is symmetric and does not change when
    ranks are flipped, so it serves plane row order as it serves a1 = 0.
    """
    square = torch.arange(64)
    rank, file = square // 8, square % 8
    ranks = (rank[:, None] - rank[None, :]).abs()
    files = (file[:, None] - file[None, :]).abs()
    line = (ranks == 0) | (files == 0)
    diagonal = ranks == files
    knight = (torch.minimum(ranks, files) == 1) & (torch.maximum(ranks, files) == 2)
    return line | diagonal | knight


class BoardFeatures(nn.Module):
    """A learned position encoding and two residual convolutions between stem and tower."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.position_encoding = nn.Parameter(torch.empty(1, channels, 8, 8))
        self.pst_conv = conv(channels, channels, 1)
        self.pst_norm: nn.Module = batch_norm(channels)
        self.interaction_conv = conv(channels, channels, 3)
        self.interaction_norm: nn.Module = batch_norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position_encoding
        x = x + F.relu(self.pst_norm(self.pst_conv(x)))
        out: Tensor = x + F.relu(self.interaction_norm(self.interaction_conv(x)))
        return out


class ResidualBlock(nn.Module):
    """Pre-activation block: BN, SiLU, conv, BN, SiLU, conv, squeeze-excitation, plus the input.

    `scale_B` multiplies the branch of each position (see `model.drop_path`); None means 1.
    """

    def __init__(self, channels: int, se_ratio: int) -> None:
        super().__init__()
        self.conv1 = conv(channels, channels, 3)
        self.bn1: nn.Module = batch_norm(channels)
        self.conv2 = conv(channels, channels, 3)
        self.bn2: nn.Module = batch_norm(channels)
        self.se_fc1: nn.Linear | None = None
        self.se_fc2: nn.Linear | None = None
        if se_ratio:
            squeezed = max(1, channels // se_ratio)
            self.se_fc1 = linear(channels, squeezed)
            self.se_fc2 = linear(squeezed, channels)

    def forward(self, x: Tensor, scale_B: Tensor | None = None) -> Tensor:
        branch: Tensor = self.conv1(F.silu(self.bn1(x)))
        branch = self.conv2(F.silu(self.bn2(branch)))
        if self.se_fc1 is not None and self.se_fc2 is not None:
            pooled = F.adaptive_avg_pool2d(branch, 1).flatten(1)
            gate = torch.sigmoid(self.se_fc2(F.silu(self.se_fc1(pooled))))
            if scale_B is not None:
                gate = gate * scale_B.to(gate.dtype)[:, None]
            # One fused pass instead of a product and a sum.
            return torch.addcmul(x, branch, gate[:, :, None, None])
        return x + _scaled(branch, scale_B)


def _scaled(branch: Tensor, scale_B: Tensor | None) -> Tensor:
    return branch if scale_B is None else branch * scale_B.to(branch.dtype)[:, None, None, None]


class Smolgen(nn.Module):
    """A bias of attention scores that depends on the whole board, as in lc0.

    The board is squeezed into one vector, from which each head gets a code of 64 numbers, and the
    code is expanded to 64 x 64 squares. lc0 shares the expansion among all layers; here each has
    its own, and smaller ones before it. The expansion starts at 0, as if nothing were there.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.squeeze = conv(channels, SMOLGEN_CHANNELS, 1)
        self.fc1 = linear(SMOLGEN_CHANNELS * 64, SMOLGEN_HIDDEN)
        self.norm1 = nn.LayerNorm(SMOLGEN_HIDDEN)
        self.fc2 = linear(SMOLGEN_HIDDEN, heads * SMOLGEN_CODE)
        self.norm2 = nn.LayerNorm(heads * SMOLGEN_CODE)
        self.expand = linear(SMOLGEN_CODE, 64 * 64)

    def forward(self, x: Tensor) -> Tensor:
        """float[B, H, 64, 64] to be added to the scores."""
        code = self.norm1(F.silu(self.fc1(self.squeeze(x).flatten(1))))
        code = self.norm2(F.silu(self.fc2(code))).reshape(x.shape[0], self.heads, SMOLGEN_CODE)
        bias: Tensor = self.expand(code)
        return bias.reshape(x.shape[0], self.heads, 64, 64)


class Attention(nn.Module):
    """Self-attention over squares: 0.8 of it sees reachable squares only, 0.2 all; post-LayerNorm.

    Two calls of torch's fused attention with the learned bias as mask: where a fused kernel takes
    it no score is written out, and on a CPU training keeps a fifth less for the backward pass.

    The earlier program clamped scores to +-50 before the softmax, which fused attention cannot do.
    A network of its answers otherwise here where a score lies beyond 50, and nowhere else; in its
    golden outputs none does.

    `scale_B` is as in `ResidualBlock`; the LayerNorm is no part of the branch.
    """

    reachable: Tensor

    def __init__(self, channels: int, heads: int, *, smolgen: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.rel_bias = nn.Parameter(torch.empty(1, heads, 64, 64))
        self.qkv = conv(channels, 3 * channels, 1)
        self.proj = conv(channels, channels, 1)
        self.norm = nn.LayerNorm(channels)
        self.smolgen = Smolgen(channels, heads) if smolgen else None
        self.register_buffer("reachable", reachable_squares(), persistent=False)

    def forward(self, x: Tensor, scale_B: Tensor | None = None) -> Tensor:
        batch, channels, _, _ = x.shape
        head_dim = channels // self.heads
        # Squares before channels, as channels-last memory has them.
        qkv_BS = self.qkv(x).flatten(2).transpose(1, 2)
        q_BHSD, k_BHSD, v_BHSD = (
            qkv_BS.reshape(batch, 64, 3, self.heads, head_dim).permute(2, 0, 3, 1, 4).unbind()
        )
        bias = self.rel_bias if self.smolgen is None else self.rel_bias + self.smolgen(x)
        near = bias.masked_fill(~self.reachable, UNREACHABLE_SCORE)
        mixed_BHSD = torch.lerp(
            F.scaled_dot_product_attention(q_BHSD, k_BHSD, v_BHSD, attn_mask=bias),
            F.scaled_dot_product_attention(q_BHSD, k_BHSD, v_BHSD, attn_mask=near),
            MASKED_SHARE,
        )
        mixed_BSC = mixed_BHSD.transpose(1, 2).reshape(batch, 64, channels)
        branch = self.proj(mixed_BSC.transpose(1, 2).reshape(batch, channels, 8, 8))
        x = x + _scaled(branch, scale_B)
        normed: Tensor = self.norm(x.permute(0, 2, 3, 1))
        return normed.permute(0, 3, 1, 2)
