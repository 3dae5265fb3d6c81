"""Around a game at the play screen: new ones, files, help, footer, leaving, a real network."""

import asyncio
from pathlib import Path

import chess
import pytest

from backend.play.opponents import checkpoint
from backend.rundir import RunDirectory
from tests.play.small_network import small_checkpoint
from tests.tui.conftest import FakeLink, draw, screen
from tests.tui.plain import plain
from tests.tui.playtable import table
from tests.tui.scripted_engine import GREEDY
from tui.glyphs import UNICODE
from tui.play_actions import PLAY_ACTIONS
from tui.playapp import PlayApp
from tui.playing import GLANCE, Setup
from tui.screens.asking import FileScreen, SetupScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.pages import PageScreen
from tui.screens.play import PlayScreen, new_play


async def test_a_new_game_has_another_opponent_and_colour() -> None:
    async with table() as place:
        await place.type("e4")
        await place.press("n")
        assert isinstance(place.app.screen, SetupScreen)
        await place.press("right", "right", "down", "right", "enter")
        assert isinstance(place.app.screen, ConfirmScreen), "a game is being played"
        await place.press("y")
        assert place.playing.setup == Setup(GREEDY, chess.BLACK)
        assert place.playing.game.ply == 0
        assert place.app.play.board.flipped
        assert (place.script.asked.kind, place.script.asked.moves) == ("baseline", ())


async def test_a_game_is_saved_into_the_run_and_loaded_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "demo")
    run.games.mkdir(parents=True)
    async with table(run=run) as place:
        await place.type("e4")
        await place.reply("c7c5", 0.2)
        await place.press("s")
        path = run.games / "play-20260730-120005.pgn"
        assert '[Black "step-00002100 (best)"]' in path.read_text()
        await place.press("u", "l")
        assert place.playing.game.ply == 0
        assert isinstance(place.app.screen, FileScreen)
        await place.press("enter")
        await place.pilot.pause()
        assert place.playing.game.sans() == ["e4", "c5"]
        assert place.playing.game.values == {1: 0.2}
        assert not place.playing.analysing


async def test_every_action_has_a_key_a_palette_entry_and_a_line_of_help() -> None:
    async with table((120, 90)) as place:
        titles = [entry.title for entry in place.app.get_system_commands(place.app.screen)]
        await place.press("question_mark")
        assert isinstance(place.app.screen, PageScreen)
        for action in PLAY_ACTIONS:
            assert action.title in titles
            assert action.title in place.seen
        assert "Not now: you have not moved yet." in place.seen


async def test_a_key_that_makes_no_sense_now_says_why_and_keys_of_elsewhere_do_nothing() -> None:
    async with table() as place:
        await place.press("u")
        assert place.toasts == ["Take back: you have not moved yet"]
        await place.press("P", "1", "m", "j")
        assert len(place.toasts) == 1


async def test_the_footer_can_be_clicked() -> None:
    async with table((120, 40)) as place:
        column = place.seen.split("\n")[-2].index("Flip")
        await place.pilot.click("#keys", offset=(column, 0))
        assert place.app.play.board.flipped


async def test_leaving_ends_the_program() -> None:
    async with table() as place:
        await place.press("q")
        assert place.app.return_value == 0


async def test_the_dashboard_opens_the_board_and_keeps_the_game(
    rich: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with screen(FakeLink(rich), (80, 24)) as (app, pilot):  # type: ignore[arg-type]
        await pilot.press("p")
        await pilot.pause()
        assert isinstance(app.screen, PlayScreen)
        await pilot.press("w", "e", "4", "enter", "q")
        await draw(app, pilot)
        assert isinstance(app.screen, Dashboard)
        await pilot.press("p")
        await pilot.pause()
        assert isinstance(app.screen, PlayScreen)
        assert app.screen.playing.game.sans() == ["e4"]
        app.pop_screen()


@pytest.mark.slow
async def test_a_real_network_plays_while_keys_are_answered(tmp_path: Path) -> None:
    best = checkpoint(small_checkpoint(tmp_path))
    play = new_play(None, UNICODE, best)
    play.playing.set_up(Setup(best, chess.WHITE, simulations=8))
    app = PlayApp(play)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("e", "4", "enter", "v")
        assert play.playing.game.ply == 1, "the process has not even loaded its network"
        assert play.board.flipped
        async with asyncio.timeout(240):  # A first start compiles the kernels.
            while play.playing.game.ply < 2 or play.playing.is_thinking:
                await pilot.pause(0.05)
        thought = play.playing.shown_thought
        assert thought is not None
        assert thought.simulations == GLANCE
        assert "W " in plain(app).text
        await pilot.press("u")
        assert play.playing.game.ply == 0
