"""A person's game without a screen: who thinks about what, and whose answer counts."""

import chess
import pytest

from backend.play.wire import Cancel, Failed, Thought
from tests.tui.scripted_engine import NETWORK, Script
from tui.playing import GLANCE, LOOK, STUDY, Playing, Setup


def playing(script: Script, human: chess.Color = chess.WHITE, *, watched: bool = True) -> Playing:
    game = Playing(script, Setup(NETWORK, human), NETWORK if watched else None)
    script.hear = game.hear
    game.consider()
    return game


def move(game: Playing, san: str) -> str:
    return game.move(game.board.parse_san(san))


def test_the_watching_network_looks_on_your_turn_and_the_opponent_thinks_on_its_own() -> None:
    script = Script()
    game = playing(script)
    assert (script.asked.steady, script.asked.simulations) == (True, GLANCE)
    move(game, "e4")
    assert (script.asked.steady, script.asked.simulations) == (False, 100)
    script.reply("e7e5", 0.2)
    assert game.game.sans() == ["e4", "e5"]
    assert game.game.values == {1: pytest.approx(0.2)}
    assert game.opponents_value == pytest.approx(-0.2)
    assert (script.asked.steady, script.asked.moves) == (True, ("e2e4", "e7e5"))
    game.toggle_hints()
    assert script.asked.simulations == LOOK


def test_without_a_watcher_nothing_is_thought_on_your_turn() -> None:
    script = Script()
    game = playing(script, watched=False)
    assert script.orders == []
    move(game, "e4")
    game.take_back()
    assert script.orders[-1] == Cancel()
    assert not game.is_thinking


def test_the_same_position_is_not_asked_about_twice() -> None:
    script = Script()
    game = playing(script)
    game.consider()
    assert len(script.orders) == 1
    script.reply("e2e4")
    assert not game.is_thinking
    game.consider()
    assert len(script.orders) == 1


def test_a_move_out_of_turn_or_after_the_end_is_refused() -> None:
    game = playing(Script(), chess.BLACK)
    assert move(game, "e4") == "step-00002100 (best) is to move"
    game.resign()
    assert move(game, "e4") == "the game is over"
    assert game.game.result == "1-0"


def test_an_illegal_answer_is_an_error_that_can_be_asked_again() -> None:
    script = Script()
    game = playing(script)
    move(game, "e4")
    script.hear(Thought(id=script.asked.id, final=True, move="e2e4"))
    assert game.game.ply == 1
    assert "not legal" in game.error
    game.try_again()
    script.reply("e7e5")
    assert (game.game.ply, game.error) == (2, "")


def test_only_failures_of_the_present_order_or_of_the_process_count() -> None:
    script = Script()
    game = playing(script)
    first = script.asked
    move(game, "e4")
    script.hear(Failed(first.id, "of before"))
    assert game.error == ""
    script.hear(Failed(0, "the process has ended"))
    assert game.error == "the process has ended"


@pytest.mark.parametrize(("white", "accepted"), [(0.1, True), (-0.1, False)])
def test_a_draw_is_accepted_by_who_expects_no_more(white: float, accepted: bool) -> None:
    script = Script()
    game = playing(script)
    assert not game.offer_draw()
    for n in range(10):
        file, rank = divmod(n, 8)
        move(game, f"{'abcdefgh'[rank]}{3 + file}")
        reply = game.board.parse_san(f"{'abcdefgh'[rank]}{6 - file}")
        script.reply(reply.uci(), white)
    assert game.offer_draw() == accepted
    assert game.game.result == ("1/2-1/2" if accepted else "*")


def test_in_analysis_both_sides_are_moved_and_a_new_line_may_begin_anywhere() -> None:
    script = Script()
    game = playing(script)
    game.toggle_analysis()
    assert script.asked.simulations == STUDY
    for san in ("e4", "c5"):
        assert move(game, san) == ""
    game.step(-1)
    assert script.asked.moves == ("e2e4",)
    move(game, "e5")
    assert game.game.sans() == ["e4", "e5"]
    move(game, "Nf3")
    game.toggle_analysis()
    assert not script.asked.steady, "it is Black's turn, and the opponent plays on"


def test_an_earlier_position_is_looked_at_but_not_played_from() -> None:
    script = Script()
    game = playing(script)
    move(game, "e4")
    script.reply("e7e5")
    game.step(-2)
    assert (game.ply, script.asked.moves) == (0, ())
    assert "earlier position" in move(game, "d4")
    game.step(5)
    assert game.viewed is None


def test_hints_are_no_spoilers_until_they_are_asked_for() -> None:
    script = Script()
    game = playing(script)
    script.reply("d2d4")
    assert not game.may_show_moves
    game.toggle_hints()
    assert game.may_show_moves
    game.toggle_hints()
    move(game, "e4")
    assert game.may_show_moves, "what was thought of a position of before spoils nothing"
