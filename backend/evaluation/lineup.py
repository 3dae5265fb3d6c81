"""From a name to a player: a checkpoint of the run, an engine of others, a simple mover."""

import os
from collections.abc import Callable

from backend.config import BASELINES, SearchConfig
from backend.evaluation.engines import names_engine, parse_engine
from backend.evaluation.external import NO_LOG, ExternalPlayer
from backend.evaluation.leash import Leash
from backend.evaluation.players import GreedyPlayer, NetworkPlayer, Player, RandomPlayer
from backend.inference.front import Inference


def make_player(
    name: str,
    load: Callable[[str], Inference],
    search: SearchConfig,
    *,
    simulations: int,
    slots: int,
    seed: int,
    leash: Leash = NO_LOG,
) -> Player:
    """The player called `name`, with room for `slots` boards.

    `name` is random, greedy, an engine as `backend.evaluation.engines` says, or a checkpoint, which
    `load` makes ready to play; `leash` holds the engine. What `load` raises passes through. To be
    closed.
    """
    if names_engine(name):
        spec, processes = parse_engine(name), min(slots, os.cpu_count() or 1)
        return ExternalPlayer(spec, processes=processes, leash=leash)
    if name in BASELINES:
        return RandomPlayer(seed) if name == "random" else GreedyPlayer(seed)
    inference = load(name)
    return NetworkPlayer(
        name,
        inference,
        search,
        simulations=simulations,
        slots=slots,
        orientation=inference.orientation,
        seed=seed,
    )


def match_batch(slots: int) -> int:
    """Positions that a player at `slots` boards judges at once: it has the move at half of them."""
    return max(1, slots // 2)
