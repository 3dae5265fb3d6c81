"""Lines of an interface and what they mean; nothing of the engine is needed for that."""

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.limits import Clock, Limits
from backend.processes import child_environment
from backend.uci.protocol import (
    START_FEN,
    Debug,
    Go,
    IsReady,
    ProtocolError,
    SetOption,
    SetPosition,
    Stop,
    Uci,
    parse,
)
from model.rules import START_FEN as THE_RULES_START

FEN = "8/8/8/8/8/2k5/1r6/K7 w - - 0 1"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("uci", Uci()),
        ("  isready \r", IsReady()),
        ("joho debug on", Debug(True)),
        ("debug off", Debug(False)),
        ("stop now", Stop()),
        ("position startpos", SetPosition(START_FEN)),
        ("position startpos moves e2e4 e7e5", SetPosition(START_FEN, ("e2e4", "e7e5"))),
        (f"position fen {FEN} moves a1b2", SetPosition(FEN, ("a1b2",))),
        ("setoption name Hash value 64", SetOption("Hash", "64")),
        ("setoption name Move  Overhead value 5", SetOption("Move Overhead", "5")),
        ("setoption name SyzygyPath value /a b/c", SetOption("SyzygyPath", "/a b/c")),
        ("setoption name Clear", SetOption("Clear", "")),
        ("go", Go()),
        ("go infinite", Go(infinite=True)),
        (
            "go searchmoves e2e4 d2d4 nodes 5",
            Go(numbers=(("nodes", 5),), searchmoves=("e2e4", "d2d4")),
        ),
        ("go ponder wtime 1000", Go(numbers=(("wtime", 1000),), ponder=True)),
        ("", None),
    ],
)
def test_a_line_is_understood(line: str, command: object) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "position",
        "position e2e4",
        "position fen",
        "setoption Hash",
        "setoption name",
        "debug",
    ],
)
def test_a_line_that_is_no_command_is_refused_with_a_reason(line: str) -> None:
    with pytest.raises(ProtocolError, match=r"\w"):
        parse(line)


def test_times_are_those_of_the_side_to_move() -> None:
    go = parse("go wtime 60000 btime 30000 winc 1000 binc 500 movestogo 12")
    assert isinstance(go, Go)
    white = Clock(remaining_s=60.0, increment_s=1.0, moves_to_go=12)
    black = Clock(remaining_s=30.0, increment_s=0.5, moves_to_go=12)
    assert go.limits(white_to_move=True) == Limits(clock=white)
    assert go.limits(white_to_move=False) == Limits(clock=black)


def test_all_limits_are_read() -> None:
    go = parse("go nodes 7 depth 3 mate 2 movetime 1500 infinite")
    assert isinstance(go, Go)
    assert go.limits(white_to_move=True) == Limits(
        nodes=7, depth=3, mate=2, movetime_s=1.5, infinite=True
    )


def test_what_is_wrong_in_a_go_is_left_out_and_remarked_on() -> None:
    go = parse("go nodes many movetime 100 quickly depth")
    assert isinstance(go, Go)
    assert go.numbers == (("movetime", 100),)
    assert len(go.remarks) == 3
    assert "'many'" in go.remarks[0]


def test_numbers_are_bounded() -> None:
    go = parse(f"go nodes {10**250} wtime -{10**250} winc -5 movestogo -1 depth 0")
    assert isinstance(go, Go)
    limits = go.limits(white_to_move=True)
    assert limits.nodes == 1 << 53
    assert limits.depth == 1
    assert limits.clock is not None
    assert limits.clock.remaining_s < 0
    assert limits.clock.increment_s == 0
    assert limits.clock.moves_to_go is None


WORDS = ["go", "position", "fen", "moves", "nodes", "-1", "e2e4", "setoption", "name", "value"]


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_a_command_or_refused(line: str) -> None:
    with contextlib.suppress(ProtocolError):
        parse(line)


def test_the_start_is_that_of_the_rules() -> None:
    assert START_FEN == THE_RULES_START


def test_parsing_loads_nothing_that_is_slow() -> None:
    code = (
        "import sys, backend.uci.protocol, backend.uci.options, backend.uci.program\n"
        "slow = {'torch', 'numba', 'numpy', 'chess', 'openvino'}\n"
        "print(sorted(slow & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=child_environment(),
    )
    assert done.stdout == "[]\n"
