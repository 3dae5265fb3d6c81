"""The flagship network once through, forward and backward."""

from typing import get_args

import pytest
import torch

from backend.presets import PRESETS
from model.config import ModelConfig
from model.encoding import encode_planes
from model.net import ChessNet, Head, NetOutput
from tests.positions import random_positions

BATCH = 8


@pytest.mark.slow
def test_flagship_answers_with_every_head_and_every_weight_gets_a_gradient() -> None:
    config = ModelConfig(**PRESETS["flagship"]["model"])
    net = ChessNet(config).train()
    planes = torch.from_numpy(encode_planes(random_positions(BATCH, seed=5), config.orientation))
    trunk = net.trunk(planes)
    assert trunk.shape == (BATCH, config.channels, 8, 8)
    answers: dict[str, torch.Tensor] = {}
    for head in get_args(Head):
        try:
            output: NetOutput = net.read(trunk, (head,))
        except ValueError:
            continue  # A head that this preset does not have.
        (answers[head],) = (
            value for name in NetOutput.__slots__ if (value := getattr(output, name)) is not None
        )
    expected = {"policy": (4672,), "value": (3,), "piece": (13, 64), "plies_left": ()}
    for head, shape in expected.items():
        assert answers[head].shape == (BATCH, *shape)
    assert all(answer.isfinite().all() for answer in answers.values())
    torch.stack([answer.float().square().mean() for answer in answers.values()]).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
