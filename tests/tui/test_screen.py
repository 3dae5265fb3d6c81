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
from tests.tui.goldens import check_golden
from tests.tui.plain import plain
from tui.app import ControlCentre
from tui.client import LinkView
from tui.glyphs import UNICODE
from tui.panes.starting import starting_text
from tui.running import farewell

ROOT = Path(__file__).resolve().parents[2]
NASTY = "[/] [red]x[/red] \x1b[31mred\x1b]0;title\x07 \u202e a\tb \U0001f600 [@click=app.exit]y[/]"


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
            "no game yet: selfplay-0 is loading",
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


async def test_an_error_is_a_note_on_the_desktop_where_that_is_wanted(
    rich: RunState, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink(rich)
    async with screen(link, SMALL) as (app, pilot):
        written: list[str] = []
        monkeypatch.setattr(app._driver, "write", written.append)
        for app.notifies in (False, True):
            for level in ("warning", "error"):
                link.say(e.Alert(at=rich.now, level=level, text=f"{level} \x1b]0;x\x07"))  # type: ignore[arg-type]
                await draw(app, pilot)
        notes = [text for text in written if text.startswith("\x1b]9;")]
        assert len(notes) == 1
        assert notes[0].startswith("\x1b]9;Matrix0 demo: error ")
        assert notes[0].count("\x1b") == notes[0].count("\x07") == 1


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


# What is loaded and left -------------------------------------------------------------------------


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


def test_after_a_detach_the_terminal_says_how_to_come_back(rich: RunState) -> None:
    text = "\n".join(farewell(rich, Path("runs/demo")))
    assert "Training goes on (pid 4242)" in text
    assert "matrix0-tui --run runs/demo" in text


def test_after_the_end_the_terminal_has_the_table_of_cycles() -> None:
    lines = farewell(scenario.stopped_state(), Path("runs/demo"))
    assert lines[0] == "The run demo has ended: 5 cycles are done."
    assert len({len(line) for line in lines[1:4]}) == 1
    assert "promoted" in lines[2]


async def test_a_screen_that_is_not_made_yet_is_not_drawn_and_keeps_its_keys(
    rich: RunState,
) -> None:
    async with screen(FakeLink(rich), SMALL) as (app, pilot):
        app.action_act("log")
        app.redraw()
        app.tick()  # A clock does not wait for it, nor does who types on.
        app.action_act("log-level")
        async with asyncio.timeout(10):
            while "warnings and errors" not in plain(app):
                await pilot.pause(0.01)


async def test_a_pane_that_is_seen_has_the_keys_at_once(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, _):
        for pane in ("workers", "checkpoints", "board"):
            app.action_act(f"pane-{pane}")
            assert app.focused is app.dashboard.query_one(f"#{pane}")
