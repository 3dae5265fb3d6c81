"""A small engine that speaks the XBoard protocol, version 2, and plays the first legal move."""

import sys

import chess

board = chess.Board()
forced = False


def answer() -> None:
    move = min(board.legal_moves, key=lambda move: move.uci())
    board.push(move)
    print(f"1 12 0 5 {move.uci()}\nmove {move.uci()}", flush=True)


for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    match word:
        case "protover":
            print('feature ping=1 setboard=1 usermove=1 san=0 colors=0 myname="First Mover"')
            print("feature done=1", flush=True)
        case "ping":
            print(f"pong {rest}", flush=True)
        case "new":
            board, forced = chess.Board(), False
        case "setboard":
            board = chess.Board(rest)
        case "force":
            forced = True
        case "usermove":
            board.push_uci(rest)
            if not forced:
                answer()
        case "go":
            forced = False
            answer()
        case "quit":
            break
