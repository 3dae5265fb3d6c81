"""`--from`: a run that starts from a network that is there."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import CheckpointError, ConfigError, RunDirectoryError
from matrix0.commands.options import say

if TYPE_CHECKING:
    from backend.config import Config
    from backend.rundir import RunDirectory

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="NETWORK",
        help="A checkpoint, or a run (its best): a new run starts from its network.",
        show_default=False,
    ),
]


def starting_from(
    network: Path, directory: "RunDirectory", config: "Config", preset: str, role: str
) -> "Config":
    """Makes a network step 0 of the run, if it is not yet; the settings, with its sizes.

    Called again it does nothing, so the same command line goes on with the run. `role` is the
    command as a person types it. CheckpointError, ConfigError and RunDirectoryError say what is in
    the way.
    """
    from backend.checkpoints import read_manifest
    from backend.engine.network import find_network
    from backend.start import is_started_from, start_from

    if network.is_file():
        raise CheckpointError(
            f"{network}: a file, --from takes a directory: a checkpoint or a run; one of the "
            f"earlier program comes in by matrix0 import checkpoint {network} --run DIR"
        )
    found = find_network(network)
    manifest = read_manifest(found.path)
    try:
        config = replace(config, model=manifest.model)
    except ValueError as error:
        raise ConfigError(f"--from {network}: {error}") from error
    if is_started_from(directory, manifest):
        return config
    directory.create()
    with directory.lock(role):
        kept, _ = directory.settle(config, preset)
        if kept.model != manifest.model:
            raise RunDirectoryError(
                f"{directory.path}: made for another network than {found.path}; choose a new --run"
            )
        start_from(found.path, directory)
    say(f"{directory.path} starts from {found.path}, {found.reason}")
    return config
