"""Stochastic depth (Huang et al. 2016): in training, a layer's branch is left out at random.

Each position loses the branch of layer l of L with chance `drop_path * l / L`, and where the branch
stays it is scaled by 1 / (1 - chance), so that its mean is that of evaluation. What runs past the
branch is never scaled: with all branches gone a position's input would reach the heads as it is.
In evaluation there is nothing of this.

Shapes: B positions, L layers of the tower.
"""

import torch
from torch import Tensor


def branch_scales(
    num_positions: int, num_layers: int, drop_path: float, generator: torch.Generator
) -> Tensor:
    """float[B, L]: 0 where a branch is left out, else 1 / (1 - chance)."""
    chance_L = drop_path * torch.arange(1, num_layers + 1) / num_layers
    noise_BL = torch.rand(num_positions, num_layers, generator=generator)
    return (noise_BL >= chance_L) / (1 - chance_L)
