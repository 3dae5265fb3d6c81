"""Games of self-play, replayed by python-chess: every sample and every result is checked there."""

import chess
import numpy as np
import pytest

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import (
    BLACK_WON,
    DRAW,
    NO_RESULT,
    TRUNCATED,
    WHITE_WON,
    GameRecord,
    check_record,
    result_targets,
)
from backend.search.evaluator import Evaluate
from backend.selfplay.games import SelfPlay
from model.encoding.moves import policy_index
from model.rules import Outcome, from_fen, to_fen, uci_to_move
from tests.fake_evaluators import Counting, material, scattered


def _self_play(
    evaluate: Evaluate = material,
    *,
    seed: int = 1,
    games: int = 12,
    simulations: int = 10,
    max_plies: int = 240,
    root: str = "gumbel",
) -> SelfPlay:
    return SelfPlay(
        SelfPlayConfig(games=games, max_plies=max_plies, temperature_plies=20, opening_plies=6),
        SearchConfig(root="puct" if root == "puct" else "gumbel", simulations=simulations),
        evaluate,
        orientation="mover",
        seed=seed,
    )


def _play(run: SelfPlay, num_games: int) -> list[GameRecord]:
    records: list[GameRecord] = []
    while len(records) < num_games:
        records.extend(run.step())
    return records


def _codes(board: chess.Board) -> dict[int, chess.Move]:
    position = from_fen(board.fen())
    return {uci_to_move(position, move.uci()): move for move in board.legal_moves}


def _outcome_by_python_chess(board: chess.Board) -> Outcome:
    if board.is_checkmate():
        return Outcome.CHECKMATE
    if board.is_stalemate():
        return Outcome.STALEMATE
    if board.is_insufficient_material():
        return Outcome.INSUFFICIENT
    if board.halfmove_clock >= 100:
        return Outcome.FIFTY_MOVES
    return Outcome.THREEFOLD if board.is_repetition(3) else Outcome.NONE


def _check_by_replay(record: GameRecord) -> chess.Board:
    """Play the record over again; returns the final board."""
    check_record(record)
    board = chess.Board(to_fen(record.start))
    samples = {sample.ply: sample for sample in record.samples}
    for ply, code in enumerate(record.moves):
        assert _outcome_by_python_chess(board) == Outcome.NONE, "a game ends when it has ended"
        legal = _codes(board)
        if ply in samples:
            sample = samples[ply]
            expected = from_fen(board.fen())
            seen_before = next((n - 1 for n in (3, 2) if board.is_repetition(n)), 0)
            assert (int(sample.position[7]) >> 17) & 3 == seen_before
            assert (sample.position[:7] == expected[:7]).all()
            assert int(sample.position[7]) & ~(3 << 17) == int(expected[7])
            indices = {int(policy_index(expected, code, True)) for code in legal}
            assert len(sample.policy_index) == len(legal)
            assert set(sample.policy_index.tolist()) == indices
            assert sample.policy_prob.sum() == pytest.approx(1.0, abs=1e-4)
            assert (sample.policy_prob >= 0).all()
            assert sample.root_wdl is not None
            assert sample.root_wdl.sum() == pytest.approx(1.0, abs=1e-4)
        board.push(legal[code])
    plies = [sample.ply for sample in record.samples]
    assert plies == list(range(plies[0], len(record.moves))), "every ply after the opening"
    assert plies[0] <= 6
    return board


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_every_game_is_labelled_with_its_own_result(root: str) -> None:
    records = _play(_self_play(root=root, seed=3), 40)
    results = set()
    for record in records:
        board = _check_by_replay(record)
        outcome = _outcome_by_python_chess(board)
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
    records = _play(_self_play(max_plies=25), 12)
    cut = [record for record in records if record.outcome == TRUNCATED]
    assert len(cut) > 6
    for record in cut:
        assert record.result == NO_RESULT
        assert len(record.moves) == 25
        assert _outcome_by_python_chess(_check_by_replay(record)) == Outcome.NONE


def _fingerprint(records: list[GameRecord]) -> list[list[int]]:
    return [list(record.moves) for record in records]


def test_a_seed_gives_the_same_games_again_and_another_seed_gives_others() -> None:
    first = _play(_self_play(seed=5, max_plies=40), 12)
    again = _play(_self_play(seed=5, max_plies=40), 12)
    other = _play(_self_play(seed=6, max_plies=40), 12)
    assert _fingerprint(first) == _fingerprint(again)
    for one, two in zip(first, again, strict=True):
        for a, b in zip(one.samples, two.samples, strict=True):
            assert np.array_equal(a.policy_prob, b.policy_prob)
    assert not {tuple(moves) for moves in _fingerprint(first)} & {
        tuple(moves) for moves in _fingerprint(other)
    }


def test_no_two_games_of_one_worker_are_alike() -> None:
    games = _fingerprint(_play(_self_play(max_plies=40), 30))
    assert len({tuple(moves) for moves in games}) == len(games)


def test_another_network_starts_with_fresh_trees_and_the_games_go_on() -> None:
    run = _self_play(scattered(1), games=6, simulations=40)
    for _ in range(100):
        run.step()
    plies = run.mean_ply
    assert plies > 0
    old = Counting(scattered(1))
    new = Counting(scattered(2))
    run.use(old)
    run.step()
    assert old.batches == [6], "every root is judged anew"
    roots = set(old.keys)
    run.use(new)
    assert run.mean_ply == plies
    run.step()
    assert set(new.keys) == roots
    for _ in range(400):
        run.step()
    assert len(old.keys) == 6, "the old network is not asked again"
    assert run.mean_ply > plies


def test_a_viewer_sees_the_last_move_of_the_first_game() -> None:
    run = _self_play(games=2, simulations=6)
    assert run.glimpse is None
    while run.positions < 8:
        run.step()
    glimpse = run.glimpse
    assert glimpse is not None
    board = chess.Board(to_fen(glimpse.before))
    codes = _codes(board)
    assert set(codes) == {int(move) for move in glimpse.result.moves}
    assert 0 <= glimpse.chosen < len(codes)
    assert glimpse.ply == 2 * board.fullmove_number - (1 if board.turn == chess.WHITE else 0)
