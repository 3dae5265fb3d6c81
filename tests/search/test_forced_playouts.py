"""Forced playouts: noise gets its tries, and none is taught. Shaped noise: where it goes."""

import numpy as np
import pytest

from backend.config import SearchConfig
from backend.search.forced import pruned_visits
from backend.search.puct import PuctRule, exploration, noise_concentration
from backend.search.result import SearchResult
from backend.search.search import Search
from model.rules import START_FEN, from_fen
from tests.fake_evaluators import Answer, Positions, Table, scattered, wdl_of
from tests.search.setups import make_search, uci_of
from tests.search.tree_walk import read_tree

RULE = PuctRule(1.5, 19652.0, 1.0, 0.25, 2.0)
PAWN_ON_A3 = np.uint64(1 << 16)


def a3_loses(positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
    """All moves alike; White is lost wherever it has a pawn on a3."""
    on_a3 = (positions[:, 0] & positions[:, 6] & PAWN_ON_A3) != 0
    white_moves = (positions[:, 7] & np.uint64(1)) == 0
    value = np.where(on_a3, np.where(white_moves, -0.7, 0.7), 0.0)
    return np.zeros(move_index.shape, np.float32), wdl_of(value)


def _searched(
    evaluate: object, *, noise: bool = True, **settings: object
) -> tuple[Search, SearchResult]:
    search = make_search("puct", max_simulations=300, seed=3, mate_check=False, **settings)
    search.start(0, from_fen(START_FEN))
    return search, search.search(0, 300, evaluate, noise=noise)


def test_every_move_that_was_tried_gets_its_forced_visits() -> None:
    search, _ = _searched(scattered(5), forced_playouts=2.0)
    edges = [edge for edge in read_tree(search, 0).edges if edge.visits]
    wanted = [np.sqrt(2.0 * edge.prior * 300) for edge in edges]
    assert all(edge.visits >= want - 1 for edge, want in zip(edges, wanted, strict=True))
    search, _ = _searched(scattered(5))
    edges = [edge for edge in read_tree(search, 0).edges if edge.visits]
    wanted = [np.sqrt(2.0 * edge.prior * 300) for edge in edges]
    assert any(edge.visits < want - 1 for edge, want in zip(edges, wanted, strict=True))


def test_what_was_only_forced_is_not_taught() -> None:
    _, result = _searched(a3_loses, forced_playouts=2.0)
    a3 = uci_of(START_FEN, result).index("a2a3")
    assert result.visits[a3] >= 3
    assert result.policy[a3] == 0
    assert result.policy.sum() == pytest.approx(1)
    assert np.argmax(result.policy) == np.argmax(result.visits) == result.best
    _, unforced = _searched(a3_loses)
    assert unforced.visits[a3] < result.visits[a3]


def test_without_noise_nothing_is_forced_and_nothing_is_taken_off() -> None:
    forced, result = _searched(scattered(5), noise=False, forced_playouts=2.0)
    plain, expected = _searched(scattered(5), noise=False)
    assert read_tree(forced, 0) == read_tree(plain, 0)
    assert (result.policy == expected.policy).all()
    assert result.policy == pytest.approx(result.visits / result.visits.sum())


def test_a_search_without_noise_after_one_with_it_teaches_all_its_visits() -> None:
    search, _ = _searched(a3_loses, forced_playouts=2.0)
    result = search.search(0, 50, a3_loses)
    assert result.policy == pytest.approx(result.visits / result.visits.sum())


def test_the_gumbel_rule_knows_no_forced_playouts() -> None:
    trees = []
    for k in (0.0, 2.0):
        search = make_search("gumbel", seed=3, forced_playouts=k)
        search.start(0, from_fen(START_FEN))
        search.search(0, 60, scattered(5), noise=True)
        trees.append(read_tree(search, 0))
    assert trees[0] == trees[1]


def test_visits_are_taken_off_as_far_as_forced_and_no_further_than_the_rule_would_go() -> None:
    rng = np.random.default_rng(7)
    changed = 0
    for _ in range(300):
        n = int(rng.integers(2, 30))
        visits = rng.integers(0, 60, n).astype(np.int32)
        visits[0] += 1
        prior = rng.dirichlet(np.full(n, 0.5)).astype(np.float32)
        q = np.where(visits > 0, rng.uniform(-1, 1, n), np.nan).astype(np.float32)
        kept = pruned_visits(visits, q, prior, RULE)
        best, total = int(np.argmax(visits)), int(visits.sum())
        assert kept[best] == visits[best]
        assert (kept <= visits).all()
        assert (kept >= 0).all()
        changed += (kept < visits).any()
        scale = exploration(RULE, total)

        def puct(
            k: int, count: int, q: np.ndarray = q, prior: np.ndarray = prior, scale: float = scale
        ) -> float:
            return float(q[k] + scale * prior[k] / (1 + count))

        top = puct(best, int(visits[best]))
        for k in np.flatnonzero(kept < visits):
            forced = int(np.sqrt(2.0 * prior[k] * total))
            if kept[k]:
                assert kept[k] >= 2
                assert visits[k] - kept[k] <= forced
                assert puct(k, int(kept[k])) < top + 1e-9
            else:
                assert visits[k] - 1 <= forced, "at most one more than was forced"
    assert changed > 200


def test_a_move_with_one_visit_of_its_own_right_stays() -> None:
    visits = np.ones(20, np.int32)
    kept = pruned_visits(visits, np.zeros(20, np.float32), np.full(20, 0.05, np.float32), RULE)
    assert kept.tolist() == [1] * 20
    nothing = pruned_visits(
        np.zeros(3, np.int32), np.full(3, np.nan, np.float32), np.full(3, 1 / 3, np.float32), RULE
    )
    assert nothing.tolist() == [0, 0, 0]


def test_plain_noise_is_spread_evenly_and_a_total_replaces_the_share_of_a_move() -> None:
    prior = np.array([0.7, 0.2, 0.1])
    assert noise_concentration(prior, SearchConfig()).tolist() == pytest.approx([0.3] * 3)
    total = noise_concentration(prior, SearchConfig(dirichlet_total=10.83))
    assert total.tolist() == pytest.approx([3.61] * 3)


def test_shaped_noise_goes_by_half_to_moves_that_the_network_prefers() -> None:
    config = SearchConfig(dirichlet_total=10.0, dirichlet_shaped=True)
    prior = np.array([0.5, 0.49, 0.009, 0.0009, 0.0001])
    shaped = noise_concentration(prior, config)
    assert shaped.sum() == pytest.approx(10)
    assert shaped[0] == pytest.approx(shaped[1]), "beyond 1 % all are alike"
    assert shaped[0] > shaped[2] > shaped[3]
    assert shaped[3:].tolist() == pytest.approx([1.0, 1.0]), "below the mean: the even half"
    assert noise_concentration(np.full(5, 0.2), config).tolist() == pytest.approx([2.0] * 5)


def test_shaped_noise_is_drawn_once_a_search_when_the_priors_are_known() -> None:
    search = make_search("puct", dirichlet_total=10.83, dirichlet_shaped=True)
    search.start(0, from_fen(START_FEN))
    search.begin(0, 50, noise=True)
    evaluate = scattered(5)
    search.step(evaluate)
    noisy = [edge.prior for edge in read_tree(search, 0).edges]
    clean = np.array([np.exp(edge.log_prior) for edge in read_tree(search, 0).edges])
    noise = (np.array(noisy) - 0.75 * clean) / 0.25
    assert noise.sum() == pytest.approx(1, abs=1e-4)
    while not search.step(evaluate):
        assert [edge.prior for edge in read_tree(search, 0).edges] == noisy
    shares = []
    for _ in range(300):
        search.begin(0, 50, noise=True)
        shares.append([edge.prior for edge in read_tree(search, 0).edges])
    mean = (np.mean(shares, axis=0) - 0.75 * clean) / 0.25
    config = SearchConfig(dirichlet_total=10.83, dirichlet_shaped=True)
    wanted = noise_concentration(clean, config) / 10.83
    assert mean == pytest.approx(wanted, abs=0.03)
