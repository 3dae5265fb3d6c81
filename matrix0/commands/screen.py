"""`matrix0-tui`: settle which run and which settings, then the screen, or headless progress."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from backend.errors import RunDirectoryError
from matrix0.commands.modes import UsageError, check_options
from matrix0.commands.options import (
    AsciiOption,
    ConfigOption,
    JsonOption,
    PresetOption,
    SetOption,
    asked_settings,
    echo,
    has_ascii_alone,
    say,
    say_differences,
    usual_run,
)
from matrix0.commands.starting import FromOption, starting_from

if TYPE_CHECKING:
    from backend.rundir import RunDirectory
    from tui.pace import Pace


def control_centre(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIR]…",
            help="With --list: where, without it runs. With --compare: runs, or their folder.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            help="Run directory; without it runs/PRESET or runs/RECIPE.",
            show_default=False,
        ),
    ] = None,
    preset: PresetOption = None,
    file: ConfigOption = None,
    overrides: SetOption = None,
    network: FromOption = None,
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
    compare: Annotated[
        bool, typer.Option("--compare", help="Open with the given runs beside each other.")
    ] = False,
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="RUN", help="Show a run of the past, driven by a clock."),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show a run at work in a browser on this machine.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --serve: where; 0 takes any free one.")
    ] = 8000,
    detach: Annotated[
        bool,
        typer.Option(
            "--detach-after-start",
            help="No screen: come back when all workers are up; the run goes on.",
        ),
    ] = False,
    refresh_s: Annotated[
        float | None,
        typer.Option(
            "--refresh",
            min=0.1,
            max=60.0,
            metavar="SECONDS",
            help="Time between two drawings; without it 0.5, over ssh 1.",
            show_default=False,
        ),
    ] = None,
    ascii: AsciiOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a chess network and watch it learn.

    Starts the run's supervisor, or joins the one that is at work, and opens the control centre.
    Leaving the screen with q lets the training go on.
    """
    paths = paths or []
    check_options(context)
    if list_runs:
        if len(paths) > 1:
            raise UsageError("--list shows one directory of runs")
        _show_runs(paths[0] if paths else Path("runs"), as_json)
        return
    if not (no_ui or serve or detach) and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the control centre needs a terminal; without one use --no-ui")
    ascii = ascii or has_ascii_alone()
    if not (no_ui or serve or detach):
        gc.disable()  # Until the screen stands: a tenth of its start went to looking for garbage.

    if compare:
        raise typer.Exit(_compare(paths, ascii))
    if replay is not None:
        raise typer.Exit(_replay(replay, ascii))

    from backend.rundir import RunDirectory

    directory = RunDirectory(run if run is not None else usual_run(preset, file))
    if serve:
        _serve(directory, port, read_only, refresh_s)
        return

    from tui.pace import pace

    drawn = pace(refresh_s, os.environ)
    if read_only:
        raise typer.Exit(_watch(directory, drawn, ascii))
    config, preset = asked_settings(directory, preset, file, overrides or [])
    if network is not None:
        config = starting_from(network, directory, config, preset, "matrix0-tui --from")
    if no_ui:
        from backend.headless import run_headless

        raise typer.Exit(run_headless(directory.path, config, preset, cycles, as_json))

    from backend.processes import start_detached
    from tui.keymap import keymap
    from tui.running import run_app

    keymap(config.keys)
    directory.create()
    holder = directory.holder()
    if holder is not None and not holder.is_supervisor:
        raise holder.refusal(directory.path)
    say_differences(directory, directory.settle(config, preset)[1])
    if detach:
        if holder is None:
            _start_and_leave(directory, cycles)
        else:
            say(f"{directory.path} is at work already: process {holder.pid}")
        return
    if holder is not None:
        if cycles:
            say(f"{directory.path} is already at work: --cycles {cycles} changes nothing")
        raise typer.Exit(run_app(directory.path, ascii=ascii, pace=drawn, keys=config.keys))
    supervisor = start_detached(directory, cycles=cycles)
    code = run_app(
        directory.path,
        ascii=ascii,
        pace=drawn,
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
        echo(msgspec.json.encode(runs))
        return
    if not runs:
        echo(f"no runs in {folder}; matrix0-tui makes one")
        return
    for line in runs_table(runs, wall()):
        echo(line)


def _start_and_leave(directory: "RunDirectory", cycles: int) -> None:
    """Come back with a line when all workers are up; with the run's own exit code if it ends."""
    from backend import wording
    from backend.errors import ExitCode
    from backend.launch import await_start, given_up, is_up
    from backend.processes import start_detached

    supervisor = start_detached(directory, cycles=cycles)
    say(f"{directory.path} starts as process {supervisor.pid}; a first start compiles for a minute")
    state = await_start(directory, supervisor.poll)
    if state is not None and is_up(state):
        echo(f"{directory.name} is at work: process {state.pid}, {len(state.workers)} workers.")
        echo(f"Watch it with: matrix0-tui --run {directory.path}")
        return
    if state is not None and state.phase == "running" and (lost := given_up(state)):
        for name in lost:
            say(f"{name} was given up: {wording.line(state.workers[name].detail)}")
            say(f"its log is {directory.log_file(name)}")
        say(f"the run waits: mend that and `matrix0 ctl restart {lost[0]} --run {directory.path}`")
        raise typer.Exit(ExitCode.INTERNAL)
    reason = "" if state is None else f": {wording.line(state.stop_reason)}"
    say(f"the run has ended before its workers were up{reason}")
    say(f"its log is {directory.log_file('supervisor')}")
    raise typer.Exit(supervisor.wait())


def _watch(directory: "RunDirectory", drawn: "Pace", ascii: bool) -> int:
    """The screen on a run at work, without a way to give orders."""
    from tui.running import run_app

    _require_supervisor(directory, "--read-only")
    return run_app(directory.path, ascii=ascii, read_only=True, pace=drawn)


def _serve(directory: "RunDirectory", port: int, read_only: bool, refresh_s: float | None) -> None:
    """The screen for browsers, until Ctrl-C; the run goes on."""
    _require_supervisor(directory, "--serve")
    try:
        from tui.web.server import serve_run
    except ModuleNotFoundError as error:
        raise UsageError(
            "--serve needs the optional package textual-serve: pip install 'matrix0[web]' "
            f"({error.name} is missing)"
        ) from error

    def say_address(address: str) -> None:
        at = urlsplit(address).port
        echo(f"Open in a browser on this machine:  {address}")
        echo(f"From another one: ssh -L {at}:127.0.0.1:{at} THIS-MACHINE, then open it there.")
        if read_only:
            echo("Whoever has this address may watch; --read-only takes no orders.")
        else:
            echo("Whoever has this address may order the run; --read-only serves watchers.")
        echo("Ctrl-C ends the serving; the run goes on.")

    words = ["--read-only"] if read_only else []
    words += [] if refresh_s is None else ["--refresh", f"{refresh_s}"]
    serve_run(directory, port=port, visit=words, say=say_address)


def _require_supervisor(directory: "RunDirectory", flag: str) -> None:
    directory.read_config()
    holder = directory.holder()
    if holder is None:
        raise RunDirectoryError(
            f"{directory.path}: no supervisor is at work on this run, and {flag} starts none"
        )
    if not holder.is_supervisor:
        raise holder.refusal(directory.path)


def _compare(paths: list[Path], ascii: bool) -> int:
    """The compare screen: on the runs that are given, or on a folder of runs to choose from."""
    from backend.compare.table import LETTERS
    from backend.rundir import RunDirectory
    from tui.running import run_compare

    runs = [RunDirectory(path) for path in paths]
    if len(runs) <= 1 and not any(run.exists for run in runs):
        folder = runs[0].path if runs else Path("runs").absolute()
        if not folder.is_dir():
            raise RunDirectoryError(f"{folder}: there is no such directory of runs")
        return run_compare(folder, (), ascii=ascii)
    for run in runs:
        if not run.exists:
            raise RunDirectoryError(f"{run.path}: there is no such run")
    if len(runs) > len(LETTERS):
        raise UsageError(f"at most {len(LETTERS)} runs are compared at once, not {len(runs)}")
    chosen = [run.path for run in runs]
    return run_compare(chosen[0].parent, chosen, ascii=ascii)


def _replay(path: Path, ascii: bool) -> int:
    """The dashboard of a run of the past."""
    from backend.rundir import RunDirectory
    from tui.running import run_replay

    run = RunDirectory(path)
    if not run.exists:
        raise RunDirectoryError(f"{run.path}: there is no such run")
    if not run.database.exists():
        raise RunDirectoryError(f"{run.path}: no database, so nothing to replay: never at work")
    return run_replay(run.path, ascii=ascii)
