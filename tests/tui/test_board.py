"""The moves beside the board."""

from msgspec.structs import replace

from backend import events as e
from backend.state import RunState
from tests.tui import scenario
from tests.tui.conftest import FakeLink, draw, screen, toasts
from tests.tui.plain import plain
from tui.panes.board import BoardPane, with_played


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
