"""`matrix0 import pgn` and `matrix0 train`: learning from games of others, without a supervisor."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from backend.errors import ReplayError
from matrix0.commands.options import (
    ConfigOption,
    PresetOption,
    RunOption,
    SetOption,
    asked_settings,
    say_differences,
)

if TYPE_CHECKING:
    from backend.events import TrainingStep
    from backend.replay.imports import ImportTally
    from backend.supervised import Measurement

REPORT_EVERY_S: Final = 5.0
"""Seconds between two lines of progress."""


def import_pgn(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help=".pgn, .pgn.gz, .pgn.zst; - is standard input.", show_default=False
        ),
    ],
    run: RunOption,
) -> None:
    """Bring the games of PGN files into a run, 5 % of them held out for measuring."""
    from backend.config import Config
    from backend.replay.imports import REPORT
    from backend.replay.imports import import_pgn as import_games
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    config = directory.read_config() if directory.exists else Config()
    directory.create()
    with _interruptible() as should_stop:
        tally = import_games(
            files,
            directory.imported,
            config.model.orientation,
            on_progress=_ImportProgress(),
            should_stop=should_stop,
        )
    typer.echo(
        f"{tally.games:,} games with {tally.positions:,} positions imported, "
        f"{tally.held_out_games:,} of them held out; {tally.duplicates:,} were there already"
    )
    if tally.rejected:
        typer.echo(f"{tally.rejected:,} refused, the reasons are in {directory.imported / REPORT}")
    if not tally.games and not tally.duplicates and not tally.is_stopped:
        raise ReplayError("no game could be imported")


def train(
    run: RunOption,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps to take.")],
    source: Annotated[
        Literal["imported"], typer.Option(help="Where the positions come from.")
    ] = "imported",
    preset: PresetOption = None,
    file: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Train the network of a run on its imported games and measure it on those held out."""
    assert source == "imported"
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    config, preset = asked_settings(directory, preset, file, overrides or [])
    directory.create()
    with directory.lock():
        kept, differences = directory.settle(config, preset)
        say_differences(directory, differences)

        from backend.supervised import SupervisedTraining

        training = SupervisedTraining(directory, kept)
        typer.echo(
            f"step {training.step:,}: {training.num_positions:,} positions to learn from, "
            f"{training.num_unseen:,} held out"
        )
        with _interruptible() as should_stop:
            measured = training.train(
                steps,
                on_metrics=_TrainingProgress(),
                on_measured=_show_measurement,
                should_stop=should_stop,
            )
    typer.echo(
        f"step {measured.step:,}: the first choice is the move that was played in "
        f"{measured.top1:.1%} of {measured.positions:,} held-out positions"
    )


def _show_measurement(measured: "Measurement") -> None:
    typer.echo(
        f"step {measured.step:>7,}  held out: top-1 {measured.top1:6.2%}  "
        f"policy {measured.policy_loss:.4f}  value {measured.value_loss:.4f}"
    )


class _ImportProgress:
    """A line now and then while games are read."""

    def __init__(self) -> None:
        self._due = time.monotonic() + REPORT_EVERY_S

    def __call__(self, tally: "ImportTally") -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + REPORT_EVERY_S
        share = "" if tally.share_read is None else f" {tally.share_read:.0%}"
        name = Path(tally.file).name
        typer.echo(f"  {name}{share}: {tally.games:,} games, {tally.rejected:,} refused", err=True)


class _TrainingProgress:
    """A line now and then while the network learns."""

    def __init__(self) -> None:
        self._due = time.monotonic() + REPORT_EVERY_S

    def __call__(self, point: "TrainingStep") -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + REPORT_EVERY_S
        shown = ("policy_loss", "value_loss", "piece_loss", "samples_per_s")
        readings = [f"{name} {point.metrics[name]:.4g}" for name in shown if name in point.metrics]
        typer.echo(f"  step {point.step:,}: {', '.join(readings)}", err=True)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM came: what is at work then ends in order."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
