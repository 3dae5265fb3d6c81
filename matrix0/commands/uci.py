"""`matrix0-uci`: the engine for chess interfaces, over standard input and output."""

import os
import sys
from typing import Annotated

import typer

from backend.errors import ExitCode


def uci(
    network: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Run directory, whose best network plays, or checkpoint directory. "
            "Default: the newest best below ./runs. Also the UCI option Network.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Play chess by the UCI protocol; for adding to a chess interface."""
    from backend.uci.options import Options
    from backend.uci.program import Program
    from matrix0 import __version__

    program = Program(version=__version__, options=Options(network=network))
    program.run(sys.stdin.fileno(), sys.stdout)
    # There is nothing to save, and what may still be loading or compiling cannot be stopped.
    os._exit(ExitCode.DONE)
