"""The referee reads results from final positions only."""

import chess
import pytest

from backend.evaluation.referee import verdict


@pytest.mark.parametrize(
    ("fen", "result", "termination"),
    [
        ("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", -1, "checkmate"),
        ("r1bqkb1r/pppp1Qpp/2n2n2/4p3/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 0 4", 1, "checkmate"),
        ("7k/5K2/6Q1/8/8/8/8/8 b - - 0 1", 0, "stalemate"),
        ("8/8/3k4/8/3K4/8/8/5B2 w - - 0 1", 0, "insufficient"),
        ("8/8/3k4/8/3K4/8/8/R7 w - - 100 90", 0, "fifty-moves"),
        ("1R4k1/8/6K1/8/8/8/8/8 b - - 100 90", 1, "checkmate"),
    ],
)
def test_a_final_position_has_its_result(fen: str, result: int, termination: str) -> None:
    assert verdict(chess.Board(fen)) == (result, termination)
    flipped = verdict(chess.Board(fen).mirror())
    assert flipped == (-result, termination), "colours change, so does the result"


@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        "8/8/3k4/8/3K4/8/8/R7 w - - 99 90",
        "rnbqkbnr/ppppp2p/5p2/6pQ/4P3/2N5/PPPP1PPP/R1B1KBNR w KQkq - 0 1",
    ],
)
def test_a_game_that_goes_on_has_no_result(fen: str) -> None:
    assert verdict(chess.Board(fen)) is None


def test_the_third_occurrence_ends_the_game_and_the_second_does_not() -> None:
    board = chess.Board()
    for number, uci in enumerate(("g1f3", "g8f6", "f3g1", "f6g8") * 2):
        assert verdict(board) is None, number
        board.push_uci(uci)
    assert verdict(board) == (0, "threefold")


def test_the_side_that_is_mated_never_wins() -> None:
    boards = [chess.Board("7k/6pp/8/8/8/8/8/R5K1 w - - 0 1")]
    boards += [board.mirror() for board in boards]
    for board in boards:
        winner = board.turn
        board.push(next(m for m in board.legal_moves if board.gives_check(m)))
        assert board.is_checkmate()
        found = verdict(board)
        assert found is not None
        assert found.result == (1 if winner == chess.WHITE else -1)
