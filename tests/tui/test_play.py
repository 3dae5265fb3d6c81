"""The play screen with a scripted opponent: what is typed, clicked, marked, refused and kept."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import chess
import pytest
from textual.pilot import Pilot

from backend.play.opponents import Opponent, checkpoint
from backend.play.wire import Busy, Failed, Thought
from backend.rundir import RunDirectory
from tests.play.small_network import small_checkpoint
from tests.tui.conftest import FakeLink, draw, screen
from tests.tui.plain import plain
from tests.tui.scripted_engine import GREEDY, NETWORK, Script
from tests.tui.test_screen import check_golden
from tui.glyphs import ASCII, UNICODE
from tui.play_actions import PLAY_ACTIONS
from tui.playapp import PlayApp
from tui.playing import GLANCE, Playing, Setup
from tui.screens.asking import FileScreen, PromotionScreen, SetupScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.dashboard import Dashboard
from tui.screens.pages import PageScreen
from tui.screens.play import PlayScreen, new_play
from tui.sprites import SPRITES

SIZES = [(120, 40), (80, 24)]
PROMOTION = "7k/P7/8/8/8/8/8/K7 w - - 0 1"
NOW = datetime(2026, 7, 30, 12, 0, 5)


class Table:
    """The running screen with the script behind it."""

    def __init__(self, app: PlayApp, pilot: Pilot[int], script: Script) -> None:
        self.app, self.pilot, self.script = app, pilot, script

    @property
    def playing(self) -> Playing:
        return self.app.play.playing

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, move: str) -> None:
        await self.press(*("equals_sign" if char == "=" else char for char in move), "enter")

    async def reply(self, move: str, white: float = 0.0) -> None:
        self.script.reply(move, white)
        await self.pilot.pause()

    @property
    def toasts(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]

    @property
    def seen(self) -> str:
        return plain(self.app).text


@asynccontextmanager
async def table(
    size: tuple[int, int] = (80, 24),
    *,
    ascii: bool = False,
    human: chess.Color = chess.WHITE,
    opponent: Opponent = NETWORK,
    fen: str = "",
    run: RunDirectory | None = None,
) -> AsyncIterator[Table]:
    script = Script()
    playing = Playing(script, Setup(opponent, human), NETWORK)
    if fen:
        playing.game.board.set_fen(fen)
    glyphs = ASCII if ascii else UNICODE
    play = PlayScreen(script, playing, run=run, glyphs=glyphs, now=lambda: NOW)
    app = PlayApp(play)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield Table(app, pilot, script)


async def opened(place: Table) -> None:
    """A few moves with a blunder, hints shown, a piece taken up."""
    script = place.script
    script.reply("e2e4", 0.04)
    for mine, theirs, before, after in (
        ("e4", "e7e5", 0.05, 0.06),
        ("Bc4", "b8c6", 0.04, 0.1),
        ("Qh5", "g8f6", 0.08, 0.97),
    ):
        await place.type(mine)
        await place.reply(theirs, before)
        script.reply("g1f3" if theirs != "g8f6" else "h5f7", after, final=theirs == "g8f6")
    await place.press("i")
    await place.reply("h5f7", 0.97)


# How it looks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "ascii"),
    [((120, 40), False), ((80, 24), False), ((80, 24), True)],
    ids=["120x40", "80x24", "80x24-ascii"],
)
async def test_the_play_screen_looks_as_it_did(size: tuple[int, int], ascii: bool) -> None:
    async with table(size, ascii=ascii) as place:
        await opened(place)
        board = place.app.play.board
        board.cursor = chess.H5
        board.pick()
        await place.pilot.pause()
        name = f"play-{size[0]}x{size[1]}" + ("-ascii" if ascii else "")
        check_golden(name, place.seen)
        if ascii:
            assert "".join(place.seen.split("\n")).isascii()


async def test_every_size_of_terminal_and_of_board_is_drawn() -> None:
    async with table((200, 60)) as place:
        files = []
        for _ in range(4):
            files.append(next(x for x in place.seen.split("\n") if re.search(r"a +b +c +d", x)))
            await place.press("z")
        assert [line.index("b") - line.index("a") for line in files] == [6, 4, 3, 2]
        for size in ((60, 20), (20, 6), (1, 1), (120, 40)):
            await place.pilot.resize_terminal(*size)
            await place.pilot.pause()
        assert "network view" in place.seen


@pytest.fixture
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.usefixtures("_no_color")
async def test_marks_are_seen_without_colour() -> None:
    async with table((120, 40)) as place:
        await opened(place)
        assert re.search(r"\(.♞..\)", place.seen)
        place.app.play.board.cursor = chess.H5
        await place.press("enter")
        assert re.search(r"\[.♕..\]", place.seen)
        assert re.search(r"x.♟", place.seen)


async def test_check_is_said_beside_the_king_and_in_the_header() -> None:
    async with table(fen="4k3/8/8/8/8/8/8/K3R3 b - - 0 1", human=chess.BLACK) as place:
        assert "your move, check" in place.seen
        assert "♚+" in place.seen


async def test_the_largest_squares_have_drawn_pieces_where_there_are_colours() -> None:
    async with table((120, 40)) as place:
        assert place.seen.count("".join(SPRITES[chess.ROOK][1])) == 4
        await place.press("z")
        assert place.seen.count("♜") == 4
        await place.press("t")
        assert "".join(place.seen.split("\n")).isascii()


# Moves -------------------------------------------------------------------------------------------


async def test_a_typed_move_is_played_and_answered() -> None:
    async with table() as place:
        await place.type("e4")
        asked = place.script.asked
        assert (asked.player, asked.moves, asked.simulations) == (NETWORK.player, ("e2e4",), 100)
        assert "is thinking" in place.seen
        await place.reply("e7e5", 0.1)
        assert place.playing.game.sans() == ["e4", "e5"]
        assert "your move" in place.seen
        assert "C20 King's Pawn Game" in place.seen


async def test_what_is_typed_is_completed_or_refused_with_a_reason() -> None:
    async with table() as place:
        await place.press("N", "f")
        assert "> Nf" in place.seen
        assert "Nf3" in place.seen
        await place.press("tab")
        assert "> Nf3" in place.seen
        await place.press("escape", "e", "5", "enter")
        assert place.toasts == ["e5 is not legal here"]
        assert place.playing.game.ply == 0
        await place.press("backspace", "backspace", "N", "enter")
        assert "N can become Na3, Nc3, Nf3, Nh3" in place.toasts[-1]


async def test_the_cursor_takes_a_piece_up_and_puts_it_down() -> None:
    async with table() as place:
        await place.press("up", "enter")
        assert place.app.play.board.selected == chess.E2
        assert place.seen.count("•") == 2
        await place.press("up", "up", "enter")
        assert place.playing.game.sans() == ["e4"]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_squares_are_clicked_also_on_a_turned_board(size: tuple[int, int]) -> None:
    async with table(size) as place:
        await place.press("w")
        board = place.app.play.board
        for origin, target in ((chess.G1, chess.F3), (chess.E7, chess.E5)):
            for square in (origin, target):
                await place.pilot.click("#play-board", offset=_cell(board, square))
            await place.press("v")
        assert place.playing.game.sans() == ["Nf3", "e5"]


def _cell(board: object, square: int) -> tuple[int, int]:
    """The middle of a square, border included."""
    left, top, width, height = board._place(*board.size)  # type: ignore[attr-defined]
    file, rank = chess.square_file(square), chess.square_rank(square)
    if board.flipped:  # type: ignore[attr-defined]
        file, rank = 7 - file, 7 - rank
    x = 1 + left + 3 + file * width + width // 2
    return x, 1 + top + (7 - rank) * height + height // 2


async def test_a_pawn_that_arrives_asks_what_it_becomes() -> None:
    async with table(fen=PROMOTION) as place:
        place.app.play.board.cursor = chess.A7
        for key, played in (("escape", []), ("n", ["a8=N"])):
            await place.press("enter", "up", "enter")
            assert isinstance(place.app.screen, PromotionScreen)
            await place.press(key)
            assert place.playing.game.sans() == played
            place.app.play.board.cursor = chess.A7


# While it thinks ---------------------------------------------------------------------------------


async def test_keys_are_answered_while_the_engine_thinks_and_takeback_drops_its_thought() -> None:
    async with table() as place:
        await place.type("e4")
        thinking = place.script.asked
        await place.press("v")
        assert place.app.play.board.flipped
        await place.press("u")
        assert place.playing.game.ply == 0
        assert place.script.asked.moves == ()
        place.script.hear(Thought(id=thinking.id, final=True, move="e7e5"))
        await place.pilot.pause()
        assert place.playing.game.ply == 0, "an answer to a dropped order is not heard"


async def test_loading_and_failure_are_said_and_enter_tries_again() -> None:
    async with table() as place:
        await place.type("e4")
        place.script.hear(Busy("loading step-00002100"))
        await place.pilot.pause()
        assert "loading step-00002100" in place.seen
        place.script.hear(Failed(place.script.asked.id, "the file is damaged [/]"))
        await place.pilot.pause()
        assert "✗ the file is damaged [/]: Enter tries again" in place.seen
        number = len(place.script.orders)
        await place.press("enter")
        assert len(place.script.orders) == number + 1
        await place.reply("e7e5")
        assert place.playing.game.ply == 2


# Endings -----------------------------------------------------------------------------------------


async def test_mate_ends_the_game_with_the_result_of_the_board() -> None:
    async with table() as place:
        for mine, theirs in (("f3", "e7e5"), ("g4", "d8h4")):
            await place.type(mine)
            await place.reply(theirs)
        assert place.toasts == ["0-1: checkmate"]
        assert "■ 0-1: checkmate" in place.seen
        await place.type("e4")
        assert "no legal move begins so" in place.seen
        await place.press("escape", "x")
        assert place.toasts[-1] == "Resign: the game is over"


async def test_resigning_asks_first() -> None:
    async with table() as place:
        for answer, result in (("n", "*"), ("y", "0-1")):
            await place.press("x")
            assert isinstance(place.app.screen, ConfirmScreen)
            await place.press(answer)
            assert place.playing.game.result == result


# Analysis, new games, files ----------------------------------------------------------------------


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


# The registry ------------------------------------------------------------------------------------


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
