"""From a name to a player: a checkpoint of the run, or a mover that needs no network."""

from pathlib import Path

from backend.config import BASELINES, Config
from backend.device import Device
from backend.evaluation.players import GreedyPlayer, NetworkPlayer, Player, RandomPlayer
from backend.inference import Inference
from backend.weights import load_network


def make_player(
    name: str,
    checkpoints: Path,
    config: Config,
    device: Device,
    *,
    simulations: int,
    slots: int,
    seed: int,
) -> Player:
    """The player called `name`, with room for `slots` boards.

    `name` is random, greedy, or a checkpoint's directory under `checkpoints`. CheckpointError when
    there is no such checkpoint, or it is damaged.
    """
    if name in BASELINES:
        return RandomPlayer(seed) if name == "random" else GreedyPlayer(seed)
    net = load_network(checkpoints / name)
    return NetworkPlayer(
        name,
        Inference(net, device),
        config.search,
        simulations=simulations,
        slots=slots,
        orientation=net.config.orientation,
        seed=seed,
    )
