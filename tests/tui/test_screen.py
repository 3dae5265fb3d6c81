"""The whole application: what is seen, and that nothing brings it down."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from backend import events as e
from backend.state import RunState
from backend.wire import Reply
from tests.limits import PATIENCE_S
from tests.tui import scenario
from tests.tui.conftest import SMALL, FakeLink, draw, screen, toasts
from tests.tui.plain import plain
from tui.app import ControlCentre
from tui.client import LinkView
from tui.glyphs import UNICODE
from tui.panes.board import BoardPane
from tui.panes.checkpoints import CheckpointsPane
from tui.panes.log import LogPane
from tui.panes.starting import starting_text
from tui.panes.workers import WorkersPane
from tui.running import farewell

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
NASTY = "[/] [red]x[/red] \x1b[31mred\x1b]0;title\x07 \u202e a\tb \U0001f600 [@click=app.exit]y[/]"


# Goldens -----------------------------------------------------------------------------------------


def check_golden(name: str, text: str) -> None:
    """Compare with tests/tui/golden/; `UPDATE_GOLDEN=1` writes what is seen instead."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (200, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_dashboard_looks_as_it_did(rich: RunState, size: tuple[int, int]) -> None:
    async with screen(FakeLink(rich), size) as (app, _):
        check_golden(f"dashboard-{size[0]}x{size[1]}", plain(app).text)


async def test_a_running_match_shows_score_pairs_and_how_far_its_test_is(rich: RunState) -> None:
    link = FakeLink(scenario.fold_all(scenario.running_match(rich.now), rich))
    async with screen(link) as (app, _):
        check_golden("match-120x40", plain(app).text)


OTHER_SIZES = (
    (120, 40),
    pytest.param((80, 24), marks=pytest.mark.slow),
    pytest.param((200, 60), marks=pytest.mark.slow),
)


@pytest.mark.parametrize("size", OTHER_SIZES, ids=str)
async def test_the_ascii_dashboard_looks_as_it_did_and_is_ascii(
    rich: RunState, size: tuple[int, int]
) -> None:
    async with screen(FakeLink(rich), size, ascii=True) as (app, _):
        text = plain(app).text
        check_golden(f"dashboard-{size[0]}x{size[1]}-ascii", text)
        # Textual draws the thumb of a scrollbar itself, in blocks.
        assert {char for char in text if not char.isascii()} <= set("▁▂▃▄▅▆▇█")


async def test_the_end_of_a_run_is_shown_with_its_cycles() -> None:
    async with screen(FakeLink(scenario.stopped_state())) as (app, pilot):
        await draw(app, pilot)
        check_golden("stopped-120x40", plain(app).text)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value == 0


async def test_the_cycles_of_a_run_fit_a_small_terminal(rich: RunState) -> None:
    async with screen(FakeLink(rich), (80, 24)) as (app, pilot):
        await pilot.press("t")
        await draw(app, pilot)
        check_golden("cycles-80x24", plain(app).text)


# What is seen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (200, 60)], ids=str)
async def test_the_essentials_are_on_screen(rich: RunState, size: tuple[int, int]) -> None:
    async with screen(FakeLink(rich), size) as (app, _):
        seen = plain(app)
        for text in ("TRAINING", "demo", "2,340", "47%", "policy loss", "retry in 6s"):
            assert text in seen, text
        assert all(cell_len(line) <= size[0] for line in seen.lines)


async def test_small_terminals_show_one_pane_for_each_number(rich: RunState) -> None:
    wanted = {
        "1": "policy loss",
        "2": "selfplay-1",
        "3": "game sp-0-000041:7",
        "4": "+127 ±21",
        "5": "follow",
        "6": "no heartbeat for 60 s",
    }
    async with screen(FakeLink(rich), (80, 24)) as (app, pilot):
        for key, text in wanted.items():
            await pilot.press(key)
            await draw(app, pilot)
            seen = plain(app)
            assert text in seen, key
            assert seen.lines[1].count("[") == 1


