"""Random games with random opinions, budgets and interruptions never break what a tree promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from model.rules import START_FEN, Outcome, from_fen
from tests.fake_evaluators import scattered
from tests.search.setups import ROOT_RULES, make_search
from tests.search.tree_walk import assert_arrays_are_sound, assert_statistics_are_sound, read_tree

STARTS = (
    START_FEN,
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 90 60",
    "8/PPP4k/8/8/8/8/4Kppp/8 w - - 0 1",
    "3k2q1/q4q1Q/2q2q2/4Q3/1q6/8/Q5QK/2Q3Q1 w - - 0 1",
)


@pytest.mark.parametrize("root", ROOT_RULES)
@given(seed=st.integers(0, 2**32 - 1), max_simulations=st.integers(1, 60), mate_check=st.booleans())
@hypothesis_settings(max_examples=25)
def test_no_sequence_of_searches_and_moves_breaks_the_tree(
    root: str, seed: int, max_simulations: int, mate_check: bool
) -> None:
    rng = np.random.default_rng(seed)
    num_games = int(rng.integers(1, 4))
    search = make_search(
        root,
        num_games=num_games,
        max_simulations=max_simulations,
        mate_check=mate_check,
        gumbel_considered=int(rng.integers(1, 20)),
    )
    evaluate = scattered(seed)

    def start(game: int) -> None:
        while search.start(game, from_fen(str(rng.choice(STARTS)))) != Outcome.NONE:
            pass
        begin(game)

    def begin(game: int) -> None:
        budget = int(rng.integers(1, max_simulations + 1))
        search.begin(game, budget, noise=bool(rng.random() < 0.7))

    for game in range(num_games):
        start(game)
    moves = 0
    while moves < 15:
        ready = search.step(evaluate)
        for game in ready:
            result = search.result(game)
            assert_arrays_are_sound(search, game)
            assert_statistics_are_sound(read_tree(search, game))
            assert result.policy.sum() == pytest.approx(1.0, abs=1e-4)
            assert (result.policy >= 0).all()
            assert result.root_wdl.sum() == pytest.approx(1.0, abs=1e-4)
            assert result.playable[result.best]
            assert np.isnan(result.q[result.visits == 0]).all()
            assert (np.abs(result.q[result.visits > 0]) <= 1.0).all()
            chosen = result.sample(float(rng.uniform(0.05, 2.0)), rng)
            assert result.playable[chosen]
            moves += 1
            if search.play(game, int(result.moves[chosen])) != Outcome.NONE:
                start(game)
            else:
                begin(game)
        if rng.random() < 0.02:  # in the middle of a search
            game = int(rng.integers(num_games))
            if rng.random() < 0.5:
                search.forget(game)
                begin(game)
            else:
                start(game)
