"""Windows over the games that a run has: its own, or those it imported."""

from pathlib import Path

import numpy as np

from backend.config import Config
from backend.errors import ReplayError
from backend.replay.imports import LEARNED
from backend.replay.sampler import Sampler
from backend.replay.shards import list_shards, read_metadata
from backend.replay.window import Window
from backend.rundir import RunDirectory


def window_of_shards(directory: Path, prefix: str, config: Config) -> tuple[Window, int]:
    """All shards with this prefix, and how many positions were more than the window holds.

    ReplayError when there is none, or one of the other orientation.
    """
    paths = list_shards(directory, prefix)
    if not paths:
        raise ReplayError(
            f"{directory}: no shard {prefix}-…; bring in more games: "
            "matrix0 import pgn FILE… --run DIR"
        )
    window = Window(directory, config.replay.window_positions)
    added = 0
    for path in paths:
        orientation = read_metadata(path).orientation
        if orientation != config.model.orientation:
            raise ReplayError(
                f"{path}: written in orientation {orientation!r}, this run has "
                f"{config.model.orientation!r}; import the games into a run of their own"
            )
        added += window.add(path.name)
    return window, added - window.num_positions


def window_of_run(run: RunDirectory, config: Config) -> Window:
    """The run's own games, else those it imported to learn from. ReplayError without either."""
    for folder, prefix in ((run.replay, ""), (run.imported, LEARNED)):
        if list_shards(folder, prefix):
            return window_of_shards(folder, prefix, config)[0]
    raise ReplayError(f"{run.path}: no games yet; play some, or matrix0 import pgn FILE… --run DIR")


def sampler_of(window: Window, config: Config, rng: np.random.Generator) -> Sampler:
    """Draws from `window` as training does."""
    training = config.training
    return Sampler(
        window,
        rng,
        training.search_value_frac,
        training.mirror_frac,
        looks_ahead=config.model.looks_ahead,
    )
