"""The phase of a game, read from the board."""

import chess
import numpy as np
import pytest

from backend.replay.phases import PHASES, phases_of
from model.rules import from_fen


@pytest.mark.parametrize(
    ("fen", "phase"),
    [
        (chess.STARTING_FEN, "opening"),
        # Every officer is there, but four men alone are left on White's back rank.
        ("r1bqkb1r/pppp1ppp/2n2n2/4p3/4P3/2N2N2/PPPP1PPP/R1BQKB1R w KQkq - 4 4", "opening"),
        ("r3k2r/pppq1ppp/2npbn2/2b1p3/2B1P3/2NPBN2/PPPQ1PPP/R3K2R w KQkq - 0 8", "middlegame"),
        ("r2q1rk1/pp3ppp/2n1b3/8/8/2N1B3/PP3PPP/R2Q1RK1 w - - 0 14", "middlegame"),
        ("r2q1rk1/pp3ppp/2n5/8/8/2N5/PP3PPP/R2Q1RK1 w - - 0 14", "middlegame"),
        ("4rrk1/pp3ppp/2n5/8/8/2N5/PP3PPP/3R1RK1 w - - 0 14", "endgame"),
        ("8/8/4k3/8/8/4K3/4P3/8 w - - 0 1", "endgame"),
    ],
)
def test_the_phase_is_that_of_the_board(fen: str, phase: str) -> None:
    assert PHASES[phases_of(from_fen(fen)[None])[0]] == phase


def test_black_and_white_are_treated_alike() -> None:
    fens = ["r2qkb1r/pppb1ppp/2np1n2/4p3/2B1P3/2N2N2/PPPPQPPP/R1B2RK1 b kq - 0 8"]
    mirrored = [chess.Board(fen).mirror().fen() for fen in fens]
    both = [phases_of(np.stack([from_fen(fen) for fen in group])) for group in (fens, mirrored)]
    assert (both[0] == both[1]).all()
