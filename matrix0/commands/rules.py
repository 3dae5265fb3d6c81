"""`matrix0 perft`: count the leaves of the tree of legal moves, the classic test of a generator."""

import time
from typing import Annotated

import typer

from matrix0.commands.options import echo


def perft(
    fen: Annotated[str, typer.Argument(metavar="FEN", help="Position (in quotes), or startpos.")],
    depth: Annotated[int, typer.Argument(metavar="DEPTH", min=0, help="Plies.")],
    divide: Annotated[bool, typer.Option("--divide", help="Show the count below each move.")] = (
        False
    ),
) -> None:
    """Count the positions DEPTH plies below FEN."""
    from model.rules import START_FEN, from_fen
    from model.rules import divide as count_below
    from model.rules import perft as count

    try:
        position = from_fen(START_FEN if fen == "startpos" else fen)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="FEN") from error
    count(position, 1)  # Load or compile the kernels outside the measurement.
    started = time.perf_counter()
    if divide and depth > 0:
        below = count_below(position, depth)
        nodes = sum(below.values())
    else:
        below = {}
        nodes = count(position, depth)
    seconds = time.perf_counter() - started
    for move, leaves in below.items():
        echo(f"{move}: {leaves}")
    echo(f"{nodes} nodes in {seconds:.3f} s ({nodes / max(seconds, 1e-9) / 1e6:.1f} M/s)")
