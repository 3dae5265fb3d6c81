"""`matrix0 diff`: two checkpoints of a run beside each other."""

from typing import Annotated

import typer

from backend.errors import CheckpointError
from matrix0.commands.options import CheckpointArgument, JsonOption, RunOption, echo


def diff(
    name: CheckpointArgument,
    run: RunOption,
    other: Annotated[
        str,
        typer.Argument(
            metavar="[OTHER]", help="The one it is held against; else the best.", show_default=False
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Say what differs between two checkpoints: losses, settings of the network, its weights.

    Nothing is written, and the run may be at work. On the screen: d among the checkpoints.
    """
    import msgspec

    from backend.compare.networks import compared, in_lines
    from backend.rundir import RunDirectory
    from backend.store.reading import best_network

    directory = RunDirectory(run)
    directory.read_config()
    against = other or (best_network(directory.database) if directory.database.exists() else "")
    if not against:
        raise CheckpointError(f"{run}: there is no best network yet; name the other checkpoint")
    found = compared(directory.checkpoints, against, name)
    if as_json:
        echo(msgspec.json.encode(found))
        return
    for line in in_lines(found):
        echo(line)
