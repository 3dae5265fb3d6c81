"""`matrix0-tui`: settle which run and which settings, then the screen, or headless progress."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from backend.errors import ExitCode, Matrix0Error
from matrix0.commands.options import (
    FIRST_PRESET,
    ConfigOption,
    JsonOption,
    PresetOption,
    SetOption,
    asked_settings,
    say,
    say_differences,
)


class UsageError(Matrix0Error):
    """Options that contradict each other, or that this terminal cannot serve."""

    exit_code = ExitCode.USAGE


def control_centre(
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Run directory; without it runs/PRESET.", show_default=False),
    ] = None,
    preset: PresetOption = None,
    file: ConfigOption = None,
    overrides: SetOption = None,
    no_ui: Annotated[
        bool, typer.Option("--no-ui", help="No screen: print progress, end with a summary.")
    ] = False,
    cycles: Annotated[
        int, typer.Option(min=0, help="Stop after this many cycles of the run; 0 means never.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a chess network and watch it learn.

    Starts the run's supervisor, or joins the one that is at work, and opens the control centre.
    Leaving the screen with q lets the training go on.
    """
    if as_json and not no_ui:
        raise UsageError("--json goes with --no-ui")
    if not no_ui and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the control centre needs a terminal; without one use --no-ui")

    from backend.rundir import RunDirectory

    directory = RunDirectory(run if run is not None else Path("runs") / (preset or FIRST_PRESET))
    config, preset = asked_settings(directory, preset, file, overrides or [])
    if no_ui:
        from backend.headless import run_headless

        raise typer.Exit(run_headless(directory.path, config, preset, cycles, as_json))

    from backend.processes import start_detached
    from tui.app import run_app

    directory.create()
    holder = directory.holder()
    if holder is not None and not holder.is_supervisor:
        raise holder.refusal(directory.path)
    say_differences(directory, directory.settle(config, preset)[1])
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    if holder is not None:
        if cycles:
            say(f"{directory.path} is already at work: --cycles {cycles} changes nothing")
        raise typer.Exit(run_app(directory.path, ascii=ascii_only))
    supervisor = start_detached(directory, cycles=cycles)
    code = run_app(directory.path, ascii=ascii_only, supervisor_exit=supervisor.poll)
    raise typer.Exit(code)
