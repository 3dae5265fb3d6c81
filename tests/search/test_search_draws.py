"""Draws in the tree are those of the rules, with the game before the root and the clock counted."""

import chess
import numpy as np
import pytest

from backend.search.evaluator import uniform
from backend.search.search import Search
from model.rules import Outcome, from_fen, uci_to_move, zobrist
from tests.fake_evaluators import material
from tests.search.setups import ROOT_RULES, best_uci, make_search, search_fen, uci_of

SHUFFLE = ("g1f3", "g8f6", "f3g1", "f6g8")


def _play(search: Search, *moves: str) -> int:
    outcome = 0
    for uci in moves:
        assert outcome == Outcome.NONE
        outcome = search.play(0, uci_to_move(search.position(0), uci))
    return outcome


def _q_of(fen: str, search: Search, uci: str, simulations: int = 128) -> float:
    result = search.search(0, simulations, material)
    return float(result.q[uci_of(fen, result).index(uci)])


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_third_repetition_played_on_the_board_ends_the_game(root: str) -> None:
    search = make_search(root)
    search.start(0, from_fen(chess.STARTING_FEN))
    assert _play(search, *SHUFFLE, *SHUFFLE[:3]) == Outcome.NONE
    assert _play(search, SHUFFLE[3]) == Outcome.THREEFOLD
    with pytest.raises(ValueError, match="has ended"):
        search.begin(0, 8, noise=False)


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("through_start", [True, False])
def test_a_move_that_repeats_the_game_for_the_third_time_is_a_draw_in_the_tree(
    through_start: bool, root: str
) -> None:
    # White is a queen up and may repeat by Kg1; the material evaluator would call that winning.
    fen = "6k1/5ppp/8/8/8/8/5PPP/Q5K1 w - - 0 1"
    moves = ["g1f1", "g8f8", "f1g1", "f8g8", "g1f1", "g8f8"]
    board = chess.Board(fen)
    keys = []
    for uci in moves:
        keys.append(int(zobrist(from_fen(board.fen()))))
        board.push_uci(uci)
    search = make_search(root, mate_check=False)
    if through_start:
        search.start(0, from_fen(board.fen()), keys)
    else:
        search.start(0, from_fen(fen))
        _play(search, *moves)
    # After Kg1, Kg8 stands on the board for the third time.
    search.play(0, uci_to_move(search.position(0), "f1g1"))
    black = search.position(0)
    assert (int(black[7]) >> 17) & 3 == 1
    after = board.copy()
    after.push_uci("f1g1")
    assert _q_of(after.fen(), search, "f8g8") == 0.0
    assert _play(search, "f8g8") == Outcome.THREEFOLD


@pytest.mark.parametrize("root", ROOT_RULES)
def test_history_before_an_irreversible_move_does_not_count(root: str) -> None:
    search = make_search(root)
    start = from_fen(chess.STARTING_FEN)
    # A fresh board (clock 0) cannot repeat anything, whatever keys are handed in.
    search.start(0, start, [int(zobrist(start))] * 2)
    assert (int(search.position(0)[7]) >> 17) & 3 == 0
    assert search.legal(0).size == 20


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_position_that_already_stood_twice_is_a_threefold_at_the_start(root: str) -> None:
    board = chess.Board()
    keys = []
    for uci in SHUFFLE * 2:
        keys.append(int(zobrist(from_fen(board.fen()))))
        board.push_uci(uci)
    search = make_search(root)
    assert search.start(0, from_fen(board.fen()), keys) == Outcome.THREEFOLD
    assert search.start(0, from_fen(board.fen()), keys[4:]) == Outcome.NONE


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_won_position_one_ply_from_the_fifty_move_draw_is_a_draw(root: str) -> None:
    # Neither side has a capture or a pawn: whatever White does, the clock reaches 100.
    fen = "8/8/8/3k4/8/8/8/KQ6 w - - 99 120"
    _, result = search_fen(fen, material, 64, root)
    assert result.root_wdl.tolist() == [0.0, 1.0, 0.0]
    # With one ply less on the clock the same position is open, and the material says: winning.
    _, result = search_fen(fen.replace("99", "90"), material, 64, root)
    assert result.value > 0.3


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("mate_check", [True, False])
def test_a_mate_on_the_hundredth_ply_is_a_mate(mate_check: bool, root: str) -> None:
    fen = "6k1/8/6K1/8/8/8/8/1R6 w - - 99 120"
    _, result = search_fen(fen, uniform, 64, root, mate_check=mate_check)
    assert best_uci(fen, result) == "b1b8"
    assert result.value == 1.0


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_capture_is_found_that_starts_the_fifty_moves_anew(root: str) -> None:
    fen = "8/8/8/3k4/8/8/6p1/KQ4R1 w - - 99 120"
    _, result = search_fen(fen, material, 256, root)
    assert best_uci(fen, result) == "g1g2"
    others = np.delete(result.q, result.best)
    assert result.q[result.best] > 0.3
    assert (others == 0.0).all()


