"""Forced mates, for and against: what a search finds, proves, and never walks into."""

import chess
import numpy as np
import pytest

from backend.search.evaluator import uniform
from model.rules import from_fen, move_to_uci, uci_to_move
from tests.fake_evaluators import Scripted, material
from tests.search.setups import ROOT_RULES, best_uci, make_search, search_fen, uci_of

MATES_IN_1 = (
    "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1",  # back rank
    "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4",  # scholar's mate
    "8/8/8/8/8/5kq1/8/7K b - - 0 1",
    "7k/P6p/6pP/8/8/8/8/1R4K1 w - - 0 1",  # by promotion
)
MATES_IN_2 = (
    "kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1",  # Morphy: a quiet rook sacrifice
    "8/8/8/8/2pQ4/1K6/8/1k6 w - - 0 1",
    "8/8/8/8/5r2/R7/5k2/7K b - - 0 1",
)
MATES_IN_3 = (
    "8/8/8/1p1R4/8/2K5/8/2k5 w - - 0 1",
    "8/8/8/8/8/2r4p/8/1k1K4 b - - 0 1",
)
MATE_OR_BE_MATED = (
    # All moves but one allow a mate in one; that one mates.
    ("1k6/2p5/K7/8/1q6/2p4r/8/3R4 w - - 0 1", "d1d8"),
    ("3k4/q7/3K4/r7/8/8/5R2/8 w - - 0 1", "f2f8"),
)


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("fen", MATES_IN_1)
def test_mate_in_one_needs_no_evaluation_with_the_mate_check(fen: str, root: str) -> None:
    search = make_search(root)
    search.start(0, from_fen(fen))
    search.begin(0, 8, noise=True)

    def refuse(*_: object) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("a mate in one is no question for the network")

    assert search.step(refuse) == [0]
    result = search.result(0)
    board = chess.Board(fen)
    board.push_uci(best_uci(fen, result))
    assert board.is_checkmate()
    assert result.value == 1.0
    for uci, share, playable in zip(
        uci_of(fen, result), result.policy, result.playable, strict=True
    ):
        board = chess.Board(fen)
        board.push_uci(uci)
        assert bool(playable) == board.is_checkmate()
        assert (share > 0) == board.is_checkmate()


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("mate_check", [True, False])
@pytest.mark.parametrize(
    ("fen", "simulations"),
    [(fen, 256) for fen in MATES_IN_1]
    + [(fen, 4000) for fen in MATES_IN_2]
    + [(fen, 30_000) for fen in MATES_IN_3],
)
def test_a_forced_mate_is_proved_from_uniform_priors_and_played_out(
    fen: str, simulations: int, mate_check: bool, root: str
) -> None:
    search, result = search_fen(fen, uniform, simulations, root, mate_check=mate_check)
    assert result.value == 1.0, f"not proved in {result.simulations} simulations"
    assert result.simulations < simulations, "a proof ends the search"

    board = chess.Board(fen)
    winner = board.turn
    for _ in range(12):
        move = int(result.moves[result.best])
        board.push_uci(move_to_uci(search.position(0), move))
        search.play(0, move)
        if board.is_game_over():
            break
        result = search.search(0, simulations, uniform)
        assert result.value == (1.0 if board.turn == winner else -1.0)
        assert result.simulations == 0, "the proof came along with the subtree"
    assert board.is_checkmate()
    assert board.turn != winner


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("mate_check", [True, False])
def test_no_move_is_played_that_allows_a_mate_in_one_it_has_seen(
    root: str, mate_check: bool
) -> None:
    # White is to move; only moves that meet the back-rank mate Rd1# are not lost at once.
    fen = "3r2k1/5ppp/8/8/8/8/q4PPP/4R1K1 w - - 0 1"
    search, result = search_fen(fen, material, 2000, root, mate_check=mate_check)
    board = chess.Board(fen)
    refuted = 0
    for k, uci in enumerate(uci_of(fen, result)):
        board.push_uci(uci)
        allows_mate = any(_mates(board, reply) for reply in board.legal_moves)
        board.pop()
        if allows_mate:
            assert not result.playable[k]
            assert result.q[k] == -1.0
            refuted += 1
    assert 0 < refuted < len(result.moves)
    assert result.playable[result.best]
    rng = np.random.default_rng(0)
    assert all(result.playable[result.sample(5.0, rng)] for _ in range(200))
    assert search.position(0).tolist() == from_fen(fen).tolist()


def _mates(board: chess.Board, move: chess.Move) -> bool:
    board.push(move)
    mates = board.is_checkmate()
    board.pop()
    return mates


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("mate_check", [True, False])
@pytest.mark.parametrize(("fen", "only"), MATE_OR_BE_MATED)
def test_the_only_winning_move_is_found_though_its_prior_is_one_in_a_thousand_million(
    fen: str, only: str, mate_check: bool, root: str
) -> None:
    evaluate = Scripted(priors={fen: {only: 1e-9}})
    _, result = search_fen(fen, evaluate, 2000, root, mate_check=mate_check)
    assert best_uci(fen, result) == only
    assert result.value == 1.0


@pytest.mark.parametrize("mate_check", [True, False])
def test_gumbel_looks_at_each_considered_move_whatever_its_prior(mate_check: bool) -> None:
    # Nothing is proven elsewhere, so puct may well never look at a move with a prior like this.
    fen = "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1"
    evaluate = Scripted(priors={fen: {"d1d8": 1e-9}})
    _, result = search_fen(fen, evaluate, 64, "gumbel", mate_check=mate_check)
    assert best_uci(fen, result) == "d1d8"


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_position_that_is_lost_by_force_is_a_proven_loss_and_still_gets_a_move(
    root: str,
) -> None:
    fen = "7k/8/8/8/8/1r6/r7/7K w - - 0 1"  # only Kg1, then Rb1#
    _, result = search_fen(fen, uniform, 64, root)
    assert result.root_wdl.tolist() == [0.0, 0.0, 1.0]
    assert best_uci(fen, result) == "h1g1"
    assert result.playable.all()
    assert np.isclose(result.policy.sum(), 1.0)


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_draw_by_force_is_proved_against_any_material(root: str) -> None:
    fen = "8/8/8/8/8/8/1k1q4/3K4 w - - 0 1"  # only Kxd2, and the kings are bare
    _, result = search_fen(fen, material, 16, root)
    assert best_uci(fen, result) == "d1d2"
    assert result.root_wdl.tolist() == [0.0, 1.0, 0.0]
    assert result.q.tolist() == [0.0]


@pytest.mark.parametrize("root", ROOT_RULES)
def test_what_wins_for_the_opponent_loses_for_us(root: str) -> None:
    fen = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4"
    board = chess.Board(fen)
    board.push(chess.Move.null())  # Black to move, threatened by Qxf7#
    black = board.fen()
    search, result = search_fen(black, uniform, 400, root)
    for uci in ("a7a6", "h7h6", "a8b8"):
        k = uci_of(black, result).index(uci)
        assert result.q[k] == -1.0
        assert not result.playable[k]
    search.play(0, uci_to_move(search.position(0), "a7a6"))
    assert search.search(0, 64, uniform).value == 1.0
