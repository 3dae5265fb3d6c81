"""`matrix0 play`: a game in the terminal against a network, a mover or an engine of others."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from backend.errors import ConfigError
from matrix0.commands.modes import UsageError
from matrix0.commands.options import AsciiOption, has_ascii_alone


def play(
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Run directory whose best network plays.", show_default=False),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network", help="Checkpoint: a directory, or its name in the run.", show_default=False
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="Opponent, as in stockfish:nodes=100, or random, greedy.",
            show_default=False,
        ),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            "--clock", help="Minutes and seconds added after a move, as in 5+3.", show_default=False
        ),
    ] = None,
    ascii: AsciiOption = False,
) -> None:
    """Play chess here: click, type moves, or use the arrows; ? shows all keys."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("play needs a terminal")

    from backend.play.clock import parse_time_control
    from backend.play.opponents import named, opponents
    from backend.rundir import RunDirectory
    from tui.glyphs import ASCII, UNICODE
    from tui.hangup import end_with_terminal
    from tui.playapp import PlayApp
    from tui.screens.play import new_play

    directory = None if run is None else RunDirectory(run)
    if directory is not None and not directory.exists:
        raise ConfigError(f"{directory.path}: there is no run; matrix0-tui begins one")
    watcher = None if network is None else named(network, directory)
    opponent = named(engine, directory) if engine else watcher or opponents(directory)[0]
    glyphs = ASCII if ascii or has_ascii_alone() else UNICODE
    control = None if clock is None else parse_time_control(clock)
    screen = new_play(directory, glyphs, opponent, watcher, control)
    end_with_terminal()
    raise typer.Exit(PlayApp(screen).run() or 0)