async def test_before_the_first_event_every_pane_says_what_is_missing() -> None:
    state = scenario.fold_all(scenario.beginning())
    async with screen(FakeLink(state)) as (app, _):
        seen = plain(app)
        for text in (
            "training has not begun",
            "no worker has reported its memory yet",
            "the first game has not begun",
            "none saved yet",
            "no network yet",
        ):
            assert text in seen, text


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=str)
async def test_what_the_trainer_waits_for_is_said_once_and_whole(size: tuple[int, int]) -> None:
    state = scenario.fold_all(scenario.beginning())
    waiting = e.TrainerProgress(
        step=0,
        window_positions=900,
        admitted_positions=900,
        presented_samples=0,
        credits=0,
        waiting="for positions: 900 of the first 20,000",
    )
    async with screen(FakeLink(scenario.fold_all([waiting], state)), size) as (app, _):
        seen = plain(app)
        assert seen.text.count("for positions") == 1
        assert "for positions: 900 of the first 20,000" in seen
        assert "training waits" in seen


async def test_before_the_socket_is_there_the_screen_says_so(tmp_path: Path) -> None:
    link = FakeLink(RunState(), LinkView("waiting", "no socket yet"))
    async with screen(link) as (app, _):
        assert "starting: no socket yet" in plain(app)
        assert "CONNECTING" in plain(app)


async def test_before_the_first_snapshot_a_small_terminal_shows_no_empty_panes() -> None:
    link = FakeLink(RunState(), LinkView("waiting", "no socket yet"))
    async with screen(link, (80, 24)) as (app, _):
        check_golden("starting-80x24", plain(app).text)


def test_a_socket_that_does_not_come_is_said_after_a_while() -> None:
    link = LinkView("waiting", "no socket yet")
    early, late = (
        starting_text(Path("runs/demo"), link, waited_s, ["locked"], UNICODE).plain
        for waited_s in (59.0, 61.0)
    )
    assert "locked" not in early
    assert "Nothing has answered for 1m00s. q leaves" in late
    assert "locked" in late


async def test_a_supervisor_that_died_at_the_start_shows_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "supervisor.log"
    log.write_text("first\nconfig.toml: no setting 'x'\x1b[31m [/]\n")
    link = FakeLink(RunState(), LinkView("died", "the supervisor ended with exit code 64 (config)"))
    app = ControlCentre(link, run_dir=tmp_path, clock=lambda: 0.0, refresh_s=3600)
    async with app.run_test(size=(120, 40)) as pilot:
        await draw(app, pilot)
        seen = plain(app)
        assert "exit code 64 (config)" in seen
        assert "no setting 'x'" in seen
        assert "\x1b" not in seen


