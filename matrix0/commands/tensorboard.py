"""`matrix0 tensorboard`: the curves of a run as files that TensorBoard shows."""

from pathlib import Path
from typing import Annotated

import typer

from matrix0.commands.options import echo


def tensorboard(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Where the event files go; default: RUN/tensorboard.")
    ] = None,
) -> None:
    """Export the curves of a run for TensorBoard; needs the optional extra [tensorboard]."""
    from backend.errors import RunDirectoryError
    from backend.event_files import export_curves
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    if not directory.exists:
        raise RunDirectoryError(f"{directory.path} holds no run")
    target = out or directory.path / "tensorboard"
    written = export_curves(directory, target)
    echo(f"{written.points:,} points of {written.curves} curves; tensorboard --logdir {target}")
