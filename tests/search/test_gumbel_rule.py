"""Sequential halving and the improved policy, held against their definitions."""

import itertools

import numpy as np
import pytest

from backend.search.evaluator import uniform
from backend.search.gumbel import visit_sequence
from model.rules import START_FEN, from_fen
from tests.fake_evaluators import Counting, material, scattered
from tests.search.setups import make_search, search_fen
from tests.search.tree_walk import read_tree


def test_the_sequence_halves_the_moves_as_drawn_in_the_paper() -> None:
    assert visit_sequence(4, 16) == (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
    stages = ((16, range(1)), (8, range(1, 3)), (4, range(3, 7)), (2, range(7, 15)))
    expected = [visits for moves, counts in stages for visits in counts for _ in range(moves)]
    assert visit_sequence(16, 64) == tuple(expected)
    assert visit_sequence(1, 5) == (0, 1, 2, 3, 4)
    assert visit_sequence(3, 5) == (0, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("considered", "simulations"),
    [*itertools.product((1, 2, 3, 5, 16, 40, 218), (1, 2, 7, 64, 800))],
)
def test_every_sequence_can_be_followed_and_spends_the_whole_budget(
    considered: int, simulations: int
) -> None:
    sequence = visit_sequence(considered, simulations)
    assert len(sequence) == simulations
    visits = [0] * considered
    for wanted in sequence:
        visits[visits.index(wanted)] += 1  # raises if no move has been visited that often
    assert sum(visits) == simulations
    if simulations >= considered:
        assert min(visits) >= 1


def test_only_the_considered_moves_are_visited_and_the_survivors_most() -> None:
    _, result = search_fen(START_FEN, scattered(3), 64, "gumbel", gumbel_considered=16)
    assert (
        sorted(result.visits[result.visits > 0].tolist()) == [1] * 8 + [3] * 4 + [7] * 2 + [15] * 2
    )
    top = np.argsort(-result.priors)[:16]
    assert set(np.flatnonzero(result.visits)) == set(top), "without noise, the highest priors"


def test_the_target_is_the_softmax_of_log_prior_and_completed_q() -> None:
    scale, c_visit = 0.7, 20.0
    _, result = search_fen(
        START_FEN,
        scattered(5),
        40,
        "gumbel",
        gumbel_considered=6,
        gumbel_c_visit=c_visit,
        gumbel_c_scale=scale,
    )
    visited = result.visits > 0
    assert 0 < visited.sum() < len(visited)
    own = float(result.raw_wdl[0] - result.raw_wdl[2])
    prior = result.priors.astype(float)
    weighted = (prior[visited] * result.q[visited]).sum() / prior[visited].sum()
    total = result.visits.sum()
    mixed = (own + total * weighted) / (1 + total)
    q = np.where(visited, result.q, mixed)
    scores = np.log(prior) + (c_visit + result.visits.max()) * scale * (q + 1) / 2
    expected = np.exp(scores - scores.max())
    assert np.allclose(result.policy, expected / expected.sum(), atol=1e-5)


def test_only_moves_that_were_looked_at_are_drawn() -> None:
    settings = {"gumbel_considered": 8, "gumbel_c_scale": 0.05}
    _, result = search_fen(START_FEN, scattered(3), 24, "gumbel", **settings)
    rng = np.random.default_rng(0)
    drawn = {result.sample(2.0, rng) for _ in range(300)}
    assert drawn == set(np.flatnonzero(result.visits))
    assert result.policy[result.visits == 0].sum() > 0.2, "most of the rest had a share too"


def test_noise_changes_which_moves_are_considered_but_not_the_target_of_an_equal_tree() -> None:
    search = make_search("gumbel", gumbel_considered=4)
    search.start(0, from_fen(START_FEN))
    considered = set()
    for _ in range(30):
        search.forget(0)
        result = search.search(0, 4, uniform, noise=True)
        considered |= set(np.flatnonzero(result.visits).tolist())
        assert np.allclose(result.priors, 1 / 20)
        assert np.allclose(result.policy, 1 / 20), "all values are equal, so nothing was learned"
    assert len(considered) > 15


def test_gumbel_noise_is_drawn_once_for_a_search() -> None:
    search = make_search("gumbel")
    search.start(0, from_fen(START_FEN))
    search.begin(0, 64, noise=True)
    drawn = search._sessions.noise[0].copy()
    assert np.count_nonzero(drawn) == 20
    while not search.step(material):
        assert np.array_equal(search._sessions.noise[0], drawn)
    search.result(0)
    search.begin(0, 64, noise=False)
    assert not search._sessions.noise[0].any()


def test_the_halving_counts_its_own_visits_and_not_those_of_a_kept_subtree() -> None:
    search = make_search("gumbel", gumbel_considered=8, max_simulations=64)
    search.start(0, from_fen(START_FEN))
    first = search.search(0, 64, scattered(1))
    search.play(0, int(first.moves[first.best]))
    kept = np.array([edge.visits for edge in read_tree(search, 0).edges])
    assert kept.sum() > 0
    counting = Counting(scattered(1))
    second = search.search(0, 64, counting)
    mine = second.visits - kept
    assert mine.sum() == 64
    assert np.count_nonzero(mine) == 8
    assert mine[second.best] == mine.max()
    assert len(counting.keys) == 64
