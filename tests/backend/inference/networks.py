"""Small networks that are far from their start, and positions of real games, for tests."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import chess.pgn
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from backend.config import DeviceConfig
from backend.device import choose_device
from model.blocks import Smolgen
from model.config import ModelConfig
from model.net import ChessNet
from model.rules import from_fen

CPU = choose_device(DeviceConfig(kind="cpu"))
CONV = ModelConfig(
    channels=16,
    blocks=2,
    attention_heads=2,
    attention_every=2,
    policy_head="conv",
    value_channels=8,
    value_hidden=16,
)
LOWRANK = replace(CONV, orientation="white", policy_head="lowrank", value_head="scalar", se_ratio=0)

SMOLGEN = replace(CONV, smolgen=True)


def lived_in(config: ModelConfig) -> ChessNet:
    """A network whose every weight and BatchNorm statistic is far from its start."""
    net = ChessNet(config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor, low, high in (
                    (module.weight, 0.5, 1.5),
                    (module.bias, -0.5, 0.5),
                    (module.running_mean, -0.5, 0.5),
                    (module.running_var, 0.5, 2.0),
                ):
                    tensor.uniform_(low, high, generator=generator)
            elif isinstance(module, Smolgen):
                module.expand.weight.normal_(std=0.3, generator=generator)
        for layer in (
            net.value_fc3,
            net.policy_head.moves if config.policy_head == "conv" else None,
        ):
            if layer is not None:
                layer.weight.mul_(10)
    return net


@cache
def game_positions(count: int) -> NDArray[np.uint64]:
    """uint64[count, 8]: positions with legal moves of real games, an even spread over all plies."""
    found = []
    path = Path(__file__).resolve().parents[2] / "data/games/lichess_2025-05_sample.pgn"
    with path.open(encoding="utf-8") as file:
        while len(found) < 6 * count and (game := chess.pgn.read_game(file)) is not None:
            board = game.board()
            for move in game.mainline_moves():
                found.append(from_fen(board.fen()))
                board.push(move)
    return np.random.default_rng(0).permutation(np.stack(found))[:count]
