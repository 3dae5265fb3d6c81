"""What the commands that play games have in common: who plays, where, and a sign of life."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backend.errors import CheckpointError, ConfigError
from matrix0.commands.options import echo

if TYPE_CHECKING:
    from backend.config import Config
    from backend.evaluation.club import Club
    from backend.evaluation.fixture import Halls
    from backend.evaluation.match import MatchGame
    from backend.rundir import RunDirectory

REPORT_EVERY_S: Final = 5.0
"""Seconds between two lines of progress."""
PLAYER_HELP: Final = (
    "Checkpoint, best, latest, initial, random, greedy, or an engine: stockfish:nodes=1000, "
    "stockfish:movetime=50,UCI_Elo=1400, ./my-engine:depth=4."
)

GamesRunOption = Annotated[
    Path | None,
    typer.Option("--run", help="Run directory. Without one, engines and simple movers can play."),
]

HallsOption = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        max=1024,
        help="Processes that play, here or on the run's cluster; 0: as in [cluster], or this one.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Venue:
    """Where games are played: a run, or the working directory."""

    config: "Config"
    directory: "RunDirectory | None"
    games: Path
    """Where they are kept."""
    simulations: int

    @classmethod
    def at(cls, run: Path | None, *, simulations: int = 0, openings: str = "") -> "Venue":
        """ConfigError and RunDirectoryError as for every command on a run."""
        from backend.config import Config
        from backend.rundir import RunDirectory

        directory = None if run is None else RunDirectory(run)
        config = Config() if directory is None else directory.read_config()
        if openings:
            config = replace(config, evaluation=replace(config.evaluation, book_path=openings))
        return cls(
            config=config,
            directory=directory,
            games=Path.cwd() if directory is None else directory.games,
            simulations=simulations or config.evaluation.simulations or config.search.simulations,
        )

    def name(self, word: str) -> str:
        """`word` as a player's name: a checkpoint that is there, or who needs none."""
        from backend.config import BASELINES
        from backend.evaluation.engines import names_engine, parse_engine

        if word in BASELINES:
            return word
        if names_engine(word):
            parse_engine(word)
            return word
        if self.directory is None:
            raise ConfigError(f"{word!r} is a network: say which run it is of by --run")
        return checkpoint_called(word, self.directory)

    def introduce(self, name: str, simulations: int = 0) -> str:
        """'step-00000300 (64 simulations)'; an engine's name says what it spends."""
        from backend.evaluation.engines import names_engine
        from backend.evaluation.record import budget_of

        budget = budget_of(name, simulations or self.simulations)
        return f"{name} ({budget})" if budget and not names_engine(name) else name

    def club(self, games: int, halls: "Halls | None" = None) -> "Club":
        """Plays up to `games` games at once, as far as the settings allow."""
        from backend.evaluation.club import Club

        checkpoints = Path() if self.directory is None else self.directory.checkpoints
        slots = min(games, self.config.evaluation.parallel_games)
        return Club(self.config, checkpoints, slots=slots, say=_remark, halls=halls)

    @contextmanager
    def halls(self, count: int) -> "Iterator[Halls | None]":
        """Other processes that play, as many as are wanted or set; None where that is none."""
        count = count or self.config.cluster.num_evaluation
        if not count:
            yield None
            return
        if self.directory is None:
            raise ConfigError("--workers: say for which run by --run")
        from backend.cluster.pool import pool_of
        from backend.hall.fleet import MatchFleet

        run = self.directory
        pool = pool_of(run, self.config.cluster, lambda _: None, lambda level, text: _remark(text))
        fleet = MatchFleet(run, pool, halls=count, say=_remark, name="match-hall")
        try:
            yield fleet
        finally:
            fleet.close()
        _remark(fleet.report)


def _remark(text: str) -> None:
    echo(text, err=True)


def checkpoint_called(word: str, directory: "RunDirectory") -> str:
    """The name of what `word` means in a run. CheckpointError where there is none."""
    from backend.checkpoints import list_checkpoints
    from backend.store.reading import best_network

    names = list_checkpoints(directory.checkpoints)
    if not names:
        raise CheckpointError(f"{directory.checkpoints}: no checkpoint yet")
    name = word
    if word == "best":
        # A run that only learned from imported games has no gate, and so no best network.
        best = best_network(directory.database) if directory.database.exists() else ""
        name = best or names[-1]
    elif word in ("initial", "latest"):
        name = names[0 if word == "initial" else -1]
    if name not in names:
        raise CheckpointError(
            f"{directory.checkpoints}: no checkpoint {name!r}; there are {', '.join(names)}"
        )
    return name


class Progress:
    """A line now and then while games are played."""

    def __init__(self, games: int) -> None:
        self._games = games
        self._due = time.monotonic() + REPORT_EVERY_S

    def __call__(self, finished: "list[MatchGame]") -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + REPORT_EVERY_S
            points = sum(game.candidate_points for game in finished)
            echo(f"  {len(finished)}/{self._games} games, {points:g} points", err=True)
