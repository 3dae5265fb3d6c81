"""A person's game with a clock: whose time runs when, and how it is seen and lost."""

import re

import chess

from backend.play.clock import TimeControl
from backend.play.game import TIME
from backend.play.wire import Busy, Failed
from tests.tui.scripted_engine import NETWORK, Script
from tui.glyphs import UNICODE
from tui.playapp import PlayApp
from tui.playing import Playing, Setup
from tui.screens.asking import SetupScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.play import PlayScreen

BLITZ = TimeControl(300.0, 3.0)


class Timed:
    """A game with the time in the test's hand."""

    def __init__(self, human: chess.Color = chess.WHITE, control: TimeControl = BLITZ) -> None:
        self.at = 1000.0
        self.script = Script()
        self.playing = Playing(
            self.script, Setup(NETWORK, human, control=control), NETWORK, now=lambda: self.at
        )
        self.script.hear = self.playing.hear
        self.playing.consider()

    def move(self, san: str) -> str:
        return self.playing.move(self.playing.board.parse_san(san))

    @property
    def left(self) -> tuple[float, float]:
        clock = self.playing.clock
        assert clock is not None
        return clock.left_s(chess.WHITE), clock.left_s(chess.BLACK)

    @property
    def running(self) -> chess.Color | None:
        assert self.playing.clock is not None
        return self.playing.clock.running


def test_the_clock_begins_with_the_first_move_and_both_sides_pay_for_theirs() -> None:
    game = Timed()
    game.at += 60
    assert (game.running, game.left) == (None, (300.0, 300.0))
    game.move("e4")
    assert game.running == chess.BLACK
    left = game.script.asked.clock
    assert left is not None
    assert (left.white_s, left.black_s, left.increment_s) == (300.0, 300.0, 3.0)
    game.at += 10
    game.script.reply("e7e5")
    assert (game.running, game.left) == (chess.WHITE, (300.0, 293.0))
    assert game.script.asked.clock is None, "who only watches has no clock"
    game.at += 20
    game.move("Nf3")
    assert game.left == (283.0, 293.0)
    assert game.playing.game.clocks == {1: 300.0, 2: 293.0, 3: 283.0}


def test_time_that_passes_gives_no_new_order() -> None:
    game = Timed()
    game.move("e4")
    number = len(game.script.orders)
    game.at += 5
    game.playing.consider()
    assert len(game.script.orders) == number


def test_a_fallen_flag_ends_the_game_and_stops_the_thinking() -> None:
    game = Timed()
    game.move("e4")
    game.at += 299.9
    assert not game.playing.tick()
    game.at += 0.2
    assert game.playing.tick()
    assert not game.playing.tick(), "it falls once"
    assert (game.playing.game.result, game.running) == ("1-0", None)
    assert game.move("c5") == "the game is over"


def test_a_move_that_comes_after_the_flag_does_not_count() -> None:
    game = Timed()
    game.move("e4")
    game.at += 301
    game.script.reply("e7e5")
    assert (game.playing.game.ply, game.playing.game.result) == (1, "1-0")
    other = Timed()
    other.move("e4")
    other.script.reply("e7e5")
    other.at += 301
    assert other.move("Nf3") == "the game is over"
    ending = other.playing.game.ending
    assert ending is not None
    assert (ending.result, ending.termination) == (-1, TIME)


def test_taking_back_takes_the_clocks_back_also_from_a_fallen_flag() -> None:
    game = Timed()
    game.move("e4")
    game.at += 10
    game.script.reply("e7e5")
    game.at += 20
    game.move("Nf3")
    game.at += 301
    game.playing.tick()
    assert game.playing.game.result == "1-0"
    game.playing.take_back()
    assert (game.running, game.left) == (chess.WHITE, (300.0, 293.0))
    game.playing.take_back()
    assert (game.running, game.left) == (None, (300.0, 300.0))


def test_the_clock_stands_in_analysis_while_loading_after_a_failure_and_while_away() -> None:
    game = Timed()
    game.move("e4")
    game.script.hear(Busy("loading"))
    assert game.running is None
    game.script.reply("e7e5")
    assert game.running == chess.WHITE
    game.playing.toggle_analysis()
    game.at += 100
    assert (game.running, game.left) == (None, (300.0, 300.0))
    game.move("Nf3")
    game.move("Nc6")
    game.playing.toggle_analysis()
    assert (game.running, game.left) == (chess.WHITE, (300.0, 300.0))
    game.playing.leave()
    game.at += 100
    game.playing.leave(False)
    assert (game.running, game.left) == (chess.WHITE, (300.0, 300.0))
    game.move("Bc4")
    game.script.hear(Failed(game.script.asked.id, "gone"))
    assert game.running is None
    game.playing.try_again()
    assert game.running == chess.BLACK


async def test_both_clocks_are_seen_and_a_new_game_can_have_another() -> None:
    game = Timed(control=TimeControl(60.0, 0.0))
    play = PlayScreen(game.script, game.playing, run=None, glyphs=UNICODE)  # type: ignore[arg-type]
    app = PlayApp(play)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:

        def edges() -> tuple[str, str]:
            board = play.board
            both = (str(board.border_title), str(board.border_subtitle))
            above, below = (re.sub(r"\[[^]]*\]", "", text) for text in both)
            return above, below

        await pilot.press("e", "4", "enter")
        assert re.fullmatch(r"board +Black ● 1:00", edges()[0])
        assert re.fullmatch(r"White . 1:00", edges()[1])
        await pilot.press("v")
        assert "White" in edges()[0]
        game.at += 51.5
        play._tick()
        assert re.fullmatch(r"Black ● 0:08\.5", edges()[1])
        game.at += 9
        play._tick()
        await pilot.pause()
        assert [n.message for n in app._notifications] == ["1-0: out of time"]
        await pilot.press("n")
        assert isinstance(app.screen, SetupScreen)
        await pilot.press("up", "right", "enter")
        assert not isinstance(app.screen, ConfirmScreen), "the game was over"
        assert game.playing.setup.control == TimeControl(180.0, 2.0)
        assert game.left == (180.0, 180.0)
        await pilot.press("n", "up", "left", "left", "enter")
        assert game.playing.clock is None
        assert edges() == ("board", "")
