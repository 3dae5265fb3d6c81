"""`matrix0-tui`: settle which run and which settings, then the screen, or headless progress."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backend.errors import ExitCode, Matrix0Error
from matrix0.commands.options import ConfigOption, JsonOption, PresetOption, SetOption

if TYPE_CHECKING:
    from backend.config import Config
    from backend.rundir import RunDirectory

FIRST_PRESET: Final = "tiny"
"""What a new run takes when nothing is said: it learns on any machine in minutes."""


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
    config, preset = _asked(directory, preset, file, overrides or [])
    if no_ui:
        from backend.headless import run_headless

        raise typer.Exit(run_headless(directory.path, config, preset, cycles, as_json))

    from backend.processes import start_detached
    from tui.app import run_app

    directory.create()
    differences = directory.settle(config, preset)[1]
    if differences:
        _say(f"{directory.path} keeps its own settings; for others choose another --run")
    for line in differences:
        _say(line)
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    if directory.holder() is not None:
        if cycles:
            _say(f"{directory.path} is already at work: --cycles {cycles} changes nothing")
        raise typer.Exit(run_app(directory.path, ascii=ascii_only))
    supervisor = start_detached(directory, cycles=cycles)
    code = run_app(directory.path, ascii=ascii_only, supervisor_exit=supervisor.poll)
    raise typer.Exit(code)


def _asked(
    directory: "RunDirectory", preset: str | None, file: Path | None, overrides: list[str]
) -> "tuple[Config, str]":
    """The settings asked for and the name of their preset; what is not said, an old run decides."""
    from backend.settings import build_config

    if preset is None and file is None:
        if directory.exists:
            return build_config(overrides=overrides, base=directory.read_config()), ""
        _say(f"a new run without --preset or --config: taking preset {FIRST_PRESET}")
        preset = FIRST_PRESET
    return build_config(preset, file, overrides), preset or ""


def _say(text: str) -> None:
    typer.echo(f"matrix0-tui: {text}", err=True)
