"""`matrix0 data`: what a run has to learn from."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backend.errors import RunDirectoryError
from matrix0.commands.keeping import RunArgument
from matrix0.commands.options import AsciiOption, JsonOption, echo, has_ascii_alone

if TYPE_CHECKING:
    from backend.replay.dataset import Drawn, Survey

_BAR: Final = 30
_MOST_THEMES: Final = 25


def data(
    run: RunArgument,
    samples: Annotated[int, typer.Option(min=0, help="Positions to draw on the board.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    as_json: JsonOption = False,
    ascii: AsciiOption = False,
) -> None:
    """Show what a run learns from: sources, phases, results, themes, and some positions."""
    import msgspec

    from backend.replay import dataset
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    if not directory.path.is_dir():
        raise RunDirectoryError(f"{directory.path}: there is no such run")
    found = dataset.survey(directory)
    if as_json:
        echo(msgspec.json.encode(found))
        return
    plain = ascii or has_ascii_alone()
    _show(found, "#" if plain else "█")
    for drawn in dataset.draw(directory, samples, seed):
        _show_position(drawn, plain=plain)


def _show(found: "Survey", bar: str) -> None:
    echo(
        f"{found.games:,} games, {found.positions:,} positions in {found.shards:,} shards; "
        f"held out: {found.held_out_games:,} games, {found.held_out_positions:,} positions"
    )
    echo(
        f"value of a search or an engine: {found.searched:,} positions; no value to learn: "
        f"{found.without_value:,}"
    )
    echo(
        f"there more than once: {found.twice:,} positions to learn from; held-out positions that "
        f"are also learned from: {found.leaked:,}"
    )
    if found.sources:
        echo("\nsources")
        width = max(len(source.name) for source in found.sources)
        for source in found.sources:
            echo(
                f"  {source.name:<{width}}  {source.kind:<8}  {source.games:>9,} games  "
                f"{source.positions:>11,} positions, {source.held_out_positions:,} held out"
            )
    for title, counts in (
        ("phases, positions", found.phases),
        ("results, games", found.results),
        ("ratings, games", Counter(dict(sorted(found.ratings.items(), key=_first_number)))),
        ("themes, games", Counter(dict(found.themes.most_common(_MOST_THEMES)))),
    ):
        _show_bars(title, counts, bar)


def _first_number(item: tuple[str, int]) -> int:
    """Of a band of ratings; before all of them what has no rating."""
    first = item[0].partition("-")[0]
    return int(first) if first.isdecimal() else -1


def _show_bars(title: str, counts: Counter[str], bar: str) -> None:
    most = max(counts.values(), default=0)
    if not most:
        return
    echo(f"\n{title}")
    width = max(map(len, counts))
    for name, count in counts.items():
        echo(f"  {name:<{width}}  {count:>11,}  {bar * round(_BAR * count / most)}")


def _show_position(drawn: "Drawn", *, plain: bool) -> None:
    where = f"{drawn.source} {drawn.number}" if drawn.number else drawn.source
    told = [f"{where}, ply {drawn.ply}"]
    if drawn.rating:
        told.append(f"rating {drawn.rating}")
    if drawn.themes:
        told.append(" ".join(drawn.themes))
    echo(f"\n{', '.join(told)}")
    board = str(drawn.board) if plain else drawn.board.unicode(empty_square="·")
    for line in board.splitlines():
        echo(f"  {line}")
    mover = "White" if drawn.board.turn else "Black"
    moves = ", ".join(f"{san} {share:.0%}" for san, share in drawn.moves)
    echo(f"  {mover} to move: {moves}")
    for name, wdl in (("result", drawn.result_wdl), ("search", drawn.root_wdl)):
        if wdl is not None:
            win, draw, loss = wdl
            echo(f"  {name}: win {win:.0%}, draw {draw:.0%}, loss {loss:.0%}")
