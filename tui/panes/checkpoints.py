"""Saved networks, newest first, with what they are worth; Enter says what can be done with one."""

from textual.content import Content
from textual.message import Message

from backend.state import RunState
from backend.views import CheckpointView, MatchView
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.quiet import Titles
from tui.panes.table import Cell, Column, StateTable

COLUMNS = (
    Column("step", "step", 8, "right"),
    Column("policy", "policy", 7, "right"),
    Column("value", "value", 7, "right"),
    Column("elo", "Elo (95%)", 12, "right"),
    Column("size", "size", 6, "right"),
    Column("tag", "tag", 16),
)


BAR_WIDTH = 21
"""Cells of the bar of a test; odd, so that one of them is 0."""


class CheckpointsPane(StateTable):
    class Chosen(Message):
        """Something should be done with the one under the cursor: Enter, or a second click."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("checkpoints", COLUMNS)
        self.glyphs = glyphs
        self._titles = Titles(self)

    def on_data_table_row_selected(self) -> None:
        self.post_message(self.Chosen())

    def show(self, state: RunState) -> None:
        self.show_rows(checkpoint_rows(state, self.glyphs))
        match = state.match if state.phase != "stopped" else None
        if match is not None:
            text, test = f"  {running(match, self.glyphs)}", balance(match, self.glyphs)
        else:
            number = len(state.checkpoints)
            text, test = f"  {number} kept" if number else "  none saved yet", ""
        self._titles.put(Content.assemble(("checkpoints", "bold"), text), test)


def running(match: MatchView, glyphs: Glyphs) -> str:
    """match 62/400 58% · pairs 1-4-9-11-6"""
    score = f" {fmt.percent(match.score)}" if match.played else ""
    text = f"match {match.played}/{match.games}{score}"
    if any(match.pairs):
        text += f" {glyphs.middle_dot} pairs {'-'.join(map(str, match.pairs))}"
    return text


def balance(match: MatchView, glyphs: Glyphs) -> str:
    """The test that may end the match between its bounds: LLR +0.42  -2.94 ░░░░░│█░░░░ +2.94"""
    if match.llr is None or match.llr_low is None or match.llr_high is None:
        return ""
    bar = fmt.balance(match.llr, match.llr_low, match.llr_high, BAR_WIDTH, glyphs)
    return f"LLR {match.llr:+z.2f}  {match.llr_low:+.2f} {bar} {match.llr_high:+.2f}"


def checkpoint_rows(state: RunState, glyphs: Glyphs) -> dict[str, tuple[Cell, ...]]:
    return {c.name: _row(c, state, glyphs) for c in reversed(state.checkpoints)}


def _row(view: CheckpointView, state: RunState, glyphs: Glyphs) -> tuple[Cell, ...]:
    word, colour = tag(view, state, glyphs)
    rated = view.elo is not None
    return (
        Cell(fmt.count(view.step), bold=view.name == state.best),
        Cell(fmt.loss(view.metrics.get("policy_loss"), glyphs)),
        Cell(fmt.loss(view.metrics.get("value_loss"), glyphs)),
        Cell(fmt.elo(view.elo, view.elo_low, view.elo_high, glyphs), "" if rated else "muted"),
        Cell(fmt.memory(view.size_mib, glyphs)),
        Cell(f" {word}", colour),
    )


def tag(view: CheckpointView, state: RunState, glyphs: Glyphs) -> tuple[str, str]:
    """What a checkpoint is to the run, and a theme variable."""
    if view.name == state.best:
        return f"{glyphs.best} best", "best"
    match = state.match if state.phase != "stopped" else None
    if match is not None and match.candidate == view.name:
        return f"{glyphs.running} in match", "good"
    match view.verdict:
        case "promoted":
            return f"{glyphs.done} promoted", "muted"
        case "rejected":
            return f"{glyphs.failed} rejected", "muted"
        case "inconclusive":
            return f"{glyphs.done if view.promotes_anyway else '?'} inconclusive", "muted"
        case _:
            return view.reason, "muted"
