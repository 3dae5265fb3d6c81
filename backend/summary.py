"""The cycles of a run as a plain table: for the screen's page, and for the terminal at the end."""

from collections.abc import Callable
from dataclasses import dataclass

from backend import wording
from backend.events import CycleFinished
from backend.state import RunState


@dataclass(frozen=True)
class Column:
    heading: str
    width: int
    cell: Callable[[CycleFinished], str]
    is_essential: bool = False
    """Also where there is no room for all."""


COLUMNS = (
    Column("cycle", 5, lambda c: str(c.cycle), True),
    Column("step", 8, lambda c: wording.count(c.step), True),
    Column("games", 7, lambda c: wording.count(c.games)),
    Column("positions", 10, lambda c: wording.count(c.positions)),
    Column("time", 7, lambda c: wording.duration(c.seconds)),
    Column("policy", 7, lambda c: wording.loss(c.policy_loss), True),
    Column("value", 7, lambda c: wording.loss(c.value_loss)),
    Column("piece", 7, lambda c: wording.loss(c.piece_loss)),
    Column("Elo (95%)", 12, lambda c: wording.elo(c.elo, c.elo_low, c.elo_high), True),
    Column("random", 7, lambda c: wording.percent(c.random_score), True),
    Column("greedy", 7, lambda c: wording.percent(c.greedy_score), True),
    Column("verdict", 13, lambda c: f"{c.verdict}+" if c.promotes_anyway else c.verdict, True),
)


def cycles_table(state: RunState, width: int) -> list[str]:
    """Heading and one line for each cycle, oldest first, of one length; all columns if `width`
    cells hold them, else the essential ones (65 cells).

    inconclusive+ is a candidate that was promoted though nothing was proven."""
    columns = [c for c in COLUMNS if c.is_essential] if width < _length(COLUMNS) else COLUMNS
    head = " ".join(column.heading.rjust(column.width) for column in columns)
    rows = (
        " ".join(column.cell(cycle).rjust(column.width) for column in columns)
        for cycle in state.cycles_done
    )
    return [head, *rows]


def _length(columns: tuple[Column, ...]) -> int:
    return sum(column.width for column in columns) + len(columns) - 1


def conclusion(state: RunState) -> str:
    """One sentence about how the run stands."""
    cycles = wording.plural(len(state.cycles_done), "cycle")
    games = wording.plural(state.totals.games, "game")
    text = f"{cycles}, {games}, step {wording.count(state.step)}"
    return f"{text}; best network {wording.network(state.best)}" if state.best else text