async def test_a_lost_connection_is_seen_and_so_is_its_return(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        link.see(LinkView("lost", "the supervisor closed the connection"))
        await draw(app, pilot)
        assert "DISCONNECTED" in plain(app)
        assert "policy loss" in plain(app)
        link.see(LinkView("connected", ""))
        await draw(app, pilot)
        assert "DISCONNECTED" not in plain(app)


async def test_a_new_alert_is_a_toast_and_an_old_one_is_not(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        assert toasts(app) == []
        link.say(e.Alert(at=rich.now, level="error", text="value loss is not finite"))
        await draw(app, pilot)
        assert toasts(app) == ["value loss is not finite"]


async def test_a_reading_that_comes_between_two_ticks_is_only_drawn_once(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        drawn = []
        show = app.dashboard.show
        app.dashboard.show = lambda context, now: (drawn.append(now), show(context, now))  # type: ignore[method-assign]
        for i in range(50):
            link.say(e.LogLine(at=rich.now, source="x", level="info", text=f"line {i}"))
        app.tick()
        app.tick()
        assert len(drawn) == 1
        await draw(app, pilot)
        assert "line 49" in plain(app)


# State goes in, cells come out -------------------------------------------------------------------


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


async def test_text_from_outside_is_shown_and_not_obeyed(rich: RunState) -> None:
    """Markup, control sequences and bidirectional overrides in every field that holds text."""
    state = replace(rich, run=NASTY, stop_reason=NASTY, preset=NASTY)
    link = FakeLink(state)
    async with screen(link) as (app, pilot):
        at = state.now
        seen = replace(scenario.board_seen(3, at), game=NASTY)
        seen = replace(seen, moves=(replace(seen.moves[0], san=NASTY),))
        link.say(
            e.LogLine(at=at, source=NASTY, level="info", text=NASTY),
            e.Alert(at=at, level="error", text=NASTY),
            e.Heartbeat(at=at, worker="trainer", phase=NASTY, detail=NASTY),
            e.WorkerStarted(at=at, worker=NASTY, role="selfplay", pid=1),
            replace(scenario.checkpoint(2340, at), name=NASTY, reason=NASTY),
            e.Promoted(at=at, name=NASTY, previous="", reason=NASTY),
            e.MatchStarted(match="m", candidate=NASTY, opponent=NASTY, games=2, simulations=1),
            seen,
        )
        link.reply = Reply(id=1, refused=NASTY)
        for key in ("space", "6", "question_mark", "escape", "t", "escape"):
            await pilot.press(key)
            await draw(app, pilot)
            text = plain(app).text
            assert not any(ord(ch) < 32 and ch != "\n" for ch in text), key
            assert "\u202e" not in text
        link.see(LinkView("lost", NASTY))
        await draw(app, pilot)
        assert "[/]" in plain(app)


async def test_an_impossible_board_is_said_not_raised(rich: RunState) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        link.say(e.BoardSeen(worker="selfplay-0", game="g", fen="not/a/fen", ply=1))
        await draw(app, pilot)
        assert "not a position" in plain(app)
        assert app.dashboard.query_one(BoardPane).seen is link.state.board


# Sizes, colours, imports -------------------------------------------------------------------------


async def test_resizing_never_raises_and_every_size_is_filled(rich: RunState) -> None:
    sizes = [(60, 20), (20, 6), (1, 1), (110, 34), (200, 60)]
    async with screen(FakeLink(rich), (200, 60)) as (app, pilot):
        first = plain(app).text
        for width, height in sizes:
            await pilot.resize_terminal(width, height)
            await draw(app, pilot)
            assert app.is_running
        assert plain(app).text == first


@pytest.fixture
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.usefixtures("_no_color")
@pytest.mark.parametrize(
    "size",
    [(120, 40), *(pytest.param(size, marks=pytest.mark.slow) for size in ((80, 24), (200, 60)))],
    ids=str,
)
async def test_it_works_without_colour(rich: RunState, size: tuple[int, int]) -> None:
    async with screen(FakeLink(rich), size) as (app, pilot):
        assert app.no_color
        check_golden(f"dashboard-{size[0]}x{size[1]}-no-color", plain(app).text)
        for key in ("2", "4", "5", "6", "z", "question_mark", "escape", "z", "3"):
            await pilot.press(key)
        await draw(app, pilot)
        seen = plain(app)
        assert "♔" in seen
        assert "♚" in seen
        assert "[" in seen


async def test_both_themes_and_a_foreign_one_draw(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        before = plain(app).text
        await pilot.press("T")
        await draw(app, pilot)
        assert app.theme == "matrix0-light"
        assert plain(app).text == before
        for theme in ("nord", "ansi-dark"):
            app.theme = theme
            await draw(app, pilot)
            assert plain(app).text == before


HEAVY = (
    *("torch", "numba", "multiprocessing", "pydantic", "safetensors", "zstandard"),
    *("chess.engine", "chess.pgn", "matrix0.cli", "tui.playing", "tui.comparing", "tui.replaying"),
)


def test_the_screen_starts_without_what_other_screens_and_commands_need() -> None:
    code = (
        "import sys, typer; from matrix0 import programs; import tui.running; "
        "typer.main.get_command(programs.tui_app); "
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


async def test_a_picture_of_the_screen_lies_where_it_was_started(
    rich: RunState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with screen(FakeLink(rich), SMALL) as (app, pilot):
        app.save_picture()
        async with asyncio.timeout(PATIENCE_S):
            while not toasts(app):  # Written by a thread of Textual's own.
                await pilot.pause()
    pictures = [entry for entry in os.listdir(tmp_path) if entry.endswith(".svg")]
    assert len(pictures) == 1


# After the screen --------------------------------------------------------------------------------


def test_after_a_detach_the_terminal_says_how_to_come_back(rich: RunState) -> None:
    text = "\n".join(farewell(rich, Path("runs/demo")))
    assert "Training goes on (pid 4242)" in text
    assert "matrix0-tui --run runs/demo" in text


def test_after_the_end_the_terminal_has_the_table_of_cycles() -> None:
    lines = farewell(scenario.stopped_state(), Path("runs/demo"))
    assert lines[0] == "The run demo has ended: 5 cycles are done."
    assert len({len(line) for line in lines[1:4]}) == 1
    assert "promoted" in lines[2]
