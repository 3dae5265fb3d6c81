"""The games of a worker, dealt out to groups that take turns with the network.

Each group plays as if it were alone, with its own generator and its own calibration of resigning;
`backend.search.pipeline` draws how they alternate.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import GameRecord
from backend.search.evaluator import Evaluate
from backend.search.pipeline import Pipeline
from backend.selfplay.games import Glimpse, SelfPlay
from backend.selfplay.resign import Resignation
from backend.selfplay.tally import Tally, total
from model.config import Orientation

GPU_GROUPS = 3
"""One with the network, one in each of two search threads."""
UNTUNED_GAMES = 128


def num_groups(config: SelfPlayConfig, device_kind: str) -> int:
    """Groups of games on this device: on a CPU searching aside takes from the network."""
    if device_kind == "cpu":
        return config.groups or 1
    automatic = GPU_GROUPS if config.games == "auto" else min(GPU_GROUPS, config.games)
    return config.groups or automatic


def batch_size(config: SelfPlayConfig, groups: int) -> int:
    """Positions of a full batch; while the number of games is not measured, a usual one."""
    games = UNTUNED_GAMES if config.games == "auto" else config.games
    return math.ceil(games / groups)


class GroupedSelfPlay:
    """Plays `config.num_games` games in `groups` groups; to be closed."""

    def __init__(
        self,
        config: SelfPlayConfig,
        search: SearchConfig,
        evaluate: Evaluate,
        *,
        groups: int,
        orientation: Orientation,
        seed: int,
        step: int = 0,
    ) -> None:
        """`step` is the training step of the network behind `evaluate`."""
        self.num_games = config.num_games
        self._evaluate = evaluate
        self._groups = [
            SelfPlay(
                replace(config, games=len(range(number, config.num_games, groups)), groups=1),
                search,
                evaluate,
                orientation=orientation,
                seed=int(group_seed),
                step=step,
            )
            for number, group_seed in enumerate(np.random.SeedSequence(seed).generate_state(groups))
        ]
        self._pipeline = Pipeline(self._groups, config.search_threads or groups - 1)

    def step(self) -> Sequence[GameRecord]:
        """One leaf for each game of one group; returns games that have ended."""
        return self._pipeline.step(self._evaluate)

    def use(self, evaluate: Evaluate, *, step: int) -> list[GameRecord]:
        """Go on with another network; returns games that had ended with the old one."""

        def change() -> None:
            for group in self._groups:
                group.use(evaluate, step=step)

        self._evaluate = evaluate
        return self._pipeline.restart(change)

    def retune(self, config: SelfPlayConfig, search: SearchConfig) -> list[GameRecord]:
        """Go on with other settings, in as many games and groups; returns games that had ended."""

        def change() -> None:
            for group in self._groups:
                group.retune(replace(config, games=group.num_games, groups=1), search)

        return self._pipeline.restart(change)

    def close(self) -> None:
        """End the search threads."""
        self._pipeline.close()

    @property
    def num_groups(self) -> int:
        return len(self._groups)

    @property
    def tally(self) -> Tally:
        """Of all groups together."""
        return total(group.tally for group in self._groups)

    @property
    def mean_ply(self) -> float:
        """Plies played so far in a running game, on average."""
        return sum(group.mean_ply * group.num_games for group in self._groups) / self.num_games

    @property
    def simulations(self) -> int:
        """Simulations of a full search with the network in use."""
        return self._groups[0].simulations

    @property
    def glimpse(self) -> Glimpse | None:
        """Of the first game of the first group."""
        return self._groups[0].glimpse

    @property
    def resignation(self) -> Resignation:
        """The calibration of the first group."""
        return self._groups[0].resignation
