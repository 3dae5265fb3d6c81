"""`matrix0 rate`: where a player stands among opponents of known order."""

from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import ConfigError
from matrix0.commands.options import echo, say
from matrix0.commands.players import PLAYER_HELP, GamesRunOption, HallsOption, Progress, Venue

if TYPE_CHECKING:
    from backend.evaluation.club import Club
    from backend.evaluation.ladder import Rung
    from backend.evaluation.match import MatchScore


def rate(
    player: Annotated[str, typer.Argument(metavar="PLAYER", help=PLAYER_HELP)] = "best",
    run: GamesRunOption = None,
    games: Annotated[int, typer.Option(min=2, help="Of the confirmation.")] = 100,
    probe_games: Annotated[int, typer.Option(min=2, help="Of each of at most four probes.")] = 20,
    simulations: Annotated[
        int, typer.Option(min=0, help="Leaf evaluations for one move; 0 means as in the run.")
    ] = 0,
    movetime: Annotated[
        int, typer.Option(min=1, help="Milliseconds a move of Stockfish at a given UCI_Elo.")
    ] = 50,
    stockfish: Annotated[str, typer.Option(help="Its name or path.")] = "stockfish",
    halls: HallsOption = 0,
) -> None:
    """Place a player: random, greedy, weak Stockfish, Stockfish by UCI_Elo; by bisection."""
    for option, count in (("--games", games), ("--probe-games", probe_games)):
        if count % 2:
            raise typer.BadParameter(f"{count} must be even", param_hint=option)
    venue = Venue.at(run, simulations=simulations)
    name = venue.name(player)

    from backend.evaluation.engines import find_engine
    from backend.evaluation.fixture import Fixture
    from backend.evaluation.ladder import place, rungs
    from backend.evaluation.match import score_of

    engine: str | None = stockfish
    try:
        find_engine(stockfish)
    except ConfigError as error:
        say(f"{error} So the ladder ends at greedy.")
        engine = None

    def meet(club: "Club", rung: "Rung", count: int) -> "MatchScore":
        fixture = Fixture(
            first=name,
            second=rung.player,
            games=count,
            simulations=venue.simulations,
            seed=venue.config.seed + count,
        )
        played, log = club.play(fixture, venue.games, Progress(count))
        log.remove()
        score = score_of(played)
        echo(f"  {rung.player}: +{score.wins} ={score.draws} -{score.losses} ({score.score:.0%})")
        return score

    echo(venue.introduce(name))
    with venue.halls(halls) as elsewhere:
        club = venue.club(games, elsewhere)
        placed = place(
            rungs(engine, movetime),
            lambda rung: meet(club, rung, probe_games),
            lambda rung: meet(club, rung, games),
        )
    elo = placed.confirmed.elo
    count = placed.confirmed.wins + placed.confirmed.draws + placed.confirmed.losses
    echo(
        f"{venue.introduce(name)}: Elo {elo.elo:+z.0f} [{elo.low:+z.0f}, {elo.high:+z.0f}] against "
        f"{placed.rung.player}, {count} games"
    )
    if placed.elo is not None:
        rating, low, high = placed.elo
        echo(f"rating {rating:.0f} [{low:.0f}, {high:.0f}] on the scale of UCI_Elo")
    else:
        echo("this opponent has no rating of its own: the difference is all that is known")
