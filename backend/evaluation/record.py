"""What is recorded of a finished match: score, pairs, Elo, and who could spend what."""

from collections.abc import Sequence
from typing import Any

from backend.config import BASELINES
from backend.evaluation.engines import names_engine, parse_engine
from backend.evaluation.match import MatchGame, score_of

Results = tuple[int, int, int, int, int, int, int, int, int]


def facts_of(games: Sequence[MatchGame]) -> dict[str, Any]:
    """What `MatchFinished` says of the games: of whole pairs only."""
    score = score_of(games)
    return {
        "wins": score.wins,
        "draws": score.draws,
        "losses": score.losses,
        "truncated": score.truncated,
        "pairs": score.pairs,
        "results": results_of(games),
        "elo": score.elo.elo,
        "elo_low": score.elo.low,
        "elo_high": score.elo.high,
    }


def budget_of(player: str, simulations: int) -> str:
    """What a player of a run may spend on a move; a baseline spends nothing."""
    if names_engine(player):
        return parse_engine(player).budget
    return f"{simulations} simulations" if needs_network(player) else ""


def needs_network(name: str) -> bool:
    """Whether the player called `name` is a checkpoint."""
    return name not in BASELINES and not names_engine(name)


def results_of(games: Sequence[MatchGame]) -> Results:
    """Whole pairs by what the candidate made of White and of Black: nine counts.

    At 3 · white + black, each 0 for a loss, 1 for a draw, 2 for a win.
    """
    points = {game.number: round(2 * game.candidate_points) for game in games}
    kinds = [
        3 * as_white + points[number + 1]
        for number, as_white in points.items()
        if number % 2 == 0 and number + 1 in points
    ]
    ll, ld, lw, dl, dd, dw, wl, wd, ww = (kinds.count(kind) for kind in range(9))
    return ll, ld, lw, dl, dd, dw, wl, wd, ww