@pytest.mark.parametrize("root", ROOT_RULES)
def test_stalemate_is_a_draw_and_not_played_by_the_side_that_wins(root: str) -> None:
    fen = "7k/8/5K2/8/8/8/8/6Q1 w - - 0 1"  # Qg6?? is stalemate
    _, result = search_fen(fen, material, 600, root, mate_check=False)
    named = uci_of(fen, result)
    assert result.q[named.index("g1g6")] == 0.0
    assert best_uci(fen, result) != "g1g6"


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_capture_into_insufficient_material_is_a_draw(root: str) -> None:
    fen = "8/8/3k4/8/3pK3/8/8/5B2 w - - 0 1"
    _, result = search_fen(fen, material, 128, root)
    assert result.q[uci_of(fen, result).index("e4d4")] == 0.0


@pytest.mark.parametrize(
    "fen", ["7k/5K2/6Q1/8/8/8/8/8 b - - 0 1", "8/8/3k4/8/3K4/8/8/5B2 w - - 0 1"]
)
def test_an_ended_position_says_so_and_has_no_moves(fen: str) -> None:
    search = make_search("gumbel")
    expected = Outcome.STALEMATE if " b " in fen else Outcome.INSUFFICIENT
    assert search.start(0, from_fen(fen)) == expected
    assert search.legal(0).size == 0


@pytest.mark.parametrize("root", ROOT_RULES)
def test_positions_and_repetitions_agree_with_python_chess_in_games_played_by_the_search(
    root: str,
) -> None:
    rng = np.random.default_rng(7)
    search = make_search(root, max_simulations=8)
    endings = set()
    plies = 0
    starts = [
        chess.STARTING_FEN,
        "4k3/8/8/8/8/8/8/4K2R w K - 20 40",
        "k7/8/8/8/8/8/7p/K7 b - - 80 60",
    ]
    for number in range(30):
        board = chess.Board(starts[number % 3])
        outcome = search.start(0, from_fen(board.fen()))
        while outcome == Outcome.NONE and plies < 40_000:
            plies += 1
            expected = min(2, _occurrences(board) - 1)
            position = search.position(0)
            assert (int(position[7]) >> 17) & 3 == expected
            clean = position.copy()
            clean[7] &= ~np.uint64(3 << 17)
            assert clean.tolist() == from_fen(board.fen()).tolist()
            if rng.random() < 0.3:
                search.search(0, 8, uniform, noise=True)
            move = int(rng.choice(search.legal(0)))
            if rng.random() < 0.5 and len(board.move_stack) >= 2:
                # Going back makes repetitions frequent.
                back = board.move_stack[-2]
                undo = chess.Move(back.to_square, back.from_square)
                if board.is_legal(undo):
                    move = uci_to_move(position, undo.uci())
            uci = next(m for m in board.legal_moves if uci_to_move(position, m.uci()) == move)
            board.push(uci)
            outcome = search.play(0, move)
        endings.add(Outcome(outcome))
        finished = board.outcome(claim_draw=False)
        if outcome in (Outcome.CHECKMATE, Outcome.STALEMATE, Outcome.INSUFFICIENT):
            assert finished is not None
        elif outcome == Outcome.THREEFOLD:
            assert board.is_repetition(3)
        else:
            assert board.halfmove_clock >= 100
    assert {Outcome.THREEFOLD, Outcome.INSUFFICIENT} <= endings


def _occurrences(board: chess.Board) -> int:
    """How often the position stood on the board, up to 3, by python-chess."""
    return next((count for count in (3, 2) if board.is_repetition(count)), 1)
