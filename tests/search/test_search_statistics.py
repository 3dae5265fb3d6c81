"""Visits, values and noise: what a search adds up, keeps, and takes away again."""

import chess
import numpy as np
import pytest

from backend.errors import NonFiniteError
from backend.search.evaluator import uniform
from backend.search.search import Search
from model.rules import START_FEN, Outcome, from_fen, uci_to_move, zobrist
from tests.fake_evaluators import Answer, Counting, Positions, Scripted, Table, material, scattered
from tests.search.setups import ROOT_RULES, make_search, search_fen, uci_of
from tests.search.tree_walk import (
    Node,
    assert_arrays_are_sound,
    assert_statistics_are_sound,
    read_tree,
)

MIDDLE_GAME = "r1bq1rk1/pp2bppp/2n1pn2/2pp4/3P4/2PBPN2/PP1N1PPP/R1BQ1RK1 w - - 0 8"
MANY_QUEENS = "3k2q1/q4q1Q/2q2q2/4Q3/1q6/8/Q5QK/2Q3Q1 w - - 0 1"
"""About a hundred legal moves for either side."""
MOST_MOVES = "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1"
"""218 legal moves (Petrovic 1964)."""


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_search_of_n_simulations_asks_for_n_distinct_positions_and_its_root(root: str) -> None:
    counting = Counting(scattered(2))
    search, result = search_fen(START_FEN, counting, 200, root)
    assert result.simulations == 200
    assert result.visits.sum() == 200
    assert len(counting.keys) == 201
    assert search.num_nodes(0) == 201
    assert counting.keys[0] == int(zobrist(from_fen(START_FEN)))
    # Other move orders lead to a few positions twice; the tree knows no transpositions.
    assert len(set(counting.keys)) > 0.8 * len(counting.keys)


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("fen", [START_FEN, MIDDLE_GAME, "8/8/8/1p1R4/8/2K5/8/2k5 w - - 0 1"])
def test_visits_are_conserved_from_search_to_search(fen: str, root: str) -> None:
    evaluate = scattered(11)
    search = make_search(root, max_simulations=100)
    outcome = search.start(0, from_fen(fen))
    for _ in range(12):
        kept = read_tree(search, 0).visits_below
        result = search.search(0, 50, evaluate, noise=True)
        assert_arrays_are_sound(search, 0)
        tree = read_tree(search, 0)
        assert_statistics_are_sound(tree)
        assert tree.visits_below == result.visits.sum() == kept + result.simulations
        outcome = search.play(0, int(result.moves[result.best]))
        if outcome != Outcome.NONE:
            break


@pytest.mark.parametrize("root", ROOT_RULES)
def test_playing_a_move_keeps_exactly_the_statistics_below_it(root: str) -> None:
    search = make_search(root, max_simulations=300)
    search.start(0, from_fen(MIDDLE_GAME))
    rng = np.random.default_rng(5)
    for _ in range(8):
        result = search.search(0, 120, scattered(4))
        visited = np.flatnonzero(result.visits)
        chosen = int(rng.choice(visited))
        before = read_tree(search, 0)
        search.play(0, int(result.moves[chosen]))
        assert_arrays_are_sound(search, 0)
        after = read_tree(search, 0)
        expected = before.edges[chosen].child
        assert after == expected
        assert search.num_nodes(0) == len(after.all_nodes())


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_move_that_was_never_visited_can_be_played(root: str) -> None:
    search = make_search(root)
    search.start(0, from_fen(START_FEN))
    result = search.search(0, 3, scattered(4))
    unvisited = int(np.flatnonzero(result.visits == 0)[0])
    uci = uci_of(START_FEN, result)[unvisited]
    search.play(0, int(result.moves[unvisited]))
    board = chess.Board()
    board.push_uci(uci)
    assert search.position(0).tolist() == from_fen(board.fen()).tolist()
    assert search.num_nodes(0) == 1
    assert search.search(0, 20, scattered(4)).visits.sum() == 20


