"""Self-play in small, and its games played over again by python-chess."""

from collections.abc import Mapping
from typing import Any, Literal

import chess
import pytest

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import GameRecord, check_record
from backend.search.evaluator import Evaluate
from backend.selfplay.games import SelfPlay
from model.encoding.moves import policy_index
from model.rules import Outcome, from_fen, to_fen, uci_to_move
from tests.fake_evaluators import material


def self_play(
    evaluate: Evaluate = material,
    *,
    seed: int = 1,
    games: int = 12,
    simulations: int = 10,
    max_plies: int = 240,
    root: Literal["gumbel", "puct"] = "gumbel",
    step: int = 0,
    search: Mapping[str, Any] | None = None,
    **settings: Any,
) -> SelfPlay:
    """Self-play with a fake network; `search` are settings of [search], the rest of [selfplay]."""
    return SelfPlay(
        SelfPlayConfig(
            games=games,
            max_plies=max_plies,
            **{"temperature_plies": 20, "opening_plies": 6, **settings},
        ),
        SearchConfig(**{"root": root, "simulations": simulations, **(search or {})}),
        evaluate,
        orientation="mover",
        seed=seed,
        step=step,
    )


def play(run: SelfPlay, num_games: int) -> list[GameRecord]:
    records: list[GameRecord] = []
    while len(records) < num_games:
        records.extend(run.step())
    return records


def codes(board: chess.Board) -> dict[int, chess.Move]:
    position = from_fen(board.fen())
    return {uci_to_move(position, move.uci()): move for move in board.legal_moves}


def outcome_by_python_chess(board: chess.Board) -> Outcome:
    if board.is_checkmate():
        return Outcome.CHECKMATE
    if board.is_stalemate():
        return Outcome.STALEMATE
    if board.is_insufficient_material():
        return Outcome.INSUFFICIENT
    if board.halfmove_clock >= 100:
        return Outcome.FIFTY_MOVES
    return Outcome.THREEFOLD if board.is_repetition(3) else Outcome.NONE


def check_by_replay(record: GameRecord) -> chess.Board:
    """Play the record over again; returns the final board."""
    check_record(record)
    board = chess.Board(to_fen(record.start))
    samples = {sample.ply: sample for sample in record.samples}
    for ply, code in enumerate(record.moves):
        assert outcome_by_python_chess(board) == Outcome.NONE, "a game ends when it has ended"
        legal = codes(board)
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
    assert plies[0] == record.opening_plies
    return board
