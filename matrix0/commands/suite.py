"""`matrix0 suite`: test positions and puzzles put to a player. Diagnosis, never for selection."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from backend.errors import ReplayError
from matrix0.commands.options import echo, say
from matrix0.commands.players import PLAYER_HELP, GamesRunOption, Venue

if TYPE_CHECKING:
    from backend.evaluation.epd import EpdFault, Task
    from backend.evaluation.players import Player
    from backend.evaluation.suites import Share
    from backend.replay.puzzles import Puzzle, PuzzleFault

Row = TypeVar("Row")

SHOWN_FAULTS: Final = 5
SHOWN_THEMES: Final = 20


def suite(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="EPD, or puzzles as Lichess CSV; .gz, .zst too.")
    ],
    run: GamesRunOption = None,
    player: Annotated[str, typer.Option("--player", help=PLAYER_HELP)] = "best",
    simulations: Annotated[
        int, typer.Option(min=0, help="Leaf evaluations for one move; 0 means as in the run.")
    ] = 0,
    syzygy: Annotated[
        Path | None,
        typer.Option(help="Tables: moves of an EPD file are right that keep the result."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="The first so many only; 0: all.")] = 0,
) -> None:
    """Ask a player for its moves in a test suite: points by theme, or a fitted puzzle rating."""
    from backend.evaluation.epd import read_epd
    from backend.evaluation.perfect import tablebase_tasks
    from backend.replay.puzzles import read_puzzles

    venue = Venue.at(run, simulations=simulations)
    name = venue.name(player)
    tasks: list[Task] = []
    puzzles: list[Puzzle] = []
    if syzygy is not None:
        tasks = _sound(tablebase_tasks(file, syzygy), file, limit)
    elif ".csv" in file.name:
        puzzles = _sound(read_puzzles(file, venue.config.limits), file, limit)
    else:
        tasks = _sound(read_epd(file, venue.config.limits), file, limit)
    count = len(tasks) + len(puzzles)
    club = venue.club(count)
    seated = club.player(name, venue.simulations, venue.config.seed)
    echo(f"{venue.introduce(name)}: {count} of {file}")
    try:
        if puzzles:
            _ask_puzzles(seated, puzzles, club.slots)
        else:
            _ask_tasks(seated, tasks, club.slots)
    finally:
        seated.close()


def _sound(rows: "Iterable[Row | EpdFault | PuzzleFault]", file: Path, limit: int) -> "list[Row]":
    """What can be asked; the rest is reported. ReplayError when there is nothing."""
    from backend.evaluation.epd import EpdFault
    from backend.replay.puzzles import PuzzleFault

    found: list[Row] = []
    faults = 0
    for row in rows:
        if isinstance(row, EpdFault | PuzzleFault):
            faults += 1
            if faults <= SHOWN_FAULTS:
                say(f"{file}, line {row.line}: {row.reason}")
            continue
        found.append(row)
        if limit and len(found) == limit:
            break
    if faults > SHOWN_FAULTS:
        say(f"{file}: {faults} lines are left out")
    if not found:
        raise ReplayError(f"{file}: there is nothing to ask in it")
    return found


def _ask_tasks(player: "Player", tasks: "list[Task]", slots: int) -> None:
    from backend.evaluation.suites import answer_tasks, share_of

    points = answer_tasks(player, tasks, slots=slots)
    themes: dict[str, list[float]] = {}
    for task, point in zip(tasks, points, strict=True):
        themes.setdefault(task.theme or "other", []).append(point)
    if len(themes) > 1:
        for theme, found in themes.items():
            _line(theme, share_of(sum(found), len(found)))
    _line("all", share_of(sum(points), len(points)))


def _ask_puzzles(player: "Player", puzzles: "list[Puzzle]", slots: int) -> None:
    from backend.evaluation.suites import (
        BAND,
        by_band,
        by_theme,
        puzzle_rating,
        share_of,
        solve_puzzles,
    )

    solved = solve_puzzles(player, puzzles, slots=slots)
    for band, share in by_band(solved).items():
        _line(f"rated {band} to {band + BAND - 1}", share)
    for theme, share in list(by_theme(solved).items())[:SHOWN_THEMES]:
        _line(theme, share)
    _line("all", share_of(sum(one.is_solved for one in solved), len(solved)))
    rating, low, high = puzzle_rating(solved)
    echo(f"puzzle rating {rating:.0f} [{low:.0f}, {high:.0f}] (95 % interval)")


def _line(name: str, share: "Share") -> None:
    echo(f"  {name:<32} {share.share:6.1%} of {share.of:>6,}  [{share.low:.1%}, {share.high:.1%}]")
