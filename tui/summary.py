"""The cycles of a run as a plain table: for the modal page, and for the terminal after the end."""

from backend.events import CycleFinished
from backend.state import RunState
from tui import format as fmt
from tui.glyphs import UNICODE, Glyphs

HEADINGS = (
    ("cycle", 5),
    ("step", 8),
    ("games", 7),
    ("positions", 10),
    ("time", 7),
    ("policy", 7),
    ("value", 7),
    ("piece", 7),
    ("Elo (95%)", 12),
    ("random", 7),
    ("greedy", 7),
    ("verdict", 12),
)


def cycles_table(state: RunState, glyphs: Glyphs = UNICODE) -> list[str]:
    """Heading and one line for each cycle, oldest first; all of one width."""
    head = " ".join(title.rjust(width) for title, width in HEADINGS)
    return [head, *(_line(cycle, glyphs) for cycle in state.cycles_done)]


def _line(cycle: CycleFinished, glyphs: Glyphs) -> str:
    cells = (
        str(cycle.cycle),
        fmt.count(cycle.step),
        fmt.count(cycle.games),
        fmt.count(cycle.positions),
        fmt.duration(cycle.seconds, glyphs),
        fmt.loss(cycle.policy_loss, glyphs),
        fmt.loss(cycle.value_loss, glyphs),
        fmt.loss(cycle.piece_loss, glyphs),
        fmt.elo(cycle.elo, cycle.elo_low, cycle.elo_high, glyphs),
        _share(cycle.random_score, glyphs),
        _share(cycle.greedy_score, glyphs),
        cycle.verdict,
    )
    return " ".join(cell.rjust(width) for cell, (_, width) in zip(cells, HEADINGS, strict=True))


def _share(score: float | None, glyphs: Glyphs) -> str:
    return glyphs.dash if score is None else fmt.percent(score)


def conclusion(state: RunState) -> str:
    """One sentence about how the run stands."""
    cycles = fmt.plural(len(state.cycles_done), "cycle")
    games = fmt.plural(state.totals.games, "game")
    text = f"{cycles}, {games}, step {fmt.count(state.step)}"
    return f"{text}; best network {fmt.network(state.best)}" if state.best else text
