"""Chess clocks: how they are written, how they run, what a fallen flag means, what PGN keeps."""

from datetime import date

import chess
import chess.engine
import pytest

from backend.errors import ConfigError
from backend.evaluation.engines import EngineSpec
from backend.play.clock import GameClock, TimeControl, clock_text, parse_time_control, read_tag
from backend.play.game import Game, ending_in_words, read_pgn
from backend.play.thinking import engine_limit, thinking_s
from backend.play.wire import Think, TimeLeft

W, B = chess.WHITE, chess.BLACK
TODAY = date(2026, 7, 30)
BLITZ = TimeControl(300.0, 3.0)


@pytest.mark.parametrize(
    ("text", "control", "tag"),
    [
        ("5+3", BLITZ, "300+3"),
        ("10", TimeControl(600.0), "600"),
        (" 0.5+1 ", TimeControl(30.0, 1.0), "30+1"),
    ],
)
def test_a_clock_is_written_in_minutes_and_seconds(
    text: str, control: TimeControl, tag: str
) -> None:
    assert parse_time_control(text) == control
    assert parse_time_control(str(control)) == control
    assert control.tag == tag
    assert read_tag(tag) == control


@pytest.mark.parametrize(
    "text", ["", "5+", "+3", "0+3", "5-3", "601", "5+601", "\u0665", "5:00", "nan"]
)
def test_what_is_no_clock_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"as in 5\+3"):
        parse_time_control(text)


def test_controls_of_several_periods_in_a_pgn_are_left_alone() -> None:
    for tag in ("-", "?", "40/7200:3600", "*180", ""):
        assert read_tag(tag) is None


@pytest.mark.parametrize(
    ("left_s", "text"),
    [
        (3900.0, "1:05:00"),
        (300.0, "5:00"),
        (299.01, "5:00"),
        (10.0, "0:10"),
        (9.91, "0:10.0"),
        (9.9, "0:09.9"),
        (0.01, "0:00.1"),
        (0.0, "0:00.0"),
    ],
)
def test_time_is_rounded_up(left_s: float, text: str) -> None:
    assert clock_text(left_s) == text


def test_one_side_s_time_runs_and_a_move_brings_the_increment() -> None:
    now = 100.0
    clock = GameClock(BLITZ, lambda: now)
    clock.run(W)
    now = 110.0
    assert (clock.left_s(W), clock.left_s(B)) == (290.0, 300.0)
    clock.run(W)  # Said twice, it runs on.
    now = 112.0
    clock.press()
    assert clock.running is None
    now = 500.0
    assert clock.left_s(W) == 291.0
    clock.run(B)
    now = 799.0
    assert clock.flagged is None
    now = 801.0
    assert (clock.flagged, clock.left_s(B)) == (B, 0.0)
    clock.set_back({W: 7.0, B: 8.0})
    now = 900.0
    assert (clock.left_s(W), clock.left_s(B), clock.flagged) == (7.0, 8.0, None)


@pytest.mark.parametrize(
    ("fen", "side", "result"),
    [
        (chess.STARTING_FEN, W, "0-1"),
        (chess.STARTING_FEN, B, "1-0"),
        ("4k3/8/8/8/8/8/8/Q3K3 w - - 0 1", W, "1/2-1/2"),
        ("4k3/8/8/8/8/8/8/Q3K3 w - - 0 1", B, "1-0"),
        ("4kb2/8/8/8/8/8/8/Q3K3 w - - 0 1", W, "1/2-1/2"),
        ("4kp2/8/8/8/8/8/8/Q3K3 w - - 0 1", W, "0-1"),
    ],
)
def test_who_is_out_of_time_loses_unless_the_other_can_never_mate(
    fen: str, side: chess.Color, result: str
) -> None:
    game = Game(board=chess.Board(fen))
    game.flag(side)
    assert game.result == result
    assert game.ending is not None
    assert "out of time" in ending_in_words(game.ending)
    assert ("too little material" in ending_in_words(game.ending)) == (result == "1/2-1/2")


def test_a_pgn_keeps_control_clocks_and_values() -> None:
    game = Game(human=W, opponent="greedy", control=BLITZ)
    for ply, (san, left_s) in enumerate((("e4", 300.0), ("e5", 301.25), ("Nf3", 280.04)), 1):
        game.play(game.board.parse_san(san))
        game.clocks[ply] = left_s
    game.values = {2: -0.25}
    game.flag(B)
    text = game.to_pgn(TODAY)
    assert '[TimeControl "300+3"]' in text
    assert '[Termination "time forfeit"]' in text
    assert "{ V -0.25 [%clk 0:05:01.2] }" in text
    again = read_pgn(text, "x.pgn")
    assert (again.control, again.values) == (BLITZ, {2: -0.25})
    assert again.clocks == {1: 300.0, 2: 301.2, 3: 280.0}
    assert (again.result, again.ending) == ("1-0", game.ending)
    assert again.time_left() == {W: 280.0, B: 301.2}
    again.take_back()
    assert again.time_left() == {W: 300.0, B: 301.2}


def test_thinking_is_limited_by_the_mover_s_clock_alone() -> None:
    board = chess.Board()
    board.push_san("e4")
    order = Think(
        id=1, kind="network", player="x", start=chess.STARTING_FEN, moves=(), simulations=100
    )
    assert thinking_s(order, board) == float("inf")
    short = Think(**{**_fields(order), "clock": TimeLeft(600.0, 2.0, 0.0)})
    assert 0.0 < thinking_s(short, board) < 0.1
    board.pop()
    assert 10.0 < thinking_s(short, board) < 30.0


def _fields(order: Think) -> dict[str, object]:
    return {name: getattr(order, name) for name in order.__struct_fields__}


@pytest.mark.parametrize(
    ("protocol", "own", "nodes", "time"),
    [
        ("uci", chess.engine.Limit(nodes=100), 100, None),
        ("uci", chess.engine.Limit(time=0.05), None, 0.05),
        ("uci", chess.engine.Limit(time=60.0), None, pytest.approx(0.9, abs=0.2)),
        ("xboard", chess.engine.Limit(nodes=100), None, None),
        ("xboard", chess.engine.Limit(time=60.0), None, None),
    ],
)
def test_an_engine_of_others_is_told_the_clocks_besides_its_budget(
    protocol: str, own: chess.engine.Limit, nodes: int | None, time: float | None
) -> None:
    spec = EngineSpec(word="x", command=("x",), protocol=protocol, limit=own, options={})  # type: ignore[arg-type]
    order = Think(
        id=1,
        kind="engine",
        player="x",
        start=chess.STARTING_FEN,
        moves=(),
        simulations=1,
        clock=TimeLeft(9.0, 30.0, 0.0),
    )
    limit = engine_limit(order, chess.Board(), spec)
    assert (limit.nodes, limit.time) == (nodes, time)
    assert limit.white_clock == pytest.approx(8.9)
    assert limit.black_clock == pytest.approx(29.9)
