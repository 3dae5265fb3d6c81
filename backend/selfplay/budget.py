"""How long each move of self-play is searched, and how much its position then counts.

Playout-cap randomisation (Wu 2019, "Accelerating self-play learning in Go", section 3.1): a random
share of the moves gets a full search, and only they teach the policy. The others get a cheap one,
without noise, so that games end sooner and the value head sees more results for the same work.

The number of simulations may grow with the network that plays: an early value says too little to be
worth many. Cheap searches grow in proportion. No budget is ever above `[search] simulations`, for
which the trees have room.
"""

from dataclasses import dataclass

import numpy as np

from backend.config import SelfPlayConfig
from backend.replay.records import CHEAP_SEARCH, FULL_SEARCH


@dataclass(frozen=True, slots=True)
class Budget:
    """One search to come."""

    simulations: int
    kind: int
    """FULL_SEARCH or CHEAP_SEARCH."""
    weight: float = 1.0
    """Importance of the position in the losses, above 0."""

    @property
    def is_full(self) -> bool:
        """A full search is noisy and teaches the policy."""
        return self.kind == FULL_SEARCH


class Budgets:
    """Draws the budget of each search; `step` is the training step of the network that plays."""

    def __init__(self, config: SelfPlayConfig, simulations: int, *, step: int = 0) -> None:
        self.step = step
        self._config = config
        self._simulations = simulations

    @property
    def full(self) -> int:
        """Simulations of a full search with this network."""
        start = self._config.simulations_start
        if start == 0 or start >= self._simulations:
            return self._simulations
        progress = min(1.0, self.step / self._config.simulations_grow_steps)
        return round(start + (self._simulations - start) * progress)

    @property
    def cheap(self) -> int:
        """Simulations of a cheap search with this network, at most as many as of a full one."""
        cheap = self._config.cheap_simulations * self.full / self._simulations
        return min(self.full, max(1, round(cheap)))

    def draw(self, rng: np.random.Generator, *, decided: float = 0.0) -> Budget:
        """The budget of the next search; asks `rng` only if some searches are cheap.

        `decided` (0 to 1) is how far the game is decided: it leads from a budget and weight as
        usual to those of a soft resignation.
        """
        least = min(self.full, self._config.soft_resign_simulations)
        full = round(self.full + decided * (least - self.full))
        weight = 1.0 + decided * (self._config.soft_resign_weight - 1.0)
        share = self._config.full_search_frac
        if share >= 1.0 or rng.random() < share:
            return Budget(full, FULL_SEARCH, weight)
        return Budget(min(full, self.cheap), CHEAP_SEARCH, weight)
