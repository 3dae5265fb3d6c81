"""State goes in, cells come out: what the panes of the dashboard keep and change."""

from backend import events as e
from backend.state import RunState
from tests.tui import scenario
from tests.tui.conftest import SMALL, FakeLink, draw, screen
from tests.tui.plain import plain
from tui.panes.board import BoardPane
from tui.panes.checkpoints import CheckpointsPane
from tui.panes.log import LogPane
from tui.panes.workers import WorkersPane


async def test_the_cursor_stays_on_its_checkpoint_when_another_is_saved(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        await pilot.press("4", "j")
        table = app.dashboard.query_one(CheckpointsPane)
        assert table.selected_key == "step-00001000"
        link.say(scenario.checkpoint(2340, rich.now, "requested"))
        await draw(app, pilot)
        assert table.selected_key == "step-00001000"
        assert table.row_count == 4


async def test_a_checkpoint_that_is_saved_is_in_view_until_the_cursor_is_moved(
    rich: RunState,
) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        table = app.dashboard.query_one(CheckpointsPane)
        link.say(scenario.checkpoint(2340, rich.now, "requested"))
        await draw(app, pilot)
        assert table.selected_key == "step-00002340"
        await pilot.press("4")
        link.say(scenario.checkpoint(2350, rich.now, "requested"))
        await draw(app, pilot)
        assert table.selected_key == "step-00002340"


async def test_only_changed_cells_of_the_workers_are_touched(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        table = app.dashboard.query_one(WorkersPane)
        touched: list[tuple[str, str]] = []
        table.update_cell = lambda row, column, text: touched.append((row.value, column.value))  # type: ignore[method-assign, assignment, union-attr]
        trainer = rich.workers["trainer"]
        beat = e.Heartbeat(
            at=trainer.beat_at, worker="trainer", phase="saving", rss_mib=trainer.rss_mib
        )
        link.say(beat)
        await draw(app, pilot)
        assert touched == [("trainer", "state")]


async def test_the_log_follows_until_one_scrolls_up(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        log = app.dashboard.query_one(LogPane)
        assert log.is_following
        await pilot.press("5", "g")
        await draw(app, pilot)
        top = plain(app)
        assert not log.is_following
        assert "found 0 shards" in top
        link.say(e.LogLine(at=rich.now, source="run", level="info", text="the newest"))
        await draw(app, pilot)
        assert "the newest" not in plain(app)
        await pilot.press("G")
        await draw(app, pilot)
        assert log.is_following
        assert "the newest" in plain(app)


async def test_a_full_log_that_drops_its_head_shows_each_line_once(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        log = app.dashboard.query_one(LogPane)
        for start in range(0, 1500, 300):
            link.say(
                *(
                    e.LogLine(at=rich.now, source="x", level="info", text=f"n{i}")
                    for i in range(start, start + 300)
                )
            )
            await draw(app, pilot)
        assert [row.text for row in log._rows] == [line.text for line in link.state.log]


async def test_an_impossible_board_is_said_not_raised(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        link.say(e.BoardSeen(worker="selfplay-0", game="g", fen="not/a/fen", ply=1))
        await draw(app, pilot)
        assert "not a position" in plain(app)
        assert app.dashboard.query_one(BoardPane).seen is link.state.board
