"""Before any training every legal move is nearly as probable as any other, for every preset."""

import numpy as np
import pytest
import torch

from backend.presets import PRESETS
from model.config import ModelConfig
from model.encoding import encode_planes
from model.losses import policy_loss
from model.net import ChessNet
from tests.positions import legal_index, random_positions


def mean_entropy_share(config: ModelConfig, num_positions: int) -> float:
    """Mean entropy of the masked policy over the mean entropy of the uniform one."""
    positions = random_positions(num_positions, seed=11)
    index, num_moves = legal_index(positions, config.orientation)
    net = ChessNet(config).eval()
    with torch.inference_mode():
        output = net(torch.from_numpy(encode_planes(positions, config.orientation)))
    listed = np.arange(index.shape[1]) < num_moves[:, None]
    loss = policy_loss(
        output.policy_logits_BM,
        torch.from_numpy(index.astype(np.int64)),
        torch.from_numpy((listed / num_moves[:, None]).astype(np.float32)),
        torch.from_numpy(num_moves.astype(np.int64)),
        torch.ones(num_positions),
    )
    return loss.entropy.item() / float(np.log(num_moves).mean())


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_untrained_policy_keeps_nine_tenths_of_the_uniform_entropy(preset: str) -> None:
    config = ModelConfig(**PRESETS[preset].get("model", {}))
    assert mean_entropy_share(config, 6 if preset == "flagship" else 48) >= 0.9


def test_untrained_policy_and_value_depend_on_the_position() -> None:
    """Almost uniform must not mean dead: another board gives other logits."""
    config = ModelConfig(**PRESETS["tiny"]["model"])
    planes = torch.from_numpy(encode_planes(random_positions(2, seed=3), "mover"))
    output = ChessNet(config).eval()(planes)
    assert (output.policy_logits_BM[0] - output.policy_logits_BM[1]).abs().max() > 1e-4
    assert (output.wdl_logits_B3[0] - output.wdl_logits_B3[1]).abs().max() > 1e-4
