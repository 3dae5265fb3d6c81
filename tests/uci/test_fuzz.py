"""Whatever an interface sends, the program answers `isready` and plays on."""

import random
from collections.abc import Callable
from pathlib import Path

import chess
import pytest

from tests.uci.conftest import LIMIT_S, Talk

VOCABULARY = """
uci isready ucinewgame position startpos fen moves go stop ponderhit setoption name value
debug on off infinite ponder searchmoves nodes depth mate movetime wtime btime winc binc
movestogo register MultiPV UCI_ShowWDL Hash Threads SyzygyPath Move Overhead Ponder
UCI_Chess960 true false e2e4 e7e5 g1f3 a7a8q 0000 e1e1 -1 0 1 2 30 99999999999999 NaN <empty>
"""
"""Not `quit`, and not `Network` and `Batch`, whose change may take seconds each time."""
WORDS = VOCABULARY.split()
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
    for number in range(num_lines):
        talk.send(_line(rng))
        if number % 100 == 99:
            talk.send("stop")
            talk.synchronize()
    talk.send("stop", "setoption name MultiPV value 1", "position startpos")
    talk.synchronize()
    talk.ask("stop", "go nodes 5", until="bestmove")  # Perhaps that of the last search.
    talk.ask("isready", until="readyok")
    move = talk.ask("go nodes 5", "go nodes 5", until="bestmove")[-1].split()[1]
    assert chess.Move.from_uci(move) in chess.Board().legal_moves
    talk.send("stop", "quit")
    assert talk.process.wait(LIMIT_S) == 0
