"""The moves beside the board, and the policy on it."""

import re

import chess
import pytest
from msgspec.structs import replace

from backend import events as e
from backend.state import RunState
from tests.tui import scenario
from tests.tui.conftest import FakeLink, draw, screen, toasts
from tests.tui.plain import plain
from tests.tui.test_colours import map_of
from tui.app import ControlCentre
from tui.panes.board import BoardPane, heat, with_played


def test_the_played_move_is_shown_however_few_there_is_room_for() -> None:
    sans = ("a4", "b4", "c4", "d4")
    moves = tuple(e.MoveSeen(san=s, policy=0.2, visits=1, is_played=s == "c4") for s in sans)
    shown = [[move.san for move in with_played(moves, number)] for number in (4, 3, 2, 1, 0)]
    assert shown == [["a4", "b4", "c4", "d4"], ["a4", "b4", "c4"], ["a4", "c4"], ["c4"], []]


async def test_the_played_move_is_marked_and_an_unknown_value_is_a_dash(rich: RunState) -> None:
    moves = (
        e.MoveSeen(san="Qxe6", policy=0.6, visits=12, q=-0.001),
        e.MoveSeen(san="Bxd7+", policy=0.3, visits=0, q=None, is_played=True),
    )
    board = replace(scenario.board_seen(29, rich.now), moves=moves)
    async with screen(FakeLink(replace(rich, board=board))) as (app, _):
        text = plain(app)
    assert any("  Qxe6     60%" in line and "+0.00    12" in line for line in text.lines)
    assert any("▸ Bxd7+    30%" in line and "    —     0" in line for line in text.lines)


async def test_the_boards_of_all_workers_are_followed_in_turn(rich: RunState) -> None:
    link = FakeLink(replace(rich, board=None, boards={}))
    async with screen(link) as (app, pilot):
        await pilot.press("o")
        assert toasts(app) == ["Board of the next worker: there is one board at most"]
        link.say(*(scenario.board_seen(n, rich.now, f"selfplay-{n}") for n in (0, 1)))
        await draw(app, pilot)
        pane = app.dashboard.query_one(BoardPane)
        for followed in (0, 1, 0, 1):
            assert pane.seen is not None
            assert pane.seen.worker == f"selfplay-{followed}"
            await pilot.press("o")
            await draw(app, pilot)
        await pilot.press("o")
        link.say(e.WorkerRetired(worker="selfplay-1"))
        await draw(app, pilot)
        assert pane.seen is not None
        assert pane.seen.worker == "selfplay-0"


def test_the_policy_lies_on_the_squares_that_moves_go_to() -> None:
    shares = {"Nbd7": 0.3, "Nfd7+": 0.2, "exd8=Q#": 0.1, "O-O": 0.05, "O-O-O+": 0.25}
    shares |= {"": 0.9, "O": 0.9, "d9": 0.9, "--": 0.9}  # From a worker that is not ours.
    moves = tuple(e.MoveSeen(san=san, policy=p, visits=1) for san, p in shares.items())
    white = {chess.D7: 0.5, chess.D8: 0.1, chess.G1: 0.05, chess.C1: 0.25}
    assert heat(moves, chess.WHITE) == pytest.approx(white)
    black = {chess.D7: 0.5, chess.D8: 0.1, chess.G8: 0.05, chess.C8: 0.25}
    assert heat(moves, chess.BLACK) == pytest.approx(black)
    endless = e.MoveSeen(san="e4", policy=float("inf"), visits=1)
    assert heat((endless,), chess.WHITE) == {chess.E4: 1.0}


def squares_of(app: ControlCentre) -> list[str]:
    """The lines of the board alone."""
    region = app.dashboard.board.content_region
    lines = plain(app).lines[region.y : region.bottom]
    end = next(i for i, line in enumerate(lines) if "a   b   c" in line or "a  b  c" in line)
    return [line.replace("\ufe0e", "")[region.x : region.right] for line in lines[:end]]


async def test_i_paints_the_policy_on_the_live_board_and_takes_it_away(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        before, colours = squares_of(app), map_of(app, 120)
        assert "%" not in "".join(before)
        assert "i: policy · f: flip" in plain(app)
        await pilot.press("i")
        await draw(app, pilot)
        # Bxd7+ was played with 62 %, as the list below says; d7 has the bishop now.
        above_rank_7 = squares_of(app)[2]
        assert above_rank_7.split() == ["62%"]
        assert above_rank_7.index("62%") == before[3].index("♝") - 1
        assert sum(line.count("%") for line in squares_of(app)) == 5
        assert "i: hide policy" in plain(app)
        assert map_of(app, 120) != colours
        await pilot.press("i")
        await draw(app, pilot)
        assert squares_of(app) == before
        assert map_of(app, 120) == colours


@pytest.mark.parametrize("ascii", [False, True], ids=["no-color", "ascii"])
async def test_the_policy_is_figures_where_colour_is_missing(
    rich: RunState, ascii: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with screen(FakeLink(rich), (80, 24), ascii=ascii) as (app, pilot):
        await pilot.press("3")
        await draw(app, pilot)
        assert app.dashboard.board.seen is not None
        before = squares_of(app)
        await pilot.press("i")
        await draw(app, pilot)
        told = [share for line in squares_of(app) for share in re.findall(r"\d\d", line)]
        assert told
        assert squares_of(app) != before


async def test_without_a_board_it_is_said_who_is_not_yet_at_play(rich: RunState) -> None:
    link = FakeLink(replace(rich, board=None, boards={}))
    link.say(e.Heartbeat(at=rich.now, worker="selfplay-0", phase="compiling", detail="8/91 legal"))
    async with screen(link) as (app, _):
        assert "no game yet: selfplay-0 is compiling" in plain(app)
