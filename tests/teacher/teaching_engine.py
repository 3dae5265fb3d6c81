"""A UCI engine that knows one thing: a move to a square further right is better, by 40 centipawns.

Its argument is a file in which it notes each position that it is asked about. The second may be
`slow`, or how it fails (`crash`, `hang`, `nonsense`) in positions whose FEN holds what follows it
behind a colon.
"""

import os
import sys
import time
from pathlib import Path

import chess

noted = Path(sys.argv[1])
failure, _, where = sys.argv[2].partition(":") if len(sys.argv) > 2 else ("", "", "never")
lines = 1
board = chess.Board()


def say(text: str) -> None:
    print(text, flush=True)


for line in sys.stdin:
    words = line.split()
    match words[0] if words else "":
        case "uci":
            say("id name Right Hand 3\noption name MultiPV type spin default 1 min 1 max 99\nuciok")
        case "isready":
            say("readyok")
        case "setoption":
            if words[2] == "MultiPV":
                lines = int(words[4])
        case "position":
            board = chess.Board() if words[1] == "startpos" else chess.Board(" ".join(words[2:8]))
        case "go":
            with noted.open("a") as file:
                file.write(board.fen() + "\n")
            if where in board.fen():
                if failure == "crash":
                    os.abort()
                if failure == "hang":
                    time.sleep(1000)
                if failure == "nonsense":
                    say("info depth 1 multipv 1 score cp 3 pv a1a1\nbestmove (none)")
                    continue
            if failure == "slow":
                time.sleep(0.3)
            moves = sorted(
                board.legal_moves, key=lambda m: (-chess.square_file(m.to_square), m.uci())
            )
            for rank, move in enumerate(moves[:lines], 1):
                board.push(move)
                value = "mate 1" if board.is_checkmate() else f"cp {200 - 40 * rank}"
                board.pop()
                say(f"info depth 1 multipv {rank} score {value} pv {move.uci()}")
            say(f"bestmove {moves[0].uci()}")
        case "quit":
            break
