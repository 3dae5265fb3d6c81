"""What a run's trainer draws from: its own games alone or, where the settings mix, more sources.

Samples of the run's own games cost credits; those of imported games cost none, and nobody waits for
self-play in a phase that has no use for it.
"""

from collections.abc import Callable, Mapping

import numpy as np

from backend.config import Config
from backend.replay.mixture import Mixture, Phase
from backend.replay.sampler import Draws
from backend.replay.sources import is_mixed, mixture_of, sampler_of
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.training.curriculum import SELF_PLAY


class Feed:
    """Owns what is drawn from; `draws` is for the loader."""

    def __init__(
        self, run: RunDirectory, config: Config, own_games: Window, say: Callable[[str], None]
    ) -> None:
        """ReplayError when the mix names an unknown source, or imported games are unfit."""
        rng = np.random.default_rng([config.seed, 1])
        self._batch_size = config.training.batch_size
        self._mixture: Mixture | None = None
        self.draws: Draws
        if is_mixed(config):
            self._mixture = mixture_of(run, config, rng, own_games, say, all_alike=False)
            self.draws = self._mixture
        else:
            self.draws = sampler_of(own_games, config, rng)
        self._phase = -1

    def needed(self, step: int) -> int:
        """Positions of the run's own games that the batch after `step` steps may hold."""
        if self._mixture is None:
            return self._batch_size
        return self._mixture.most(SELF_PLAY, self._batch_size, step)

    def imported(self, drawn: Mapping[str, int]) -> int:
        """Of a batch with these positions by source, those that cost no credits."""
        return sum(count for source, count in drawn.items() if source != SELF_PLAY)

    def new_phase(self, step: int) -> Phase | None:
        """The phase of the step after `step` steps, if it is another one than when last asked."""
        if self._mixture is None or (number := self._mixture.phase(step)) == self._phase:
            return None
        self._phase = number
        return self._mixture.describe(number)
