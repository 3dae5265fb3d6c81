"""What is said of a report: scores, shares, and the move."""

import pytest

from backend.engine.course import Game
from backend.engine.limits import Limits
from backend.search.lines import MoveLine
from backend.uci.words import centipawns, info_lines, score
from tests.engine.test_thinker import make


def _line(value: float, mate: int | None = None) -> MoveLine:
    wdl = ((1 + value) / 2, 0.0, (1 - value) / 2)
    return MoveLine(move="e2e4", visits=1, prior=1.0, wdl=wdl, mate=mate, pv=("e2e4",))


def test_centipawns_rise_with_the_value_and_are_bounded() -> None:
    values = [centipawns(k / 100) for k in range(-100, 101)]
    assert values == sorted(values)
    assert centipawns(0.0) == 0
    assert centipawns(0.5362) == 100
    assert centipawns(1.0) == centipawns(2.0) == 12780
    assert values == [-v for v in reversed(values)]


@pytest.mark.parametrize(
    ("plies", "text"),
    [(1, "mate 1"), (3, "mate 2"), (-2, "mate -1"), (-4, "mate -2"), (None, "cp 0")],
)
def test_plies_to_a_mate_become_moves(plies: int | None, text: str) -> None:
    assert score(_line(0.0, plies)) == text


def test_shares_are_thousandths_that_add_up() -> None:
    report = make(num_lines=20).think(Game(), Limits(nodes=333)).report
    for line in info_lines(report, show_wdl=True):
        words = line.split()
        place = words.index("wdl")
        assert sum(int(word) for word in words[place + 1 : place + 4]) == 1000
