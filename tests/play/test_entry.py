"""Typed moves: what is understood, what is completed, what is refused and how."""

import chess
import pytest

from backend.play.entry import EntryError, completions, read_move

KNIGHTS = "4k3/8/8/8/8/2N5/8/4K1N1 w - - 0 1"
PAWN = "4k3/P7/8/8/8/8/8/R3K2R w KQ - 0 1"
CAPTURES = "4k3/8/8/3p4/2P1P3/8/8/4K3 w - - 0 1"


@pytest.mark.parametrize(
    ("fen", "text", "uci"),
    [
        (chess.STARTING_FEN, "e4", "e2e4"),
        (chess.STARTING_FEN, " Nf3 ", "g1f3"),
        (chess.STARTING_FEN, "e2e4", "e2e4"),
        (KNIGHTS, "Nge2", "g1e2"),
        (PAWN, "0-0", "e1g1"),
        (PAWN, "OO", "e1g1"),
        (PAWN, "O-O-O", "e1c1"),
        (PAWN, "a8=N", "a7a8n"),
        (PAWN, "a8Q+", "a7a8q"),
        (PAWN, "a7a8r", "a7a8r"),
        (CAPTURES, "cd5", "c4d5"),
        (CAPTURES, "exd5", "e4d5"),
        (CAPTURES, "cx", "c4d5"),
    ],
)
def test_what_can_only_mean_one_move_is_understood(fen: str, text: str, uci: str) -> None:
    assert read_move(chess.Board(fen), text).uci() == uci


@pytest.mark.parametrize(
    ("fen", "text", "said"),
    [
        (chess.STARTING_FEN, "e5", "not legal here"),
        (chess.STARTING_FEN, "Ke2", "not legal here"),
        (chess.STARTING_FEN, "hello", "is no move"),
        (chess.STARTING_FEN, "", "type a move"),
        (KNIGHTS, "Ne2", "Nce2, Nge2"),
        (PAWN, "a8", "a8=B"),
        (chess.STARTING_FEN, "N", "Na3, Nc3, Nf3, Nh3"),
    ],
)
def test_everything_else_is_refused_with_a_reason(fen: str, text: str, said: str) -> None:
    with pytest.raises(EntryError, match=said):
        read_move(chess.Board(fen), text)


def test_completions_are_legal_moves_that_begin_so() -> None:
    board = chess.Board()
    assert completions(board, "N") == ["Na3", "Nc3", "Nf3", "Nh3"]
    assert completions(board, "g1") == ["g1f3", "g1h3"]
    assert completions(board, "z") == []
    assert completions(board, "") == []


def test_every_legal_move_can_be_typed_in_both_notations() -> None:
    for fen in (chess.STARTING_FEN, KNIGHTS, PAWN, CAPTURES):
        board = chess.Board(fen)
        for move in board.legal_moves:
            assert read_move(board, board.san(move)) == move
            assert read_move(board, move.uci()) == move
