"""`matrix0 tournament`: everybody against everybody, or one against all; and its cross table."""

import time
from typing import Annotated, Literal

import typer

from backend.errors import ConfigError
from matrix0.commands.options import echo
from matrix0.commands.players import PLAYER_HELP, GamesRunOption, HallsOption, Progress, Venue


def tournament(
    players: Annotated[list[str], typer.Argument(metavar="PLAYER…", help=PLAYER_HELP)],
    run: GamesRunOption = None,
    kind: Annotated[
        Literal["round-robin", "gauntlet"],
        typer.Option(help="round-robin: all meet all. gauntlet: the first meets each other."),
    ] = "round-robin",
    games: Annotated[int, typer.Option(min=2, help="Of each pairing; an even number.")] = 40,
    simulations: Annotated[
        int, typer.Option(min=0, help="Leaf evaluations for one move; 0 means as in the run.")
    ] = 0,
    openings: Annotated[
        str, typer.Option(help="A book of openings: EPD, PGN, Polyglot; also .gz, .zst.")
    ] = "",
    halls: HallsOption = 0,
) -> None:
    """Play a tournament. Interrupted, it goes on where it stopped when it is ordered again."""
    if games % 2:
        raise typer.BadParameter(f"{games} must be even", param_hint="--games")
    venue = Venue.at(run, simulations=simulations, openings=openings)
    names = [venue.name(word) for word in players]

    from backend.commit import commit_file
    from backend.evaluation.fixture import Fixture
    from backend.evaluation.match import score_of, to_pgn
    from backend.evaluation.record import budget_of
    from backend.evaluation.tournament import Played, cross_table, schedule

    try:
        pairings = schedule(names, kind)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    played, logs = [], []
    with venue.halls(halls) as elsewhere:
        club = venue.club(games, elsewhere)
        for number, (first, second) in enumerate(pairings, 1):
            fixture = Fixture(
                first=first,
                second=second,
                games=games,
                simulations=venue.simulations,
                seed=venue.config.seed + number,
            )
            found, log = club.play(fixture, venue.games, Progress(games))
            logs.append(log)
            played.append(Played(first=first, second=second, games=found))
            score = score_of(found)
            elo = score.elo
            echo(
                f"{number}/{len(pairings)}  {first} - {second}: +{score.wins} ={score.draws} "
                f"-{score.losses}, Elo {elo.elo:+z.0f} [{elo.low:+z.0f}, {elo.high:+z.0f}]"
            )

    def spent(name: str) -> str:
        return club.versions.get(name) or budget_of(name, venue.simulations)

    texts = [
        to_pgn(
            one.games,
            one.first,
            one.second,
            f"Matrix0 {kind}",
            (spent(one.first), spent(one.second)),
        )
        for one in played
    ]
    path = venue.games / time.strftime("tournament-%Y%m%d-%H%M%S.pgn")
    commit_file(path, "".join(texts).encode())
    for log in logs:
        log.remove()
    rows = cross_table(names, played)
    width = max(len(name) for name in names)
    echo(f"\n{'':>3} {'player':<{width}} {'points':>7} {'games':>6}  against 1, 2, …")
    for rank, (name, points, count, *cells) in enumerate(rows, 1):
        against = "  ".join(f"{cell or '-':^12}" for cell in cells)
        echo(f"{rank:>3} {name:<{width}} {points:>7} {count:>6}  {against}")
    echo(f"games: {path}")
