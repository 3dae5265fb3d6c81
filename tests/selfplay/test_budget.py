"""Cheap searches are cheap, lose nothing of a game, teach no policy; budgets grow."""

from pathlib import Path

import chess
import numpy as np
import pytest

from backend.config import SelfPlayConfig
from backend.replay.admission import admit
from backend.replay.records import (
    BLACK_WON,
    CHEAP_SEARCH,
    FULL_SEARCH,
    WHITE_WON,
    result_targets,
)
from backend.search.search import Search
from backend.selfplay.budget import Budgets
from model.rules import Outcome
from tests.backend.replay.games import write
from tests.fake_evaluators import Counting, material, scattered
from tests.selfplay.setups import check_by_replay, play, self_play


def test_a_game_that_ends_on_a_cheap_move_still_gets_its_own_result(tmp_path: Path) -> None:
    run = self_play(seed=3, games=12, full_search_frac=0.4, cheap_simulations=4, max_plies=160)
    records = play(run, 24)
    mated = [record for record in records if record.outcome == Outcome.CHECKMATE]
    ended_cheaply = [r for r in mated if r.samples[-1].kind == CHEAP_SEARCH]
    assert len(ended_cheaply) > 2
    for record in mated:
        board = check_by_replay(record)  # every ply is sampled, cheap or not
        assert record.result == (BLACK_WON if board.turn == chess.WHITE else WHITE_WON)
        winner_moved = [
            int(s.position[7]) & 1 == (record.result == BLACK_WON) for s in record.samples
        ]
        assert result_targets(record).wdl[:, 0].tolist() == winner_moved
        left = [len(record.moves) - sample.ply for sample in record.samples]
        assert result_targets(record).plies_left.tolist() == left
    admitted = admit(write(tmp_path, records))
    assert [game.result for game in admitted.games] == [record.result for record in records]
    cheap = sum(sample.kind == CHEAP_SEARCH for sample in records[0].samples)
    assert f'[Searches "{len(records[0].samples) - cheap} full, {cheap} cheap"]' in admitted.pgn


def test_only_full_searches_teach_the_policy_and_all_teach_the_value() -> None:
    run = self_play(max_plies=40, full_search_frac=0.3, cheap_simulations=2)
    samples = [sample for record in play(run, 12) for sample in record.samples]
    kinds = np.array([sample.kind for sample in samples])
    assert set(kinds) == {FULL_SEARCH, CHEAP_SEARCH}
    assert 0.2 < (kinds == FULL_SEARCH).mean() < 0.4
    assert [s.policy_weight for s in samples] == [float(k == FULL_SEARCH) for k in kinds]
    assert {sample.value_weight for sample in samples} == {1.0}
    assert run.tally.full_searches / run.tally.positions == pytest.approx(0.3, abs=0.1)


def test_a_cheap_search_costs_its_own_evaluations_and_no_more() -> None:
    cheap = Counting(scattered(1))
    run = self_play(
        cheap, games=4, simulations=40, max_plies=30, full_search_frac=0.0, cheap_simulations=3
    )
    play(run, 4)
    # Three leaves and perhaps the root for each move; a little for searches in flight.
    assert len(cheap.keys) <= 4 * (run.tally.positions + 4)
    full = Counting(scattered(1))
    run = self_play(full, games=4, simulations=40, max_plies=30)
    play(run, 4)
    assert len(full.keys) > 30 * run.tally.positions


def test_noise_is_for_full_searches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, bool]] = []
    begin = Search.begin

    def spy(self: Search, game: int, simulations: int, *, noise: bool) -> None:
        begun.append((simulations, noise))
        begin(self, game, simulations, noise=noise)

    monkeypatch.setattr(Search, "begin", spy)
    play(self_play(max_plies=20, full_search_frac=0.5, cheap_simulations=2), 12)
    assert set(begun) == {(10, True), (2, False)}


def test_by_default_every_search_is_full_and_as_long_as_the_search_says() -> None:
    budgets = Budgets(SelfPlayConfig(), 64)
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    for step in (0, 10**6):
        budgets.step = step
        budget = budgets.draw(rng)
        assert (budget.simulations, budget.kind, budget.weight) == (64, FULL_SEARCH, 1.0)
    assert rng.bit_generator.state == state


def test_simulations_grow_to_the_maximum_and_never_beyond() -> None:
    config = SelfPlayConfig(simulations_start=16, simulations_grow_steps=1000, cheap_simulations=20)
    budgets = Budgets(config, 64)
    grown = []
    for step in (0, 250, 500, 999, 1000, 10**9):
        budgets.step = step
        grown.append((budgets.full, budgets.cheap))
    assert grown == [(16, 5), (28, 9), (40, 12), (64, 20), (64, 20), (64, 20)]
    assert Budgets(SelfPlayConfig(simulations_start=100), 64).full == 64
    assert Budgets(SelfPlayConfig(cheap_simulations=100), 64).cheap == 64


def test_a_network_of_a_later_step_is_searched_longer() -> None:
    counting = Counting(material)
    run = self_play(
        counting, simulations=30, simulations_start=5, simulations_grow_steps=100, max_plies=300
    )
    assert run.simulations == 5
    while run.tally.positions < 40:
        run.step()
    early = len(counting.keys) / run.tally.positions
    run.use(counting, step=100)
    assert run.simulations == 30
    before, positions = len(counting.keys), run.tally.positions
    while run.tally.positions < positions + 40:
        run.step()
    late = (len(counting.keys) - before) / (run.tally.positions - positions)
    assert early < 10 < 20 < late