def test_a_search_with_the_same_tree_and_no_noise_goes_on_where_it_was() -> None:
    once = make_search("puct", max_simulations=128)
    once.start(0, from_fen(MIDDLE_GAME))
    once.search(0, 120, scattered(9))
    twice = make_search("puct", max_simulations=128)
    twice.start(0, from_fen(MIDDLE_GAME))
    twice.search(0, 60, scattered(9))
    twice.search(0, 60, scattered(9))
    assert read_tree(once, 0) == read_tree(twice, 0)


@pytest.mark.parametrize("root", ROOT_RULES)
def test_every_edge_holds_the_sum_of_values_below_it_with_alternating_signs(root: str) -> None:
    search, result = search_fen(MIDDLE_GAME, scattered(6), 200, root)
    tree = read_tree(search, 0)
    assert all(node.proven == 0 for node in tree.all_nodes())

    def check(node: Node) -> tuple[float, float]:
        """Sums of value (for the node's mover) and of draws over all evaluations here and below."""
        value, draws = node.value, node.wdl[1]
        for edge in node.edges:
            if edge.child is not None:
                below, drawn = check(edge.child)
                assert edge.value_sum == pytest.approx(-below, abs=1e-5)
                assert edge.draw_sum == pytest.approx(drawn, abs=1e-5)
                value -= below
                draws += drawn
        return value, draws

    value, draws = check(tree)
    assert result.value == pytest.approx(value / 201, abs=1e-5)
    assert result.root_wdl[1] == pytest.approx(draws / 201, abs=1e-5)
    assert result.root_wdl.sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("fen", [START_FEN, START_FEN.replace(" w ", " b ")])
def test_a_position_that_is_good_for_its_mover_is_bad_for_whoever_moved_into_it(
    fen: str, root: str
) -> None:
    board = chess.Board(fen)
    move = "e2e4" if board.turn else "e7e5"
    board.push_uci(move)
    _, result = search_fen(fen, Scripted(values={board.fen(): 0.5}), 20, root, c_puct=5.0)
    named = uci_of(fen, result)
    first = result.q[named.index(move)]
    assert result.visits[named.index(move)] == 1
    assert first == pytest.approx(-0.5)
    board.push_uci("a7a6" if board.turn == chess.BLACK else "a2a3")
    _, result = search_fen(fen, Scripted(values={board.fen(): -0.5}), 4000, root)
    # Two plies deep the sign has turned twice: what is bad for the same mover lowers its Q.
    assert result.q[named.index(move)] < np.nanmax(result.q)
    assert result.q[named.index(move)] < 0


def test_the_mover_prefers_winning_material_and_avoids_losing_it() -> None:
    fen = "4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1"
    for root in ROOT_RULES:
        _, result = search_fen(fen, material, 200, root)
        assert uci_of(fen, result)[result.best] == "e4d5"
        mirrored = chess.Board(fen).mirror().fen()
        _, flipped = search_fen(mirrored, material, 200, root)
        assert uci_of(mirrored, flipped)[flipped.best] == "e5d4"
        assert flipped.value == pytest.approx(result.value, abs=0.1)


def test_dirichlet_noise_is_mixed_in_once_and_gone_after_the_search() -> None:
    search = make_search("puct", max_simulations=400)
    search.start(0, from_fen(MIDDLE_GAME))
    search.begin(0, 100, noise=True)
    assert search.step(material) == []
    noisy = [edge.prior for edge in read_tree(search, 0).edges]
    clean = [np.exp(edge.log_prior) for edge in read_tree(search, 0).edges]
    assert sum(noisy) == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(noisy, clean, atol=1e-3)
    assert min(noisy) >= 0.75 * min(clean) - 1e-6
    while not search.step(material):
        assert [edge.prior for edge in read_tree(search, 0).edges] == noisy
    result = search.result(0)
    assert np.allclose(result.priors, clean), "the result shows the network's priors"
    search.begin(0, 100, noise=False)
    assert np.allclose([edge.prior for edge in read_tree(search, 0).edges], clean)
    search.begin(0, 100, noise=True)
    again = [edge.prior for edge in read_tree(search, 0).edges]
    assert sum(again) == pytest.approx(1.0, abs=1e-5), "mixed into the clean priors, not on top"
    assert again != noisy


