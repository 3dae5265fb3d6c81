"""What a search adds to an untrained network: enough to learn from, with either root rule."""

import numpy as np
import pytest
import torch

from backend.config import DeviceConfig
from backend.device import choose_device
from backend.inference.front import Inference
from backend.presets import PRESETS
from model.config import ModelConfig
from model.net import ChessNet
from tests.positions import random_positions
from tests.search.setups import make_search

NUM_GAMES = 24
SIMULATIONS = 64


@pytest.fixture(scope="module")
def untrained() -> Inference:
    torch.set_num_threads(1)
    net = ChessNet(ModelConfig(**PRESETS["tiny"]["model"]), torch.Generator().manual_seed(0))
    return Inference(net, choose_device(DeviceConfig(kind="cpu")))


@pytest.mark.parametrize(("root", "least_kl"), [("gumbel", 0.15), ("puct", 0.05)])
def test_the_target_differs_clearly_from_an_untrained_prior(
    root: str, least_kl: float, untrained: Inference
) -> None:
    """A target that repeats the prior teaches nothing, though its loss looks healthy.

    Values of an untrained network are all alike, so what puct adds here is its root noise.
    """
    search = make_search(
        root, num_games=NUM_GAMES, max_simulations=SIMULATIONS, gumbel_considered=16
    )
    for game, position in enumerate(random_positions(NUM_GAMES, seed=5)):
        search.start(game, position)
        search.begin(game, SIMULATIONS, noise=True)
    kl = []
    while len(kl) < NUM_GAMES:
        for game in search.step(untrained):
            result = search.result(game)
            ratio = np.maximum(result.policy, 1e-12) / result.priors
            kl.append(float((result.policy * np.log(ratio)).sum()))
    assert np.mean(kl) > least_kl
