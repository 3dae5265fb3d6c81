"""`matrix0 match`: two players of a run, paired openings with colours swapped, one referee."""

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backend.errors import CheckpointError, ConfigError, RunDirectoryError, RunLockedError
from matrix0.commands.options import RunOption, say

if TYPE_CHECKING:
    from backend.config import EvaluationConfig
    from backend.evaluation.match import MatchGame
    from backend.events import MatchFinished
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
    """Play A against B; print score, Elo with its 95 % interval, and what the gate's test says."""
    if games % 2:
        raise typer.BadParameter(f"{games} must be even", param_hint="--games")

    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    config = directory.read_config()
    names = [player_name(word, directory) for word in (first, second)]

    from backend.commit import commit_file
    from backend.device import choose_device
    from backend.evaluation.lineup import make_player, match_batch
    from backend.evaluation.match import play_match, to_pgn
    from backend.evaluation.openings import random_openings
    from backend.evaluation.record import budget_of, facts_of
    from backend.events import InferenceChosen, MatchFinished
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
    path = directory.games / time.strftime("match-by-hand-%Y%m%d-%H%M%S.pgn")
    commit_file(path, to_pgn(played, names[0], names[1], "Matrix0, by hand").encode())
    result = MatchFinished(
        match=path.stem.removeprefix("match-"),
        candidate=names[0],
        opponent=names[1],
        simulations=simulations,
        seconds=time.monotonic() - began,
        pgn=path.name,
        candidate_budget=budget_of(names[0], simulations),
        opponent_budget=budget_of(names[1], simulations),
        **facts_of(played),
    )
    _show(result, settings)
    typer.echo(f"games: {path}")
    _record(result, directory)


def _record(result: "MatchFinished", directory: "RunDirectory") -> None:
    """Adds it to the run's pool, unless another command is at work on the run."""
    from backend.commands import RecordMatch
    from backend.errand import carry_out

    if result.candidate == result.opponent:
        say("a match of a player with itself is not recorded: it rates nobody")
        return
    try:
        carry_out(directory, RecordMatch(result=result), "matrix0 match")
    except (RunDirectoryError, RunLockedError) as error:
        say(f"the match is not recorded for `matrix0 ratings`: {error}")


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


def _show(result: "MatchFinished", settings: "EvaluationConfig") -> None:
    from backend import wording
    from backend.evaluation.gate import gate_test
    from backend.evaluation.rating import los_of_pairs

    games = result.wins + result.draws + result.losses
    score = (result.wins + result.draws / 2) / games
    cut = f", {result.truncated} cut at the ply limit" if result.truncated else ""
    typer.echo(
        f"+{result.wins} ={result.draws} -{result.losses} ({score:.1%}){cut} "
        f"in {result.seconds:.0f} s"
    )
    typer.echo(
        f"Elo {result.elo:+z.0f} [{result.elo_low:+z.0f}, {result.elo_high:+z.0f}] "
        f"(95 % interval), stronger with {los_of_pairs(result.pairs):.1%} probability"
    )
    typer.echo(f"pairs of 0, 0.5, 1, 1.5, 2 points: {', '.join(map(str, result.pairs))}")
    test = gate_test(settings)
    if test is not None:
        typer.echo(f"{wording.llr(test.llr(result.pairs), *test.bounds)}, {test}")
