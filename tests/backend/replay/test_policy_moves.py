"""Policy indices without compiled kernels."""

from typing import get_args

import chess
import pytest

from backend.replay.boards import position_array, position_words
from backend.replay.policy_moves import policy_index
from model.config import Orientation
from model.encoding import policy_index as compiled_index
from model.rules import uci_to_move

FENS = (
    chess.STARTING_FEN,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R b KQkq - 0 1",
    "1n1n4/P1P1k3/8/8/8/8/2p1K1p1/3N1N1R w - - 0 1",
    "1n1n4/P1P1k3/8/8/8/8/2p1K1p1/3N1N1R b - - 0 1",
    "8/8/3p4/KPp4r/1R3p1k/8/4P1P1/8 w - c6 0 2",
    "rk4r1/8/8/8/8/8/8/RK4R1 w GAga - 0 1",
    "rk4r1/8/8/8/8/8/8/RK4R1 b GAga - 0 1",
)


@pytest.mark.parametrize("fen", FENS)
@pytest.mark.parametrize("orientation", get_args(Orientation))
def test_they_are_those_of_the_compiled_table(fen: str, orientation: Orientation) -> None:
    board = chess.Board(fen, chess960=True)
    position = position_array(position_words(board))
    moves = list(board.legal_moves)
    assert moves
    for move in moves:
        wanted = compiled_index(
            position, uci_to_move(position, board.uci(move)), orientation == "mover"
        )
        assert policy_index(board, move, orientation) == wanted, move.uci()
