"""The play screen with a scripted opponent: what is typed, clicked, marked and refused."""

import chess
import pytest

from backend.play.wire import Busy, Failed, Thought
from tests.tui.playtable import table
from tests.tui.scripted_engine import NETWORK
from tui.screens.asking import PromotionScreen
from tui.screens.confirm import ConfirmScreen

SIZES = [(120, 40), (80, 24)]
PROMOTION = "7k/P7/8/8/8/8/8/K7 w - - 0 1"


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
