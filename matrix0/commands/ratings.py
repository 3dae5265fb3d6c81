"""`matrix0 ratings`: all players of a run in one table, from every pair of games they played."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import ConfigError
from matrix0.commands.options import RunOption, echo

if TYPE_CHECKING:
    from backend.evaluation.standings import Standings


def ratings(
    run: RunOption,
    anchor: Annotated[
        str,
        typer.Option(help="Whose rating is 0; by itself the random mover, else the first network."),
    ] = "",
    picture: Annotated[
        Path | None,
        typer.Option(help="Write the rise of the run's networks over its hours, as SVG."),
    ] = None,
) -> None:
    """Rate everybody who played in a run, jointly, from all their games."""
    from backend.evaluation.pool import rate_run
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    directory.read_config()
    standings = rate_run(directory.database, anchor)
    if standings is None:
        raise ConfigError(f"{directory.path}: no match was recorded yet; `matrix0 match` plays one")
    if picture is not None:
        from backend.commit import commit_file
        from backend.report.rise import elo_over_time
        from backend.store.reading import cycles

        title = f"{directory.name}: strength of its networks, {standings.anchor.name} is 0"
        try:
            drawn = elo_over_time(standings, cycles(directory.database), title)
        except ValueError as error:
            raise ConfigError(f"{directory.path}: {error}") from error
        commit_file(picture, drawn.encode())
    for line in table(standings):
        echo(line)
    if picture is not None:
        echo(f"the picture is in {picture}")


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