def test_noise_of_an_earlier_root_does_not_leak_into_a_search_without_noise() -> None:
    search = make_search("puct")
    search.start(0, from_fen(MANY_QUEENS))
    search.begin(0, 4, noise=True)
    search.start(0, from_fen(START_FEN))  # fewer moves than the noise has entries
    search.search(0, 4, material, noise=False)
    assert [edge.prior for edge in read_tree(search, 0).edges] == pytest.approx([1 / 20] * 20)


def test_noise_stays_out_of_the_subtree() -> None:
    search = make_search("puct")
    search.start(0, from_fen(START_FEN))
    result = search.search(0, 200, material, noise=True)
    for edge in read_tree(search, 0).edges:
        if edge.child is not None and edge.child.evaluated:
            assert sum(e.prior for e in edge.child.edges) == pytest.approx(1.0, abs=1e-5)
            assert all(e.prior == pytest.approx(np.exp(e.log_prior)) for e in edge.child.edges)
    search.play(0, int(result.moves[result.best]))
    root = read_tree(search, 0)
    assert all(e.prior == pytest.approx(np.exp(e.log_prior)) for e in root.edges)


@pytest.mark.parametrize("fen", [START_FEN, MIDDLE_GAME])
def test_an_untrained_network_makes_puct_visit_every_move_with_64_simulations(fen: str) -> None:
    search = make_search("puct", max_simulations=64)
    search.start(0, from_fen(fen))
    result = search.search(0, 64, uniform)
    assert (result.visits > 0).all()


@pytest.mark.parametrize("root", ROOT_RULES)
def test_the_target_differs_from_the_prior_as_soon_as_values_do(root: str) -> None:
    fen = "4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1"
    _, result = search_fen(fen, material, 64, root)
    assert _kl(result.policy, result.priors) > 0.3
    _, flat = search_fen(START_FEN, uniform, 64, "gumbel")
    assert _kl(flat.policy, flat.priors) == pytest.approx(0.0, abs=1e-6)


def _kl(target: np.ndarray, prior: np.ndarray) -> float:
    kept = target > 0
    return float((target[kept] * np.log(target[kept] / prior[kept])).sum())


@pytest.mark.parametrize("root", ROOT_RULES)
def test_many_games_in_lock_step_are_searched_as_each_alone(root: str) -> None:
    rng = np.random.default_rng(2)
    walker = make_search(root, max_simulations=1)
    positions = []
    while len(positions) < 24:
        outcome = walker.start(0, from_fen(START_FEN))
        for _ in range(int(rng.integers(40))):
            if outcome == Outcome.NONE:
                outcome = walker.play(0, int(rng.choice(walker.legal(0))))
        if outcome == Outcome.NONE:
            positions.append(walker.position(0))
    together = make_search(root, num_games=24, max_simulations=48)
    budgets = [8 + 7 * (k % 6) for k in range(24)]
    for game, position in enumerate(positions):
        together.start(game, position)
        together.begin(game, budgets[game], noise=False)
    finished: set[int] = set()
    while len(finished) < 24:
        ready = together.step(scattered(8))
        assert not finished & set(ready), "a game is reported once"
        finished |= set(ready)
    for game, position in enumerate(positions):
        alone = make_search(root, max_simulations=48)
        alone.start(0, position)
        expected = alone.search(0, budgets[game], scattered(8))
        assert read_tree(together, game) == read_tree(alone, 0)
        assert together.result(game).best == expected.best


