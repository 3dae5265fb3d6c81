"""Games of matches, an hour: many boards batched through one network against one game at a time."""

import time

import torch
from _table import Row, options, show

from backend.config import InferenceConfig, SearchConfig
from backend.device import choose_device
from backend.evaluation.lineup import match_batch
from backend.evaluation.match import play_match
from backend.evaluation.openings import random_openings
from backend.evaluation.players import NetworkPlayer
from backend.inference.choose import Chooser
from backend.inference.front import Inference
from backend.settings import build_config
from model.net import ChessNet

MAX_PLIES = 100
BOARDS = 64


def games_per_hour(inference: Inference, search: SearchConfig, *, pairs: int, boards: int) -> float:
    """A whole match of a network against itself, the same openings for each number of boards."""
    players = [
        NetworkPlayer(
            str(side),
            inference,
            search,
            simulations=search.simulations,
            slots=boards,
            orientation=inference.orientation,
            seed=side,
        )
        for side in (0, 1)
    ]
    openings = random_openings(pairs, 6, seed=1)
    began = time.perf_counter()
    play_match(players[0], players[1], openings, max_plies=MAX_PLIES, slots=boards)
    return 2 * pairs * 3600 / (time.perf_counter() - began)


def main() -> None:
    parser = options(__doc__)
    parser.parse_args()
    torch.set_num_threads(1)
    config = build_config("tiny")
    device = choose_device(config.device)
    net = ChessNet(config.model)

    def ready(boards: int, way: InferenceConfig) -> Inference:
        chooser = Chooser(way, device, batch=match_batch(boards), replay=None, seed=0)
        return chooser.choose(net).inference

    eager = InferenceConfig(backend="torch", precision="float32")
    many = ready(BOARDS, config.inference)
    games_per_hour(many, config.search, pairs=1, boards=2)
    batched = games_per_hour(many, config.search, pairs=BOARDS // 2, boards=BOARDS)
    rows = [
        Row(
            what=f"tiny against itself, {config.search.simulations} simulations, {BOARDS} boards",
            value=batched,
            unit="games/h",
            baseline=games_per_hour(ready(1, way), config.search, pairs=2, boards=1),
            against=f"one game at a time, {name}",
        )
        for name, way in (("the same runtime", config.inference), ("torch float32", eager))
    ]
    show("Matches", rows, parser)


if __name__ == "__main__":
    main()
