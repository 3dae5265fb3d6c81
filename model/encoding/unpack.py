"""The same planes made by torch, from position rows that lie on its device already.

A row is 64 bytes, its planes are 4,864: a GPU makes them faster than they could be sent. Bytes are
little-endian, so that byte r of a set is rank r + 1 and bit f of it file f:

    word 0 .. 5  pieces     6  White's     7  state
         |  8 bytes each: ranks 1 .. 8, a bit for each file

`model.encoding.planes` says what the planes are and is the reference. Legend: N positions.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.config import Orientation
from model.encoding.planes import MAX_FULLMOVE_PLANE, MAX_HALFMOVE_PLANE
from model.rules.position import STATE

ROW_BYTES = 64


def rows_of(positions: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """uint8[N, 64]: the bytes of uint64[N, 8], without a copy where the machine allows it."""
    return np.ascontiguousarray(positions.astype("<u8", copy=False)).view(np.uint8)


def unpack_planes(rows_N64: Tensor, orientation: Orientation) -> Tensor:
    """float32[N, 19, 8, 8] on the device of `rows_N64` (uint8)."""
    count = len(rows_N64)
    words_N88 = rows_N64.view(count, 8, 8)
    files = torch.arange(8, dtype=torch.uint8, device=rows_N64.device)
    squares = (words_N88[:, :7, :, None] >> files) & 1
    white = squares[:, 6:]
    of_white, of_black = squares[:, :6] & white, squares[:, :6] & (1 - white)

    bytes_N4 = words_N88[:, STATE, :4].int()
    state_N = (bytes_N4 << torch.arange(0, 32, 8, device=rows_N64.device)).sum(dim=1)
    is_black = (state_N & 1).bool()
    turned = is_black & (orientation == "mover")
    turned_N111 = turned[:, None, None, None]
    pieces = torch.where(
        turned_N111,
        torch.cat((of_black, of_white), dim=1),
        torch.cat((of_white, of_black), dim=1).flip(2),
    )
    rights_N4 = (state_N[:, None] >> torch.arange(1, 5, device=rows_N64.device)) & 1
    rights_N4 = torch.where(turned[:, None], rights_N4.roll(2, dims=1), rights_N4)
    halfmove = ((state_N >> 9) & 255).clamp(max=MAX_HALFMOVE_PLANE) / MAX_HALFMOVE_PLANE
    fullmove = ((state_N >> 19) & 8191).clamp(max=MAX_FULLMOVE_PLANE) / MAX_FULLMOVE_PLANE
    numbers = (
        (~is_black)[:, None].float(),
        rights_N4.float(),
        halfmove[:, None],
        fullmove[:, None],
    )
    whole_N788 = torch.cat(numbers, dim=1)[:, :, None, None].expand(count, 7, 8, 8)
    return torch.cat((pieces.float(), whole_N788), dim=1)
