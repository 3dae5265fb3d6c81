"""`matrix0 rescore`: value targets decided after the games, in shards beside the old ones."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import ConfigError, RunDirectoryError
from matrix0.commands.keeping import RunArgument
from matrix0.commands.options import echo
from matrix0.commands.progress import Meter, interruptible

if TYPE_CHECKING:
    from backend.replay.rescored import RescoreTally

BLUNDER = 0.1
WIDTH = 0.06
"""Of the transition around a blunder; both are what lc0's training takes."""


def rescore(
    run: RunArgument,
    blunder: Annotated[
        float,
        typer.Option(help="What a blunder loses of the expected score, -1 to 1; 0: look for none."),
    ] = BLUNDER,
    syzygy: Annotated[
        Path | None,
        typer.Option(
            help="Directory of Syzygy tables: exact values, here and before.", show_default=False
        ),
    ] = None,
    search_frac: Annotated[
        float | None,
        typer.Option(
            help="Share of the search's value in every target, 0 to 1; without it training mixes.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Decide value targets after the games: blunders, endgame tables, a mix of result and search.

    The shards that were played stay; training reads what is written in their place. The same call
    writes the same again, so that it may be interrupted. See docs/data.md.
    """
    from backend.config import Config
    from backend.replay.provenance import Rescoring
    from backend.replay.rescored import fingerprint
    from backend.replay.rescored import rescore as make_pass
    from backend.rundir import RunDirectory
    from backend.tables import Tables, open_tables

    if not 0 <= blunder <= 2:
        raise ConfigError(f"--blunder {blunder:g}: must be in 0..2")
    if search_frac is not None and not 0 <= search_frac <= 1:
        raise ConfigError(f"--search-frac {search_frac:g}: must be in 0..1")
    directory = RunDirectory(run)
    if not directory.path.is_dir():
        raise RunDirectoryError(f"{directory.path}: there is no such run")
    # A run that has only imported so far keeps no settings yet.
    config = directory.read_config() if directory.exists else Config()
    directory.create()
    with ExitStack() as stack:
        stack.enter_context(directory.lock("matrix0 rescore"))
        tables: Tables | None = None
        if syzygy is not None:
            try:
                tables = open_tables(str(syzygy), dtz=True)
            except OSError as error:
                raise ConfigError(f"--syzygy {syzygy}: {error.strerror}") from error
            stack.callback(tables.close)
            if not tables.wdl:
                raise ConfigError(f"--syzygy {syzygy}: there is no .rtbw table in it")
        plan = Rescoring(
            of="",
            blunder=blunder,
            width=min(WIDTH, 2 * blunder),
            search_frac=config.training.search_value_frac if search_frac is None else search_frac,
            everywhere=search_frac is not None,
            syzygy="" if syzygy is None else str(syzygy.absolute()),
            tables=fingerprint(tables),
        )
        should_stop = stack.enter_context(interruptible())
        meter = stack.enter_context(Meter())
        tally = make_pass(
            (directory.replay, directory.imported),
            plan,
            tables,
            on_progress=lambda tally: meter.show(tally.file, tally.share_done, _words(tally)),
            should_stop=should_stop,
        )
    echo(_words(tally))
    echo(
        f"{tally.written:,} shards written, {tally.unchanged:,} are as they were, "
        f"{tally.removed:,} of earlier passes removed"
    )
    if tally.is_stopped:
        echo("interrupted: the same call goes on")


def _words(tally: "RescoreTally") -> str:
    """'5,304 positions: 12 blunders, 340 in tables; 410 targets decided, 120 of them turned'"""
    return (
        f"{tally.positions:,} positions: {tally.blunders:,} blunders, {tally.probed:,} in tables; "
        f"{tally.decided:,} targets decided, {tally.turned:,} of them turned"
    )
