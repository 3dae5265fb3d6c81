"""A UCI engine that behaves until its third move and then does what its argument says."""

import os
import random
import subprocess
import sys
import time

import chess

mode = sys.argv[1]
if mode == "wide":
    print(" ".join(sorted(os.environ)), file=sys.stderr, flush=True)
    print("\x1b]0;owned\x07 \x9b2J \u202e", file=sys.stderr, flush=True)
board = chess.Board()
num_moves = 0


def say(text: str) -> None:
    print(text, flush=True)


for line in sys.stdin:
    words = line.split()
    match words[0] if words else "":
        case "uci":
            say("id name Bad Engine")
            say("option name Level type spin default 1 min 0 max 9")
            say("uciok")
        case "isready":
            say("readyok")
        case "position":
            at = words.index("moves") if "moves" in words else len(words)
            fen = " ".join(words[2:at])
            board = chess.Board() if words[1] == "startpos" else chess.Board(fen)
            for move in words[at + 1 :]:
                board.push_uci(move)
        case "go":
            num_moves += 1
            if mode == "garbage":
                say(
                    "info string \x1b[31m red \x00\ninfo depth x score cp nan\nbestmoves e2e4\n\x07"
                )
            if num_moves > 2 and board.fullmove_number > 2:
                match mode:
                    case "crash":
                        os.abort()
                    case "hang":
                        subprocess.Popen(["sleep", "1000"])
                        time.sleep(1000)
                    case "flood":
                        while True:
                            say("info string " + "x" * 60_000)
                    case "endless":
                        while True:
                            sys.stdout.write("x" * 60_000)
                    case "memory":
                        hoard = []
                        while True:
                            hoard.append(bytearray(1 << 24))
                    case "stderr":
                        while True:
                            print("x" * 60_000, file=sys.stderr)
                    case "escape":
                        subprocess.Popen(["sleep", "1000"], start_new_session=True)
                        time.sleep(1000)
                    case "silent":
                        while True:
                            say("info depth 1 nodes 1")
                            time.sleep(0.001)
                    case "illegal":
                        say("bestmove a1a8")
                        continue
                    case "nonsense":
                        say("bestmove ten o'clock")
                        continue
                    case "late":
                        time.sleep(3)
            move = random.Random(num_moves).choice(list(board.legal_moves))
            say(f"info depth 3 nodes 17 score cp 25\nbestmove {move.uci()}")
        case "quit":
            break
