"""The command lines (`matrix0`, `matrix0-tui`, `matrix0-uci`), the outermost frames of processes.

The commands themselves are in `matrix0/commands/`, one file a subject. Libraries are imported where
a command needs them: `--help` must not wait for torch, and the screen's process never loads it.
"""

import sys
import traceback
from typing import Any

import typer

from backend.errors import ExitCode, Matrix0Error
from backend.text import clean
from matrix0 import __version__
from matrix0.commands import (
    ablate,
    best,
    compare,
    ctl,
    data,
    doctor,
    inference,
    keeping,
    lr_find,
    match,
    network,
    overfit,
    play,
    processes,
    profile,
    rate,
    ratings,
    report,
    rules,
    screen,
    settings,
    suite,
    tensorboard,
    tournament,
    uci,
)

PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}

app = typer.Typer(
    help="Train a chess network from nothing on one machine. The control centre is matrix0-tui.",
    no_args_is_help=True,
    **PLAIN,
)
app.command("perft")(rules.perft)
app.command("model")(network.model)
app.command("inference")(inference.inference)
app.command("profile")(profile.profile)
app.command("overfit")(overfit.overfit)
app.command("ablate")(ablate.ablate)
app.command("lr-find")(lr_find.lr_find)
app.command("match")(match.match)
app.command("tournament")(tournament.tournament)
app.command("rate")(rate.rate)
app.command("play")(play.play)
app.command("ratings")(ratings.ratings)
app.command("suite")(suite.suite)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("verify")(keeping.verify)
app.command("backup")(keeping.backup)
app.command("restore")(keeping.restore)
app.command("promote")(best.promote)
app.command("rollback")(best.rollback)
app.command("tensorboard")(tensorboard.tensorboard)
app.command("train")(data.train)
app.command("config")(settings.config)
app.command("doctor")(doctor.doctor)
app.command("worker", hidden=True)(processes.worker)
app.command("supervise", hidden=True)(processes.supervise)
app.command("think", hidden=True)(processes.think)
app.command("visit", hidden=True)(processes.visit)


import_app = typer.Typer(
    help="Bring games or a network of others into a run.", no_args_is_help=True, **PLAIN
)
import_app.command("pgn")(data.import_pgn)
import_app.command("checkpoint")(network.import_checkpoint)
app.add_typer(import_app, name="import")

ctl_app = typer.Typer(
    help="Order a run that is at work, from a shell script. Exit code 1: refused, with the reason.",
    no_args_is_help=True,
    **PLAIN,
)
ctl_app.command("pause")(ctl.pause)
ctl_app.command("resume")(ctl.resume)
ctl_app.command("restart")(ctl.restart)
ctl_app.command("set")(ctl.set_)
ctl_app.command("checkpoint")(ctl.checkpoint)
ctl_app.command("evaluate")(ctl.evaluate)
ctl_app.command("promote")(ctl.promote)
ctl_app.command("rollback")(ctl.rollback)
ctl_app.command("stop")(ctl.stop)
ctl_app.command("status")(ctl.status)
app.add_typer(ctl_app, name="ctl")

tui_app = typer.Typer(**PLAIN)
tui_app.command()(screen.control_centre)

uci_app = typer.Typer(**PLAIN)
uci_app.command()(uci.uci)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"matrix0 {__version__}")
        raise typer.Exit


@app.callback()
def _matrix0(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass


def main() -> None:
    """`matrix0 …`; ends the process."""
    _run(app, "matrix0")


def tui_main() -> None:
    """`matrix0-tui …`; ends the process."""
    _run(tui_app, "matrix0-tui")


def uci_main() -> None:
    """`matrix0-uci …`; ends the process."""
    _run(uci_app, "matrix0-uci")


def _run(command_line: typer.Typer, name: str) -> None:
    try:
        command_line(prog_name=name)
    except Matrix0Error as error:
        print(f"{name}: {clean(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the outermost frame: a bug is shown whole
        print(clean(traceback.format_exc(), limit=100_000), file=sys.stderr)
        what = f"{type(error).__name__}: {error}"
        print(f"{name}: internal error, please report it: {clean(what)}", file=sys.stderr)
        sys.exit(ExitCode.INTERNAL)