def test_one_step_asks_for_one_leaf_of_each_searching_game() -> None:
    search = make_search("puct", num_games=5)
    counting = Counting(scattered(1))
    for game in range(5):
        search.start(game, from_fen(START_FEN))
    for game in (0, 2, 3):
        search.begin(game, 10, noise=False)
    assert search.step(counting) == []
    assert counting.batches == [3]
    search.start(2, from_fen(START_FEN))  # a new game ends the search that ran there
    search.step(counting)
    assert counting.batches == [3, 2]
    assert search.num_nodes(2) == 1


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("fen", [START_FEN, MANY_QUEENS, MOST_MOVES])
def test_a_full_arena_ends_the_search_early_instead_of_overrunning(
    fen: str, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.search.search._EDGES_PER_NODE", 8)
    search = make_search(root, max_simulations=100, mate_check=False)
    search.start(0, from_fen(fen))
    for number in range(4):
        result = search.search(0, 100, scattered(1))
        assert 1 <= result.simulations <= 100
        assert number > 0 or fen == MOST_MOVES or result.simulations < 100
        assert result.policy.sum() == pytest.approx(1.0, abs=1e-5)
        assert_arrays_are_sound(search, 0)
        assert_statistics_are_sound(read_tree(search, 0))
        if search.play(0, int(result.moves[result.best])) != Outcome.NONE:
            break


@pytest.mark.parametrize("root", ROOT_RULES)
@pytest.mark.parametrize("fen", [MANY_QUEENS, MOST_MOVES])
def test_the_smallest_arena_has_room_for_the_positions_with_the_most_moves(
    fen: str, root: str
) -> None:
    search = make_search(root, max_simulations=1, mate_check=False)
    search.start(0, from_fen(fen))
    result = search.search(0, 1, scattered(1))
    assert result.simulations == 1
    assert_arrays_are_sound(search, 0)


@pytest.mark.parametrize("root", ROOT_RULES)
def test_searching_again_and_again_without_moving_never_overruns(root: str) -> None:
    search = make_search(root, max_simulations=16)
    search.start(0, from_fen(MIDDLE_GAME))
    for _ in range(20):
        assert search.search(0, 16, scattered(3)).simulations == 16
        assert_arrays_are_sound(search, 0)
    tree = read_tree(search, 0)
    assert_statistics_are_sound(tree)


def test_forgetting_drops_the_tree_but_not_the_game() -> None:
    search = make_search("gumbel")
    search.start(0, from_fen(START_FEN))
    for uci in ("g1f3", "g8f6", "f3g1", "f6g8"):
        search.play(0, uci_to_move(search.position(0), uci))
    before = search.position(0)
    assert (int(before[7]) >> 17) & 3 == 1
    search.search(0, 30, material)
    search.forget(0)
    assert search.num_nodes(0) == 1
    assert search.position(0).tolist() == before.tolist()


def test_moves_and_budgets_that_make_no_sense_are_refused() -> None:
    search = make_search("puct", max_simulations=10)
    search.start(0, from_fen(START_FEN))
    for simulations in (0, 11):
        with pytest.raises(ValueError, match="simulations"):
            search.begin(0, simulations, noise=False)
    with pytest.raises(ValueError, match="not legal"):
        search.play(0, 0)


@pytest.mark.parametrize("what", ["logits", "wdl"])
def test_an_evaluation_that_is_not_a_number_stops_the_search(what: str) -> None:
    def broken(positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
        logits, wdl = uniform(positions, move_index, num_moves)
        (logits if what == "logits" else wdl)[-1, 0] = np.nan
        return logits, wdl

    search = make_search("puct")
    search.start(0, from_fen(START_FEN))
    with pytest.raises(NonFiniteError, match="NaN"):
        search.search(0, 10, broken)


def test_what_stands_beyond_the_legal_moves_is_ignored() -> None:
    def padded(positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
        logits, wdl = scattered(1)(positions, move_index, num_moves)
        logits[np.arange(logits.shape[1]) >= num_moves[:, None]] = np.nan
        return logits, wdl

    trees = []
    for evaluate in (scattered(1), padded):
        search, _ = search_fen(START_FEN, evaluate, 30, "puct")
        trees.append(read_tree(search, 0))
    assert trees[0] == trees[1]


def test_a_search_of_one_game_does_not_swallow_the_end_of_another() -> None:
    search: Search = make_search("puct", num_games=2)
    for game in (0, 1):
        search.start(game, from_fen(START_FEN))
    search.begin(0, 2, noise=False)
    with pytest.raises(ValueError, match="searching"):
        search.search(1, 20, uniform)
