"""Games of self-play, replayed by python-chess: every sample and every result is checked there."""

import chess
import numpy as np
import pytest

from backend.replay.records import (
    BLACK_WON,
    DRAW,
    NO_RESULT,
    TRUNCATED,
    WHITE_WON,
    GameRecord,
    result_targets,
)
from model.rules import Outcome, to_fen
from tests.fake_evaluators import Counting, scattered
from tests.selfplay.setups import (
    check_by_replay,
    codes,
    outcome_by_python_chess,
    play,
    self_play,
)


@pytest.mark.parametrize("root", ["gumbel", pytest.param("puct", marks=pytest.mark.slow)])
def test_every_game_is_labelled_with_its_own_result(root: str) -> None:
    records = play(self_play(root=root, seed=1), 40)
    results = set()
    for record in records:
        board = check_by_replay(record)
        outcome = outcome_by_python_chess(board)
        targets = result_targets(record)
        if outcome == Outcome.NONE:
            assert (record.outcome, record.result) == (TRUNCATED, NO_RESULT)
            assert len(record.moves) == 240
            assert not targets.has_result.any()
            continue
        assert record.outcome == outcome
        expected = DRAW
        if outcome == Outcome.CHECKMATE:
            expected = BLACK_WON if board.turn == chess.WHITE else WHITE_WON
        assert record.result == expected
        results.add(expected)
        if outcome == Outcome.CHECKMATE:
            # Whoever moved last has won, and so has each sample with the same side to move.
            assert targets.wdl[-1].tolist() == [1.0, 0.0, 0.0]
            assert targets.wdl[-2].tolist() == [0.0, 0.0, 1.0]
            assert record.samples[-1].root_wdl is not None
            assert record.samples[-1].root_wdl.tolist() == [1.0, 0.0, 0.0]
    assert {WHITE_WON, BLACK_WON} <= results


def test_a_game_that_is_cut_has_no_result() -> None:
    records = play(self_play(max_plies=25), 12)
    cut = [record for record in records if record.outcome == TRUNCATED]
    assert len(cut) > 6
    for record in cut:
        assert record.result == NO_RESULT
        assert len(record.moves) == 25
        assert outcome_by_python_chess(check_by_replay(record)) == Outcome.NONE


def _fingerprint(records: list[GameRecord]) -> list[list[int]]:
    return [list(record.moves) for record in records]


def test_a_seed_gives_the_same_games_again_and_another_seed_gives_others() -> None:
    first = play(self_play(seed=5, max_plies=40), 12)
    again = play(self_play(seed=5, max_plies=40), 12)
    other = play(self_play(seed=6, max_plies=40), 12)
    assert _fingerprint(first) == _fingerprint(again)
    for one, two in zip(first, again, strict=True):
        for a, b in zip(one.samples, two.samples, strict=True):
            assert np.array_equal(a.policy_prob, b.policy_prob)
    assert not {tuple(moves) for moves in _fingerprint(first)} & {
        tuple(moves) for moves in _fingerprint(other)
    }


def test_no_two_games_of_one_worker_are_alike() -> None:
    games = _fingerprint(play(self_play(max_plies=40), 30))
    assert len({tuple(moves) for moves in games}) == len(games)


def test_another_network_starts_with_fresh_trees_and_the_games_go_on() -> None:
    run = self_play(scattered(1), games=6, simulations=40)
    for _ in range(100):
        run.step()
    plies = run.mean_ply
    assert plies > 0
    old = Counting(scattered(1))
    new = Counting(scattered(2))
    run.use(old, step=0)
    run.step()
    assert old.batches == [6], "every root is judged anew"
    roots = set(old.keys)
    run.use(new, step=0)
    assert run.mean_ply == plies
    run.step()
    assert set(new.keys) == roots
    for _ in range(400):
        run.step()
    assert len(old.keys) == 6, "the old network is not asked again"
    assert run.mean_ply > plies


def test_a_viewer_sees_the_last_move_of_the_first_game() -> None:
    run = self_play(games=2, simulations=6)
    assert run.glimpse is None
    while run.tally.positions < 8:
        run.step()
    glimpse = run.glimpse
    assert glimpse is not None
    board = chess.Board(to_fen(glimpse.before))
    legal = codes(board)
    assert set(legal) == {int(move) for move in glimpse.result.moves}
    assert 0 <= glimpse.chosen < len(legal)
    assert glimpse.ply == 2 * board.fullmove_number - (1 if board.turn == chess.WHITE else 0)
