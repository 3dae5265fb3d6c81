"""The table of cycles at the end of a run."""

import io

from msgspec.structs import replace
from rich.console import Console

from backend.headless import PlainPrinter
from backend.summary import cycles_table
from tests.tui import scenario


def test_a_terminal_of_80_cells_shows_what_the_cycles_brought() -> None:
    state = scenario.rich_state()
    lines = cycles_table(state, 80)
    headings = " ".join(lines[0].split())
    assert headings == "cycle step policy Elo (95%) random greedy verdict"
    assert lines[1].split() == ["1", "1,000", "1.900", "+127", "±21", "93%", "50%", "promoted"]
    assert {len(line) for line in lines} == {65}
    assert "positions" in cycles_table(state, 120)[0]


def test_the_end_is_printed_whole_without_a_screen() -> None:
    for width in (80, 120):
        out = io.StringIO()
        PlainPrinter(Console(file=out, width=width)).end(scenario.stopped_state())
        lines = out.getvalue().splitlines()
        assert all(len(line) <= width for line in lines)
        assert "verdict" in lines[0]
        assert "promoted" in lines[2]
        assert lines[-1].endswith("best network 2,000")


def test_an_inconclusive_verdict_says_whether_the_candidate_was_promoted_all_the_same() -> None:
    state = scenario.rich_state()
    undecided = replace(state.cycles_done[0], verdict="inconclusive")
    both = (undecided, replace(undecided, promotes_anyway=True))
    lines = cycles_table(replace(state, cycles_done=both), 80)
    assert [line.split()[-1] for line in lines[1:]] == ["inconclusive", "inconclusive+"]
