"""`matrix0 match`: two players, paired openings with colours swapped, one referee."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import ConfigError, RunDirectoryError, RunLockedError
from matrix0.commands.options import echo, say
from matrix0.commands.players import PLAYER_HELP, GamesRunOption, HallsOption, Progress, Venue

if TYPE_CHECKING:
    from backend.config import EvaluationConfig
    from backend.events import MatchFinished
    from backend.rundir import RunDirectory


def match(
    first: Annotated[str, typer.Argument(metavar="A", help=PLAYER_HELP, show_default=False)],
    second: Annotated[
        str, typer.Argument(metavar="B", help="The same; or, after `verify`, a PGN file.")
    ],
    run: GamesRunOption = None,
    games: Annotated[int, typer.Option(min=2, help="An even number: each opening twice.")] = 200,
    simulations: Annotated[
        int, typer.Option(min=0, help="Leaf evaluations for one move; 0 means as in the run.")
    ] = 0,
    second_simulations: Annotated[
        int, typer.Option(min=0, help="Of B, where it shall have another budget than A.")
    ] = 0,
    sprt: Annotated[
        bool, typer.Option("--sprt", help="Stop as soon as the gate's test is decided.")
    ] = False,
    openings: Annotated[
        str, typer.Option(help="A book of openings: EPD, PGN, Polyglot; also .gz, .zst.")
    ] = "",
    halls: HallsOption = 0,
) -> None:
    """Play A against B: score, Elo with its 95 % interval, and what the gate's test says.

    A match that was interrupted goes on when it is ordered again. `matrix0 match verify FILE.pgn`
    replays the games of a file and derives every result again.
    """
    if first == "verify":
        _verify(Path(second))
        return
    if games % 2:
        raise typer.BadParameter(f"{games} must be even", param_hint="--games")
    venue = Venue.at(run, simulations=simulations, openings=openings)
    names = [venue.name(word) for word in (first, second)]

    from backend.commit import commit_file
    from backend.evaluation.fixture import Fixture
    from backend.evaluation.gate import gate_test
    from backend.evaluation.match import to_pgn
    from backend.evaluation.record import budget_of, facts_of
    from backend.events import MatchFinished

    fixture = Fixture(
        first=names[0],
        second=names[1],
        games=games,
        simulations=venue.simulations,
        second_simulations=second_simulations,
        seed=venue.config.seed,
    )
    spent = (venue.simulations, second_simulations or venue.simulations)
    first, second = (venue.introduce(n, budget) for n, budget in zip(names, spent, strict=True))
    test = gate_test(venue.config.evaluation) if sprt else None
    if sprt and test is None:
        raise ConfigError("--sprt: [evaluation] gate = 'none' has no test")
    echo(f"{first} against {second}: {'at most ' if test else ''}{games} games")
    began = time.monotonic()
    with venue.halls(halls) as elsewhere:
        club = venue.club(games, elsewhere)
        played, log = club.play(fixture, venue.games, Progress(games), test)
    budgets = budget_of(names[0], spent[0]), budget_of(names[1], spent[1])
    path = venue.games / time.strftime("match-by-hand-%Y%m%d-%H%M%S.pgn")
    said = club.versions.get(names[0], budgets[0]), club.versions.get(names[1], budgets[1])
    text = to_pgn(played, names[0], names[1], "Matrix0, by hand", said)
    commit_file(path, text.encode())
    log.remove()
    result = MatchFinished(
        match=path.stem.removeprefix("match-"),
        candidate=names[0],
        opponent=names[1],
        simulations=venue.simulations,
        seconds=time.monotonic() - began,
        pgn=path.name,
        candidate_budget=budgets[0],
        opponent_budget=budgets[1],
        **facts_of(played),
    )
    _show(result, venue.config.evaluation)
    echo(f"games: {path}")
    if venue.directory is not None:
        _record(result, venue.directory)


def _verify(path: Path) -> None:
    """Exit code 65 when a result does not follow from its game."""
    from backend.errors import ReplayError
    from backend.evaluation.verify import verify_pgn

    found = verify_pgn(path)
    if not found.games:
        raise ReplayError(f"{path}: there is no game in it")
    for fault in found.faults:
        echo(fault)
    kinds = ", ".join(f"{count} {name}" for name, count in found.terminations.most_common())
    echo(f"{found.games} games: {kinds}")
    if found.faults:
        raise ReplayError(f"{path}: {len(found.faults)} of {found.games} games are not as they say")
    echo("every move is legal, and every result follows from its game")


def _record(result: "MatchFinished", directory: "RunDirectory") -> None:
    """Adds it to the run's pool, unless another command is at work on the run."""
    from backend.commands import RecordMatch
    from backend.errand import carry_out

    same = (result.candidate, result.candidate_budget) == (result.opponent, result.opponent_budget)
    if same:
        say("a match of a player with itself is not recorded: it rates nobody")
        return
    try:
        carry_out(directory, RecordMatch(result=result), "matrix0 match")
    except (RunDirectoryError, RunLockedError) as error:
        say(f"the match is not recorded for `matrix0 ratings`: {error}")


def _show(result: "MatchFinished", settings: "EvaluationConfig") -> None:
    from backend import wording
    from backend.evaluation.gate import decide, gate_test
    from backend.evaluation.rating import los_of_pairs

    games = result.wins + result.draws + result.losses
    score = (result.wins + result.draws / 2) / games
    cut = f", {result.truncated} cut at the ply limit" if result.truncated else ""
    echo(
        f"+{result.wins} ={result.draws} -{result.losses} ({score:.1%}){cut} "
        f"in {result.seconds:.0f} s"
    )
    echo(
        f"Elo {result.elo:+z.0f} [{result.elo_low:+z.0f}, {result.elo_high:+z.0f}] "
        f"(95 % interval), stronger with {los_of_pairs(result.pairs):.1%} probability"
    )
    echo(f"pairs of 0, 0.5, 1, 1.5, 2 points: {', '.join(map(str, result.pairs))}")
    test = gate_test(settings)
    if test is not None:
        echo(f"{wording.llr(test.llr(result.pairs), *test.bounds)}, {test}")
        decision = decide(result, settings)
        passes = "promoted" if decision.promotes else "not promoted"
        echo(f"by the gate: {decision.verdict} after {games} games, {passes}")
