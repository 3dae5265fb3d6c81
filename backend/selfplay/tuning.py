"""How many games at once: found at the start of a worker by playing for a moment with each number.

    games              32      64     128     256
    evaluations/s    12.1    14.0    14.9    15.0   thousand

The number doubles as long as that pays. Of those that are nearly as fast as the fastest the
smallest is taken: fewer games end sooner, and fewer of their moves are an older network's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import psutil
import torch

from backend.config import SearchConfig, SelfPlayConfig
from backend.inference.front import Inference
from backend.search.search import Search
from backend.selfplay.groups import GroupedSelfPlay

FIRST_ON_CPU: Final = 32
FIRST_ON_GPU: Final = 384
MOST_GAMES: Final = 16_384
_GAIN_THAT_PAYS: Final = 1.05
_MEMORY_SHARE: Final = 0.125
"""Of the free memory of the machine, for the trees of one worker."""
_SECONDS: Final = 0.4
_FEWEST_STEPS: Final = 3

Trying = Callable[[int], bool]
"""Told the number of games that would be tried next; False ends the search for it."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The number of games that was taken, and what was measured."""

    games: int
    tried: tuple[int, ...]
    evaluations_per_s: tuple[float, ...]
    """Of each number tried; on a CPU by processor time, as other processes come and go."""


def tune_games(
    config: SelfPlayConfig, search: SearchConfig, inference: Inference, groups: int, trying: Trying
) -> Tuned:
    """Play with `inference` in `groups` groups. Kernels should be compiled before."""

    def speed(num_games: int) -> float:
        return measure(replace(config, games=num_games), search, inference, groups)

    first = FIRST_ON_CPU if inference.device.kind == "cpu" else FIRST_ON_GPU
    return sweep(speed, trying, first=first, most=max(first, affordable_games(search)))


def sweep(speed: Callable[[int], float], trying: Trying, *, first: int, most: int) -> Tuned:
    """Double from `first` up to `most` while `speed`, a rate, grows. `first` is always tried."""
    trying(first)
    tried = [first]
    rates = [speed(first)]
    while tried[-1] * 2 <= most and trying(tried[-1] * 2):
        tried.append(tried[-1] * 2)
        rates.append(speed(tried[-1]))
        if rates[-1] < rates[-2] * _GAIN_THAT_PAYS:
            break
    enough = max(rates) / _GAIN_THAT_PAYS
    games = next(n for n, rate in zip(tried, rates, strict=True) if rate >= enough)
    return Tuned(games=games, tried=tuple(tried), evaluations_per_s=tuple(rates))


def measure(
    config: SelfPlayConfig, search: SearchConfig, inference: Inference, groups: int
) -> float:
    """Evaluations a second of real self-play with `config.games` games."""
    on_cpu = inference.device.kind == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    orientation = inference.orientation
    games = GroupedSelfPlay(
        config, search, inference, groups=groups, orientation=orientation, seed=0
    )
    try:
        for _ in range(groups):
            games.step()  # The network may be compiled for this batch now.
        before, began, ends_at = inference.evaluations, clock(), time.perf_counter() + _SECONDS
        steps = 0
        while steps < _FEWEST_STEPS * groups or time.perf_counter() < ends_at:
            games.step()
            steps += 1
        elapsed_s = clock() - began
    finally:
        games.close()
    threads = torch.get_num_threads() if on_cpu else 1
    return (inference.evaluations - before) * threads / elapsed_s


def affordable_games(search: SearchConfig) -> int:
    """Games whose trees fit a worker's share of the memory that is free now."""
    free = psutil.virtual_memory().available
    return min(MOST_GAMES, int(free * _MEMORY_SHARE / game_bytes(search)))


def game_bytes(search: SearchConfig) -> int:
    """Memory of the tree of one game."""
    one = Search(
        search, num_games=1, max_simulations=search.simulations, orientation="mover", seed=0
    )
    return one.num_bytes
