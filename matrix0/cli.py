"""The command lines: of `matrix0` here, of the screen and of the engine in programs.py.

The commands themselves are in `matrix0/commands/`, one file a subject. Libraries are imported where
a command needs them: `--help` must not wait for torch, and the screen's process never loads it.
"""

import typer

from matrix0 import __version__, frame
from matrix0.commands import (
    ablate,
    best,
    cluster,
    compare,
    ctl,
    data,
    dataset,
    diff,
    doctor,
    experiment,
    export,
    imports,
    inference,
    keeping,
    label,
    lr_find,
    match,
    network,
    overfit,
    play,
    processes,
    profile,
    rate,
    ratings,
    recipes,
    report,
    rescore,
    rules,
    settings,
    suite,
    tensorboard,
    tournament,
    tune,
)
from matrix0.frame import PLAIN
from matrix0.programs import tui_app, tui_main, uci_app, uci_main

__all__ = ["app", "main", "tui_app", "tui_main", "uci_app", "uci_main"]

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
app.command("experiment")(experiment.experiment)
app.command("lr-find")(lr_find.lr_find)
app.command("match")(match.match)
app.command("tournament")(tournament.tournament)
app.command("rate")(rate.rate)
app.command("play")(play.play)
app.command("ratings")(ratings.ratings)
app.command("suite")(suite.suite)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("diff")(diff.diff)
app.command("verify")(keeping.verify)
app.command("backup")(keeping.backup)
app.command("restore")(keeping.restore)
app.command("promote")(best.promote)
app.command("rollback")(best.rollback)
app.command("tensorboard")(tensorboard.tensorboard)
app.command("train")(data.train)
app.command("label")(label.label)
app.command("data")(dataset.data)
app.command("rescore")(rescore.rescore)
app.command("config")(settings.config)
app.command("recipes")(recipes.recipes)
app.command("doctor")(doctor.doctor)
app.command("tune")(tune.tune)
app.command("worker", hidden=True)(processes.worker)
app.command("supervise", hidden=True)(processes.supervise)
app.command("relay", hidden=True)(processes.relay)
app.command("follow", hidden=True)(processes.follow)
app.command("labeller", hidden=True)(processes.labeller)
app.command("hall", hidden=True)(processes.hall)
app.command("think", hidden=True)(processes.think)
app.command("visit", hidden=True)(processes.visit)


import_app = typer.Typer(
    help="Bring games, puzzles, tasks or a network of others into a run.",
    no_args_is_help=True,
    **PLAIN,
)
import_app.command("pgn")(imports.pgn)
import_app.command("puzzles")(imports.puzzles)
import_app.command("epd")(imports.epd)
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
ctl_app.command("verify")(ctl.verify)
ctl_app.command("delete")(ctl.delete)
ctl_app.command("stop")(ctl.stop)
ctl_app.command("status")(ctl.status)
app.add_typer(ctl_app, name="ctl")

cluster_app = typer.Typer(
    help="A run whose self-play is on a Ray cluster.", no_args_is_help=True, **PLAIN
)
cluster_app.command("status")(cluster.status)
app.add_typer(cluster_app, name="cluster")


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
    frame.run(app, "matrix0")
