"""The ratings of everybody who played in a run, from the pairs in its database."""

from collections.abc import Iterable
from pathlib import Path

from backend.errors import ConfigError
from backend.evaluation.standings import Contestant, Pairing, Standings, rate
from backend.store.reading import pool


def rate_run(database: Path, anchor: str = "") -> Standings | None:
    """The player named `anchor` is 0; without a name the random mover, else the first network.

    None before the first recorded pair. ConfigError when nobody of that name played.
    """
    pairings = [
        Pairing(
            Contestant(row.player, row.budget),
            Contestant(row.opponent, row.opponent_budget),
            row.results,
        )
        for row in (pool(database) if database.exists() else [])
    ]
    return rate(pairings, _anchor(pairings, anchor)) if pairings else None


def _anchor(pairings: Iterable[Pairing], name: str) -> Contestant:
    """Who has that name; the random mover, else the earliest checkpoint, else who comes first."""
    players = sorted({player for pairing in pairings for player in pairing[:2]})
    if name:
        called = [player for player in players if player.name == name]
        if not called:
            known = ", ".join(dict.fromkeys(player.name for player in players))
            raise ConfigError(f"nobody called {name!r} played in this run; there are {known}")
        return called[0]
    by_rank = sorted(players, key=lambda p: (p.name != "random", not p.name.startswith("step-")))
    return by_rank[0]
