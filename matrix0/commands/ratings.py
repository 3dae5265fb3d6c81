"""`matrix0 ratings`: all players of a run in one table, from every pair of games they played."""

from typing import TYPE_CHECKING

import typer

from backend.errors import ConfigError
from matrix0.commands.options import RunOption

if TYPE_CHECKING:
    from backend.evaluation.standings import Contestant, Pairing, Standings


def ratings(run: RunOption) -> None:
    """Rate everybody who played in a run; the random mover, else the first network, is 0."""
    from backend.evaluation.standings import Contestant, Pairing, rate
    from backend.rundir import RunDirectory
    from backend.store.reading import pool

    directory = RunDirectory(run)
    directory.read_config()
    pairings = [
        Pairing(
            Contestant(row.player, row.budget),
            Contestant(row.opponent, row.opponent_budget),
            row.results,
        )
        for row in (pool(directory.database) if directory.database.exists() else [])
    ]
    if not pairings:
        raise ConfigError(f"{directory.path}: no match was recorded yet; `matrix0 match` plays one")
    for line in table(rate(pairings, _anchor(pairings))):
        typer.echo(line)


def _anchor(pairings: "list[Pairing]") -> "Contestant":
    """The random mover, else the earliest checkpoint, else whoever comes first."""
    players = sorted({player for pairing in pairings for player in pairing[:2]})
    by_rank = sorted(players, key=lambda p: (p.name != "random", not p.name.startswith("step-")))
    return by_rank[0]


def table(standings: "Standings") -> list[str]:
    """Heading, a line for each player, and what the whole pool says."""
    from backend import wording

    width = max(len(row.player.name) for row in standings.rows)
    spent = max(6, *(len(row.player.budget) for row in standings.rows))
    lines = [
        f"{'rank':>4}  {'player':<{width}}  {'budget':<{spent}}  {'Elo':>6}  "
        f"{'95 %':^15}  {'games':>6}  {'LOS':>6}"
    ]
    for rank, row in enumerate(standings.rows, 1):
        interval = (
            "anchor" if row.player == standings.anchor else f"[{row.low:+z.0f}, {row.high:+z.0f}]"
        )
        los = wording.DASH if row.los is None else f"{row.los:.1%}"
        lines.append(
            f"{rank:>4}  {row.player.name:<{width}}  {row.player.budget or wording.DASH:<{spent}}  "
            f"{row.elo:>+z6.0f}  {interval:^15}  {wording.count(row.games):>6}  {los:>6}"
        )
    lines += [
        "LOS: probability of being stronger than the next in the table",
        f"White's advantage {standings.white_elo:+z.0f} Elo, "
        f"draws between equals {standings.draw_frac:.0%}",
    ]
    if standings.unlinked:
        names = ", ".join(player.name for player in standings.unlinked)
        lines.append(f"not linked to {standings.anchor.name} by any game: {names}")
    return lines
