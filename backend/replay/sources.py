"""Windows over the games that a run has: its own, or those it imported."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.config import Config
from backend.errors import ReplayError
from backend.replay.imports import LEARNED
from backend.replay.mixture import Mixture, Source
from backend.replay.provenance import KINDS
from backend.replay.rescored import OnDamage, refuse, set_aside
from backend.replay.sampler import Sampler
from backend.replay.shards import list_shards, read_metadata
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.training.curriculum import SELF_PLAY


def window_of_shards(
    directory: Path, prefix: str, config: Config, on_damage: OnDamage = refuse
) -> tuple[Window, int]:
    """All shards with this prefix, and how many positions were more than the window holds.

    ReplayError when there is none, or one of the other orientation.
    """
    paths = list_shards(directory, prefix)
    if not paths:
        raise ReplayError(
            f"{directory}: no shard {prefix}…; bring in more games: "
            "matrix0 import pgn FILE… --run DIR"
        )
    own = prefix != LEARNED
    replay = config.replay
    capacity = replay.window_positions if own else replay.imported_positions
    window = Window(directory, capacity, on_damage)
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
        windows[kind] = Window(
            run.imported,
            config.replay.imported_positions,
            lambda path, error: say(set_aside(path, error)),
        )
        added = sum(_add(windows[kind], path, config) for path in paths)
        if left_out := added - windows[kind].num_positions:
            say(
                f"source {kind}: {left_out:,} positions are more than "
                f"{config.replay.imported_positions:,} (replay.imported_positions)"
            )
    named = frozenset(
        name
        for mix in (config.training.mix, *(phase.mix for phase in config.curriculum))
        for name in mix
        if name not in KINDS
    )
    return Mixture(
        _split(windows, named, config, rng),
        config.training.mix or ({} if all_alike else {SELF_PLAY: 1.0}),
        config.curriculum,
        rng,
        mirror_frac=config.training.mirror_frac,
        say=say,
        awaited="" if all_alike else SELF_PLAY,
    )


def _split(
    windows: Mapping[str, Window],
    named: frozenset[str],
    config: Config,
    rng: np.random.Generator,
) -> dict[str, Source]:
    """A source for each kind and for each file that the mix names: its positions go by its name.

    Of a name that two kinds have, the first kind's is meant. ReplayError where nothing was imported
    from such a file.
    """
    sources: dict[str, Source] = {}
    known: set[str] = set()
    for kind, window in windows.items():
        names = window.labels.names() - known if kind != SELF_PLAY else set()
        known |= names
        taken = frozenset(names & named)
        sources[kind] = Source(window, sampler_of(window, config, rng), but=taken)
        for name in sorted(taken):
            sources[name] = replace(sources[kind], only=frozenset({name}), but=frozenset())
    if unknown := sorted(named - known):
        listed = ", ".join([*windows, *sorted(known)])
        raise ReplayError(f"mix: no source {unknown[0]!r} (there are: {listed})")
    return sources


def imported_shards(run: RunDirectory) -> dict[str, list[Path]]:
    """The shards to learn from by their kind; every kind, though there may be none of it."""
    return {
        kind: list_shards(run.imported, f"{LEARNED}{kind}-") for kind in KINDS if kind != SELF_PLAY
    }
