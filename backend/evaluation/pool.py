"""The ratings of everybody who played in a run, from the pairs in its database."""

from collections.abc import Iterable
from pathlib import Path

from backend.evaluation.standings import Contestant, Pairing, Standings, rate
from backend.store.reading import pool


def rate_run(database: Path) -> Standings | None:
    """The random mover, else the first network, is 0; None before the first recorded pair."""
    pairings = [
        Pairing(
            Contestant(row.player, row.budget),
            Contestant(row.opponent, row.opponent_budget),
            row.results,
        )
        for row in (pool(database) if database.exists() else [])
    ]
    return rate(pairings, _anchor(pairings)) if pairings else None


def _anchor(pairings: Iterable[Pairing]) -> Contestant:
    """The random mover, else the earliest checkpoint, else whoever comes first."""
    players = sorted({player for pairing in pairings for player in pairing[:2]})
    by_rank = sorted(players, key=lambda p: (p.name != "random", not p.name.startswith("step-")))
    return by_rank[0]
