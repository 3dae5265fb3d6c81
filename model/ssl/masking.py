"""The masked-piece task: which squares are hidden, and what the network then sees.

Definition:

- Of the 64 squares of each position, `max(1, round(64 * mask_frac))` distinct ones are hidden,
  drawn without regard to what stands there. The generator is passed in.
- On a hidden square all 12 piece planes are 0: the network sees it as empty. Side to move, castling
  rights and clocks stay as they are. Knowledge planes, where there are any, are 0 everywhere.
- The target is what stands there, the label "piece" of `model/ssl/targets.py`, read from the board
  *before* it was masked.
- Only hidden squares count in the loss. An open square is in the input and teaches nothing.

Guessing costs ln 13 = 2.565 nats; always saying "empty" costs much less, because most squares are.

Shapes: B batch, S 64 squares, 88 rows and columns.
"""

import torch
from torch import Tensor

from model.encoding import NUM_PLANES

NUM_PIECE_PLANES = 12


def choose_masked(num_positions: int, mask_frac: float, generator: torch.Generator) -> Tensor:
    """bool[B, S] on the generator's device: True on squares to hide, equally many a position."""
    num_masked = max(1, round(64 * mask_frac))
    noise_BS = torch.rand(num_positions, 64, generator=generator, device=generator.device)
    chosen = noise_BS.topk(num_masked, dim=1).indices
    masked_BS = torch.zeros(num_positions, 64, dtype=torch.bool, device=generator.device)
    return masked_BS.scatter_(1, chosen, True)


def blank(planes_BC88: Tensor, masked_BS: Tensor) -> Tensor:
    """A copy of the planes with no piece on any masked square, and without knowledge planes.

    Attackers and material would tell what was hidden.
    """
    blanked = planes_BC88.clone()
    keep_B188 = (~masked_BS).view(-1, 1, 8, 8)
    blanked[:, :NUM_PIECE_PLANES] *= keep_B188
    blanked[:, NUM_PLANES:] = 0
    return blanked
