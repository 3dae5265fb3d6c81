"""Labels of the five self-supervised tasks for a batch, against the same made with python-chess."""

import time

import chess
import numpy as np
from _table import Row, show

from model.rules import from_fen
from model.ssl.targets import make_labels
from tests.model.ssl.oracle import plain_labels

BATCH = 256
SEED = 0


def random_boards() -> list[chess.Board]:
    """Boards of games of random moves, all phases alike."""
    rng = np.random.default_rng(SEED)
    boards: list[chess.Board] = []
    while len(boards) < BATCH:
        board = chess.Board()
        for _ in range(int(rng.integers(0, 120))):
            moves = list(board.legal_moves)
            if not moves:
                break
            board.push(moves[rng.integers(len(moves))])
        boards.append(board)
    return boards


def main() -> None:
    boards = random_boards()
    positions = np.stack([from_fen(board.fen()) for board in boards])
    labels = make_labels(positions, "mover")
    seconds = []
    for _ in range(200):
        began = time.perf_counter()
        make_labels(positions, "mover")
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    plain = np.stack([plain_labels(board, "mover") for board in boards])
    plain_s = time.perf_counter() - began
    if not np.array_equal(labels, plain):
        raise SystemExit("the labels differ from python-chess's")
    fast_s = float(np.median(seconds))
    rows = [
        Row(what=f"labels of {BATCH} positions, five tasks", value=fast_s * 1e6, unit="µs"),
        Row(
            what="positions labelled",
            value=BATCH / fast_s,
            unit="positions/s",
            baseline=BATCH / plain_s,
            against="python-chess",
        ),
    ]
    show("Self-supervised labels, one core", rows)


if __name__ == "__main__":
    main()
