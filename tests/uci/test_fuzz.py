"""Whatever an interface sends, the program answers `isready` and plays on."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import chess
import pytest

from backend.uci.protocol import IsReady, ProtocolError, parse
from tests.uci.conftest import LIMIT_S, Talk

VOCABULARY = """
uci isready ucinewgame position startpos fen moves go stop ponderhit setoption name value
debug on off infinite ponder searchmoves nodes depth mate movetime wtime btime winc binc
movestogo register MultiPV UCI_ShowWDL Hash Threads SyzygyPath Move Overhead Ponder
UCI_Chess960 true false e2e4 e7e5 g1f3 a7a8q 0000 e1e1 -1 0 1 2 30 99999999999999 NaN <empty>
"""
"""Not `quit`, and not `Network` and `Batch`, whose change may take seconds each time."""
WORDS = VOCABULARY.split()
UNKNOWN = "info string unknown command:"
REFUSED = "info string go: already thinking; stop comes first"
FENS = (
    chess.STARTING_FEN,
    "8/8/8/8/8/2k5/1r6/K7 w - - 0 1",
    "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
    "8/P6k/8/8/8/8/7p/K7 w - - 99 99",
    "8/8/8/8/8/8/8/8 w - - 0 1",
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq e3 0 1",
)
LIMITS = (
    "nodes 3",
    "movetime 2",
    "wtime 5 btime 5",
    "infinite",
    "ponder",
    "mate 1",
    "depth 2",
)


def _line(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.25:
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 8)))
    if kind < 0.45:
        board = chess.Board()
        for _ in range(rng.randint(0, 30)):
            if not board.is_game_over():
                board.push(rng.choice(list(board.legal_moves)))
        moves = [move.uci() for move in board.move_stack]
        if rng.random() < 0.2:
            moves.insert(rng.randint(0, len(moves)), rng.choice(("e2e5", "xyz", "e7e8q")))
        return f"position startpos moves {' '.join(moves)}"
    if kind < 0.55:
        return f"position fen {rng.choice(FENS)} {rng.choice(('', 'moves a1b1'))}"
    if kind < 0.75:
        return f"go {rng.choice(LIMITS)}"
    if kind < 0.9:
        return rng.choice(("stop", "stop", "stop", "isready", "ponderhit", "ucinewgame"))
    noise = "".join(chr(rng.randrange(0x3000)) for _ in range(rng.randint(0, 60)))
    return noise.replace("\n", " ").replace("quit", "quiet")


@pytest.mark.parametrize(
    "num_lines", [500, pytest.param(10_000, marks=pytest.mark.slow)], ids=["500", "10000"]
)
def test_random_lines_never_end_it(
    start: Callable[..., Talk], network: Path, num_lines: int
) -> None:
    rng = random.Random(num_lines)
    talk = start("--network", str(network))
    heard = talk.ask("isready", until="readyok")
    num_readies = 1
    for number in range(num_lines):
        line = _line(rng)
        num_readies += _asks_whether_it_is_ready(line)
        talk.send(line)
        if number % 100 == 99:
            heard += talk.ask("stop", f"mark-{number}", until=f"{UNKNOWN} mark-{number}")
    talk.send("position startpos")
    order = "go nodes 1 searchmoves b1a3"
    deadline = time.monotonic() + LIMIT_S
    answer = [REFUSED]
    while REFUSED in answer:  # A search that was stopped may still be at its last batch.
        assert time.monotonic() < deadline
        answer = talk.ask("stop", order, "end", until=f"{UNKNOWN} end")
        heard += answer
    if not any(line.startswith("bestmove b1a3") for line in answer):
        heard += talk.until("bestmove b1a3")
    assert heard.count("readyok") == num_readies
    talk.send("quit")
    assert talk.process.wait(LIMIT_S) == 0


def _asks_whether_it_is_ready(line: str) -> bool:
    try:
        return isinstance(parse(line), IsReady)
    except ProtocolError:
        return False
