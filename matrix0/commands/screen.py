"""`matrix0-tui`: settle which run and which settings, then the screen, or headless progress."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import ExitCode, Matrix0Error, RunDirectoryError
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

if TYPE_CHECKING:
    from backend.rundir import RunDirectory


class UsageError(Matrix0Error):
    """Options that contradict each other, or that this terminal cannot serve."""

    exit_code = ExitCode.USAGE


def control_centre(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]", help="With --list: where; without it runs.", show_default=False
        ),
    ] = None,
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
    list_runs: Annotated[
        bool, typer.Option("--list", help="Show all runs and how they stand, and exit.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Watch a run at work; the screen takes no orders.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a chess network and watch it learn.

    Starts the run's supervisor, or joins the one that is at work, and opens the control centre.
    Leaving the screen with q lets the training go on.
    """
    if list_runs:
        _show_runs(folder or Path("runs"), as_json)
        return
    if folder is not None:
        raise UsageError(f"{folder}: a directory is given with --list; a run with --run")
    if as_json and not no_ui:
        raise UsageError("--json goes with --no-ui or --list")
    if read_only and (no_ui or cycles or preset or file or overrides):
        raise UsageError("--read-only starts nothing and changes nothing: it goes with --run alone")
    if not no_ui and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the control centre needs a terminal; without one use --no-ui")

    from backend.rundir import RunDirectory

    directory = RunDirectory(run if run is not None else Path("runs") / (preset or FIRST_PRESET))
    if read_only:
        raise typer.Exit(_watch(directory))
    config, preset = asked_settings(directory, preset, file, overrides or [])
    if no_ui:
        from backend.headless import run_headless

        raise typer.Exit(run_headless(directory.path, config, preset, cycles, as_json))

    from backend.processes import start_detached
    from tui.app import run_app
    from tui.keymap import keymap

    keymap(config.keys)
    directory.create()
    holder = directory.holder()
    if holder is not None and not holder.is_supervisor:
        raise holder.refusal(directory.path)
    say_differences(directory, directory.settle(config, preset)[1])
    if holder is not None:
        if cycles:
            say(f"{directory.path} is already at work: --cycles {cycles} changes nothing")
        raise typer.Exit(run_app(directory.path, ascii=_is_ascii_only(), keys=config.keys))
    supervisor = start_detached(directory, cycles=cycles)
    code = run_app(
        directory.path,
        ascii=_is_ascii_only(),
        supervisor_exit=supervisor.poll,
        keys=config.keys,
    )
    raise typer.Exit(code)


def _show_runs(folder: Path, as_json: bool) -> None:
    import msgspec

    from backend.clock import wall
    from backend.runs import list_runs, runs_table

    runs = list_runs(folder)
    if as_json:
        typer.echo(msgspec.json.encode(runs))
        return
    if not runs:
        typer.echo(f"no runs in {folder}; matrix0-tui makes one")
        return
    for line in runs_table(runs, wall()):
        typer.echo(line)


def _watch(directory: "RunDirectory") -> int:
    """The screen on a run at work, without a way to give orders."""
    from tui.app import run_app

    directory.read_config()
    holder = directory.holder()
    if holder is None:
        raise RunDirectoryError(
            f"{directory.path}: no supervisor is at work on this run, and --read-only starts none"
        )
    if not holder.is_supervisor:
        raise holder.refusal(directory.path)
    return run_app(directory.path, ascii=_is_ascii_only(), read_only=True)


def _is_ascii_only() -> bool:
    return "utf" not in (sys.stdout.encoding or "").lower()
