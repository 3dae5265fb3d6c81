"""`matrix0 match`: two players of a run, paired openings with colours swapped, one referee."""

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backend.errors import CheckpointError, ConfigError
from matrix0.commands.options import RunOption

if TYPE_CHECKING:
    from backend.evaluation.match import MatchGame, MatchScore
    from backend.rundir import RunDirectory

REPORT_EVERY_S: Final = 5.0
"""Seconds between two lines of progress."""
PLAYER_HELP: Final = "Checkpoint name, best, latest, initial, random or greedy."


def match(
    first: Annotated[str, typer.Argument(metavar="A", help=PLAYER_HELP, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help=PLAYER_HELP, show_default=False)],
    run: RunOption,
    games: Annotated[int, typer.Option(min=2, help="An even number: each opening twice.")] = 200,
    simulations: Annotated[
        int, typer.Option(min=0, help="Leaf evaluations for one move; 0 means as in the run.")
    ] = 0,
) -> None:
    """Play A against B and print the score with its 95 % interval."""
    if games % 2:
        raise typer.BadParameter(f"{games} must be even", param_hint="--games")

    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    config = directory.read_config()
    names = [player_name(word, directory) for word in (first, second)]

    from backend.commit import commit_file
    from backend.device import choose_device
    from backend.evaluation.lineup import make_player, match_batch
    from backend.evaluation.match import play_match, score_of, to_pgn
    from backend.evaluation.openings import random_openings
    from backend.events import InferenceChosen
    from backend.inference.choose import Chooser
    from backend.inference.front import Inference
    from backend.inference.words import in_words
    from backend.weights import load_network

    settings = config.evaluation
    simulations = simulations or settings.simulations or config.search.simulations
    slots = min(games, settings.parallel_games)
    chooser = Chooser(
        config.inference,
        choose_device(config.device),
        batch=match_batch(slots),
        replay=directory.replay,
        seed=config.seed,
    )

    def load(name: str) -> Inference:
        choice = chooser.choose(load_network(directory.checkpoints / name))
        chosen = InferenceChosen(worker="match", network=name, **choice.facts())
        typer.echo(in_words(chosen), err=True)
        return choice.inference

    players = [
        make_player(
            name,
            load,
            config.search,
            simulations=simulations,
            slots=slots,
            seed=config.seed + side,
        )
        for side, name in enumerate(names)
    ]
    try:
        openings = random_openings(games // 2, settings.opening_plies, config.seed)
    except ValueError as error:
        raise ConfigError(f"[evaluation] opening_plies: {error}") from error
    typer.echo(f"{names[0]} against {names[1]}: {games} games, {simulations} simulations a move")
    began = time.monotonic()
    played = play_match(
        players[0],
        players[1],
        openings,
        max_plies=settings.max_plies,
        slots=slots,
        on_game=_Progress(games),
    )
    assert played is not None, "nothing breaks this match off"
    _show(score_of(played), time.monotonic() - began)
    path = directory.games / time.strftime("match-by-hand-%Y%m%d-%H%M%S.pgn")
    commit_file(path, to_pgn(played, names[0], names[1], "Matrix0, by hand").encode())
    typer.echo(f"games: {path}")


def player_name(word: str, directory: "RunDirectory") -> str:
    """`word` as the name of a baseline or of a checkpoint that is there."""
    from backend.checkpoints import list_checkpoints
    from backend.config import BASELINES
    from backend.store.reading import best_network

    if word in BASELINES:
        return word
    names = list_checkpoints(directory.checkpoints)
    if not names:
        raise CheckpointError(f"{directory.checkpoints}: no checkpoint yet")
    name = word
    if word == "best":
        name = best_network(directory.database)
    elif word in ("initial", "latest"):
        name = names[0 if word == "initial" else -1]
    if name not in names:
        raise CheckpointError(
            f"{directory.checkpoints}: no checkpoint {name!r}; there are {', '.join(names)}"
        )
    return name


class _Progress:
    """A line now and then while the games are played."""

    def __init__(self, games: int) -> None:
        self._games = games
        self._due = time.monotonic() + REPORT_EVERY_S

    def __call__(self, finished: "list[MatchGame]") -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + REPORT_EVERY_S
            points = sum(game.candidate_points for game in finished)
            typer.echo(f"  {len(finished)}/{self._games} games, {points:g} points", err=True)


def _show(score: "MatchScore", seconds: float) -> None:
    cut = f", {score.truncated} cut at the ply limit" if score.truncated else ""
    elo = score.elo
    typer.echo(
        f"+{score.wins} ={score.draws} -{score.losses} ({score.score:.1%}){cut} in {seconds:.0f} s"
    )
    typer.echo(f"Elo {elo.elo:+z.0f} [{elo.low:+z.0f}, {elo.high:+z.0f}] (95 % interval)")
