"""Move generation alone: bulk perft on one core, against python-chess counting the same way."""

import chess
from _table import Row, rate, show

from model.rules import from_fen, perft

POSITIONS = {
    "start": (chess.STARTING_FEN, 5),
    "kiwipete": ("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1", 4),
    "end game": ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", 6),
    "promotions": ("r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1", 4),
    "middle game": (
        "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
        4,
    ),
}
"""Name -> FEN and depth; the perft positions of the Chess Programming Wiki."""


def python_chess_perft(board: chess.Board, depth: int) -> int:
    """Leaves below the board, counted in bulk at the last ply as `perft` does."""
    if depth == 1:
        return board.legal_moves.count()
    nodes = 0
    for move in board.legal_moves:
        board.push(move)
        nodes += python_chess_perft(board, depth - 1)
        board.pop()
    return nodes


def main() -> None:
    rows = []
    for name, (fen, depth) in POSITIONS.items():
        position, board = from_fen(fen), chess.Board(fen)
        if perft(position, 3) != python_chess_perft(board, 3):
            raise SystemExit(f"perft differs from python-chess in {fen}")
        rows.append(
            Row(
                what=f"perft, {name}",
                value=rate(lambda position=position, depth=depth: perft(position, depth)),
                unit="nodes/s",
                baseline=rate(lambda board=board: python_chess_perft(board, 2)),
                against="python-chess",
            )
        )
    show("Bulk perft, one core", rows)


if __name__ == "__main__":
    main()
