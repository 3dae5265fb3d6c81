"""The text of a match's game becomes a tree of moves and remarks, or one line of refusal."""

import time

import pytest

from backend.errors import ReplayError
from backend.replay.gametext import read_game


def test_moves_remarks_and_tags_are_kept_and_variations_left_out() -> None:
    game = read_game(
        '\ufeff[White "a"]\n[Result "1-0"]\n\n1. e4 {opening} (1. d4 {x} (1. c4)) e5 $1 ; so\n'
        "2. Qh5 {+0.35/12\n4 nodes} Ke7 {} 3. Qxe5# 1-0\n\n1. d4 *\n"
    )
    assert [node.san() for node in game.mainline()] == ["e4", "e5", "Qh5", "Ke7", "Qxe5#"]
    assert [node.comment for node in game.mainline()] == ["opening", "", "+0.35/12 4 nodes", "", ""]
    assert all(len(node.variations) <= 1 for node in game.mainline())
    assert (game.headers["White"], game.headers["Result"]) == ("a", "1-0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no game"),
        ("1. e4 ) e5 1-0", "closes nothing"),  # python-chess: IndexError
        ("1. e4 d5) d6) 1-0", "closes nothing"),
        ("1. e4 { e5 1-0", "never closes"),
        ('[Variant "Atomic"]\n\n1. e4 *', "variant 'atomic' is not chess"),
        ('[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*', "no legal position"),
        ('[FEN "\x1b[2J"]\n\n*', "FEN tag is wrong"),
        ("1. e4 " * 4000, "longer than 1024 plies"),
        ("1. e4 {" + "x" * (1 << 20) + "} *", "larger than 1024 KiB"),
    ],
)
def test_what_is_no_record_of_a_game_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ReplayError, match=reason):
        read_game(text)


def test_many_remarks_in_one_line_take_no_hours() -> None:
    began = time.process_time()
    game = read_game("1. e4 " + "{a remark} " * 80_000 + " e5 1-0")
    assert time.process_time() - began < 10
    assert sum(1 for _ in game.mainline()) == 2


def test_what_is_wrong_in_a_file_is_not_written_on_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert read_game('[White "\x1b]0;x\x07"]\n\n1. e4 e4 *').errors
    assert capfd.readouterr().err == ""
