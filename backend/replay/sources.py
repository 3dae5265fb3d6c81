"""Windows over the games that a run has: its own, or those it imported."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from backend.config import Config
from backend.errors import ReplayError
from backend.replay.imports import LEARNED
from backend.replay.mixture import Mixture
from backend.replay.sampler import Sampler
from backend.replay.shards import list_shards, read_metadata
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.training.curriculum import SELF_PLAY

IMPORTED_KINDS: Final = ("pgn", "puzzles", "epd", "teacher")
"""Sources that a mix may name before anything of them was imported: files train-<kind>-…"""


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
        added += _add(window, path, config)
    return window, added - window.num_positions


def _add(window: Window, path: Path, config: Config) -> int:
    """Positions of an imported shard. ReplayError where its moves are turned the other way."""
    orientation = read_metadata(path).orientation
    if orientation != config.model.orientation:
        raise ReplayError(
            f"{path}: written in orientation {orientation!r}, this run has "
            f"{config.model.orientation!r}; import the games into a run of their own"
        )
    return window.add(path.name)


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


def is_mixed(config: Config) -> bool:
    """Whether the settings ask for more than one source, or for phases."""
    return bool(config.training.mix or config.curriculum)


def mixture_of(
    run: RunDirectory,
    config: Config,
    rng: np.random.Generator,
    own_games: Window,
    say: Callable[[str], None],
    *,
    all_alike: bool,
) -> Mixture:
    """Draws from the run's own games and from what it imported, as [training.mix] has it.

    Without a mix, phases draw from the run's own games, for which the trainer waits; or,
    `all_alike`, from every position there is, which is all there will be.
    """
    windows = {SELF_PLAY: own_games}
    for kind, paths in imported_shards(run).items():
        windows[kind] = Window(run.imported, config.replay.window_positions)
        added = sum(_add(windows[kind], path, config) for path in paths)
        if left_out := added - windows[kind].num_positions:
            say(
                f"source {kind}: {left_out:,} positions do not fit the window of "
                f"{config.replay.window_positions:,} (replay.window_positions)"
            )
    return Mixture(
        {name: (window, sampler_of(window, config, rng)) for name, window in windows.items()},
        config.training.mix or ({} if all_alike else {SELF_PLAY: 1.0}),
        config.curriculum,
        rng,
        mirror_frac=config.training.mirror_frac,
        say=say,
        awaited="" if all_alike else SELF_PLAY,
    )


def imported_shards(run: RunDirectory) -> dict[str, list[Path]]:
    """The shards to learn from by their source; every known kind, though it may have none."""
    return {kind: list_shards(run.imported, f"train-{kind}-") for kind in IMPORTED_KINDS}
