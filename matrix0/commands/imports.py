"""`matrix0 import pgn`, `puzzles` and `epd`: games, puzzles and tasks of others, into a run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backend.errors import ConfigError, ReplayError
from matrix0.commands.options import RunOption, echo, say
from matrix0.commands.progress import Meter, interruptible

if TYPE_CHECKING:
    from backend.replay.candidates import Filters
    from backend.replay.imports import ImportTally
    from backend.replay.provenance import SourceKind

_SHOW_EVERY_S: Final = 0.1

MinRatingOption = Annotated[
    int, typer.Option("--min-rating", min=0, help="Leave out what is rated lower, or not at all.")
]
MaxRatingOption = Annotated[
    int, typer.Option("--max-rating", min=0, help="Leave out what is rated higher.")
]


def _files(kinds: str) -> object:
    return typer.Argument(
        metavar="FILE", help=f"{kinds}; .gz, .zst; - is standard input.", show_default=False
    )


def pgn(
    files: Annotated[list[str], _files("Games as PGN")],
    run: RunOption,
    min_rating: MinRatingOption = 0,
    max_rating: MaxRatingOption = 4000,
    min_plies: Annotated[int, typer.Option(min=1, help="Leave out games that are shorter.")] = 1,
    max_plies: Annotated[int, typer.Option(min=1, help="Leave out games that are longer.")] = 4096,
    from_ply: Annotated[
        int, typer.Option(min=0, help="Learn nothing from the positions before this ply.")
    ] = 0,
) -> None:
    """Bring games into a run: moves, results, evaluations. 5 % are held out for measuring.

    The rating of a game is the mean of its players'.
    """
    filters = _filters(
        min_rating=min_rating,
        max_rating=max_rating,
        min_plies=min_plies,
        max_plies=max_plies,
        from_ply=from_ply,
    )
    _import("pgn", "games", files, run, filters)


def puzzles(
    files: Annotated[list[str], _files("Puzzles as CSV, with the columns of Lichess")],
    run: RunOption,
    min_rating: MinRatingOption = 0,
    max_rating: MaxRatingOption = 4000,
) -> None:
    """Bring puzzles into a run: the solver's moves, themes, ratings. 5 % are held out."""
    filters = _filters(min_rating=min_rating, max_rating=max_rating)
    _import("puzzles", "puzzles", files, run, filters)


def epd(files: Annotated[list[str], _files("Tasks as EPD")], run: RunOption) -> None:
    """Bring tasks into a run: best moves, or moves with points. 5 % are held out."""
    from backend.replay.candidates import NO_FILTERS

    _import("epd", "tasks", files, run, NO_FILTERS)


def _filters(**asked: int) -> "Filters":
    """ConfigError when they leave nothing."""
    from backend.replay.candidates import Filters

    try:
        return Filters(**asked)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _import(kind: "SourceKind", what: str, files: list[str], run: Path, filters: "Filters") -> None:
    from backend.config import Config
    from backend.replay.imports import REPORT, import_pgn
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    config = directory.read_config() if directory.exists else Config()
    directory.create()
    holder = f"matrix0 import {kind}"
    with directory.lock(holder), interruptible() as should_stop, Meter() as meter:
        progress = _Progress(meter, what)
        tally = import_pgn(
            files,
            directory.imported,
            config.model.orientation,
            kind=kind,
            limits=config.limits,
            filters=filters,
            on_progress=progress,
            should_stop=should_stop,
        )
        progress.show(tally)
    if tally.went_on_at:
        say(f"an interrupted import went on behind {what} {tally.went_on_at:,}")
    echo(
        f"{tally.games:,} {what} with {tally.positions:,} positions imported, "
        f"{tally.held_out_games:,} of them held out; {tally.duplicates:,} were there already"
    )
    if tally.filtered:
        echo(f"{tally.filtered:,} were not asked for")
    if tally.rejected:
        echo(f"{tally.rejected:,} refused, the reasons are in {directory.imported / REPORT}")
    is_nothing = not (tally.games or tally.duplicates or tally.filtered or tally.went_on_at)
    if is_nothing and not tally.is_stopped:
        raise ReplayError(f"no {what.removesuffix('s')} could be imported")


class _Progress:
    """Shows a tally now and then; it is asked after each game, thousands of times a second."""

    def __init__(self, meter: Meter, what: str) -> None:
        self._meter = meter
        self._what = what
        self._due = 0.0

    def __call__(self, tally: "ImportTally") -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _SHOW_EVERY_S
            self.show(tally)

    def show(self, tally: "ImportTally") -> None:
        self._meter.show(
            Path(tally.file).name,
            tally.share_read,
            f"{tally.games:,} {self._what}, {tally.duplicates:,} known, {tally.rejected:,} refused",
        )
