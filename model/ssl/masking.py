"""The masked-piece task: which squares are hidden, what the network then sees, what it must say.

Definition:

- Of the 64 squares of each position, `max(1, round(64 * mask_frac))` distinct ones are hidden,
  drawn without regard to what stands there. The generator is passed in.
- On a hidden square all 12 piece planes are 0: the network sees it as empty. Side to move, castling
  rights and clocks stay as they are. Knowledge planes, where there are any, are 0 everywhere.
- The target is one of 13 classes for each square, read from the board *before* it was masked:

      0 empty    1-6 P N B R Q K of the mover (orientation "white": of White)
                 7-12 P N B R Q K of the opponent (of Black)

  Squares are in plane row order, S = row * 8 + column; row 0 is rank 8 of the oriented board. Both
  follow from the planes, so one definition serves both orientations.
- Only hidden squares count in the loss. An open square is in the input and teaches nothing.

Guessing costs ln 13 = 2.565 nats; always saying "empty" costs much less, because most squares are.

Shapes: B batch, S 64 squares, 88 rows and columns.
"""

import torch
from torch import Tensor

from model.encoding import NUM_PLANES

NUM_PIECE_PLANES = 12
EMPTY = 0


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


def piece_targets(planes_BC88: Tensor) -> Tensor:
    """int64[B, S]: the class 0-12 of each square. `planes_BC88` must not be masked."""
    pieces_BPS = planes_BC88[:, :NUM_PIECE_PLANES].flatten(2)
    occupied, plane = pieces_BPS.max(dim=1)
    return torch.where(occupied > 0, plane + 1, EMPTY)
