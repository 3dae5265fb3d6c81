"""Many matches: who meets whom, and the cross table of it.

    round robin   everybody meets everybody            a b c  ->  ab ac bc
    gauntlet      the first meets each of the others   a b c  ->  ab ac

Every pairing is a match like any other, with its own openings, logged game by game: a tournament
that was interrupted goes on in the middle of the match it was in.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from backend.evaluation.match import MatchGame, MatchScore, score_of

Kind = Literal["round-robin", "gauntlet"]


@dataclass(frozen=True, kw_only=True)
class Played:
    """A pairing that is over."""

    first: str
    second: str
    games: list[MatchGame]
    """From the first player's side, as a match has them."""


def schedule(players: Sequence[str], kind: Kind) -> list[tuple[str, str]]:
    """The pairings in the order they are played. ValueError unless there are two who differ."""
    if len(players) < 2 or len(set(players)) != len(players):
        raise ValueError("a tournament needs at least two players, each named once")
    if kind == "gauntlet":
        return [(players[0], other) for other in players[1:]]
    return list(itertools.combinations(players, 2))


def cross_table(players: Sequence[str], pairings: Sequence[Played]) -> list[list[str]]:
    """A row a player, most points first: name, points, games, and the score against each of them.

    Equal points are decided by points against those with more (Sonneborn-Berger), then by name.
    """
    against: dict[tuple[str, str], MatchScore] = {}
    for played in pairings:
        score = score_of(played.games)
        against[played.first, played.second] = score
        against[played.second, played.first] = _turned(score)
    points = {
        name: sum(_points(score) for (one, _), score in against.items() if one == name)
        for name in players
    }
    tiebreak = {
        name: sum(
            score.wins * points[other] + score.draws * points[other] / 2
            for (one, other), score in against.items()
            if one == name
        )
        for name in players
    }
    ranked = sorted(players, key=lambda name: (-points[name], -tiebreak[name], name))
    rows = []
    for name in ranked:
        games = sum(_games(score) for (one, _), score in against.items() if one == name)
        cells = ["·" if other == name else _cell(against.get((name, other))) for other in ranked]
        rows.append([name, f"{points[name]:g}", str(games), *cells])
    return rows


def _cell(score: MatchScore | None) -> str:
    return "" if score is None else f"+{score.wins} ={score.draws} -{score.losses}"


def _points(score: MatchScore) -> float:
    return score.wins + score.draws / 2


def _games(score: MatchScore) -> int:
    return score.wins + score.draws + score.losses


def _turned(score: MatchScore) -> MatchScore:
    """The same from the other side."""
    elo = score.elo
    low, half, even, more, high = score.pairs
    return MatchScore(
        wins=score.losses,
        draws=score.draws,
        losses=score.wins,
        truncated=score.truncated,
        pairs=(high, more, even, half, low),
        elo=type(elo)(-elo.elo, -elo.high, -elo.low),
    )
