"""Planes unpacked by torch are those of the kernel, bit for bit."""

import chess
import numpy as np
import pytest
import torch

from model.config import Orientation
from model.encoding import encode_planes
from model.encoding.unpack import rows_of, unpack_planes
from model.rules import from_fen
from tests.positions import random_positions

ORIENTATIONS: list[Orientation] = ["mover", "white"]
ODD = [
    chess.STARTING_FEN,
    "r3k2r/8/8/8/8/8/8/R3K2R b Kq - 98 7",
    "r3k2r/8/8/8/8/8/8/R3K2R b Qk - 100 8191",
    "4k3/8/8/8/8/8/8/4K3 w - - 255 200",
    "8/P7/8/4pP2/8/8/8/k6K w - e6 0 3",
]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_planes_are_those_of_the_kernel(orientation: Orientation) -> None:
    fens = np.stack([from_fen(fen) for fen in ODD])
    positions = np.concatenate((fens, random_positions(300, seed=4)))
    rows = torch.from_numpy(rows_of(positions))
    assert rows.shape == (305, 64)
    got = unpack_planes(rows, orientation)
    assert got.dtype == torch.float32
    assert torch.equal(got, torch.from_numpy(encode_planes(positions, orientation)))
