"""Many leaves at once: marks are taken off again, no position is judged twice, visits add up."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import NonFiniteError
from backend.search.evaluator import MOVE_SLOTS, Evaluate, uniform
from backend.search.lines import read_lines, root_visits
from backend.search.single import SingleSearch
from backend.search.tree import UNKNOWN
from model.rules import from_fen, start_position, uci_to_move, zobrist
from tests.fake_evaluators import Counting, material, scattered
from tests.search.tree_walk import (
    assert_arrays_are_sound,
    assert_statistics_are_sound,
    read_tree,
)

FENS = (
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
    "r1bqk2r/pppp1ppp/2n2n2/2b1p3/2B1P3/2N2N2/PPPP1PPP/R1BQK2R w KQkq - 6 5",
    "8/8/4k3/8/8/3QK3/8/8 w - - 90 80",  # the fifty moves are near: many leaves are decided
    "7k/8/8/8/8/1r6/r7/7K w - - 0 1",  # one legal move
)


def make(fen: str = FENS[0], *, max_nodes: int = 3000, max_batch: int = 64) -> SingleSearch:
    search = SingleSearch(max_nodes=max_nodes, max_batch=max_batch, orientation="mover")
    search.start(from_fen(fen))
    search.begin()
    return search


def walkable(search: SingleSearch) -> Any:
    """As the walker of the other search's trees wants it."""
    sessions = SimpleNamespace(searching=np.zeros(1, np.bool_))
    return SimpleNamespace(_arena=search.arena, _sessions=sessions)


def sharp(seed: int) -> Evaluate:
    """Opinions so strong that many simulations want to go the same way."""
    inner = scattered(seed)

    def evaluate(positions: Any, move_index: Any, num_moves: Any, /) -> Any:
        logits, wdl = inner(positions, move_index, num_moves)
        return 10 * logits, wdl

    return evaluate


@settings(max_examples=40)
@given(
    fen=st.sampled_from(FENS),
    seed=st.integers(0, 1000),
    batches=st.lists(st.tuples(st.integers(1, 64), st.integers(1, 120)), min_size=1, max_size=4),
)
def test_nothing_stays_in_flight_and_visits_add_up(
    fen: str, seed: int, batches: list[tuple[int, int]]
) -> None:
    search = make(fen)
    counting = Counting(sharp(seed) if seed % 2 else scattered(seed))
    nodes = 0
    for leaves, more in batches:
        nodes += more
        for _ in range(200):
            before = search.simulations
            search.step(counting, leaves=leaves, nodes=nodes)
            assert not search.is_in_flight
            if search.nodes >= nodes or search.simulations == before > 0:
                break
    assert search.nodes <= nodes
    judged = search.arena.evaluated[0, : search.arena.num_nodes[0]].sum()
    assert search.evaluations == len(counting.keys) == judged
    assert max(counting.batches) <= max(leaves for leaves, _ in batches)
    assert root_visits(search).sum() == search.simulations
    assert_arrays_are_sound(walkable(search), 0)
    root = read_tree(walkable(search), 0)
    for edge in root.edges:
        if edge.child is not None:
            assert_statistics_are_sound(edge.child)


def test_a_batch_is_filled_with_different_positions() -> None:
    search = make(FENS[1])
    counting = Counting(scattered(3))
    while search.nodes < 1000:
        search.step(counting, leaves=32, nodes=1000)
    assert max(counting.batches) == 32
    assert len(counting.batches) < 60


def test_a_leaf_in_flight_that_is_met_again_is_judged_once() -> None:
    search = make(FENS[1])
    counting = Counting(sharp(3))
    while search.nodes < 500:
        search.step(counting, leaves=64, nodes=500)
    assert search.collisions > 0
    judged = search.arena.evaluated[0, : search.arena.num_nodes[0]].sum()
    assert len(counting.keys) == judged


def test_small_trees_get_small_batches() -> None:
    search = make(FENS[1])
    counting = Counting(scattered(3))
    sizes = []
    while search.nodes < 200:
        size = search.arena.num_nodes[0]
        search.step(counting, leaves=64)
        sizes.append((counting.batches[-1], max(1, size // 4)))
    assert all(batch <= limit for batch, limit in sizes)


def test_a_bigger_batch_finds_the_same_best_move_where_one_is_clearly_best() -> None:
    fen = "rnb1kbnr/pppp1ppp/8/4p1q1/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 0 4"  # Nxg5
    for leaves in (1, 8, 64):
        search = make(fen)
        while search.nodes < 800:
            search.step(material, leaves=leaves, nodes=800)
        assert read_lines(search, 1)[0].move == "f3g5"


def test_the_tree_goes_on_after_a_move_and_begins_anew_after_start() -> None:
    search = make()
    while search.nodes < 500:
        search.step(scattered(1), leaves=8, nodes=500)
    best = read_lines(search, 1)[0]
    search.play(uci_to_move(search.position, best.move))
    search.begin()
    assert search.nodes == 0
    assert root_visits(search).sum() == best.visits - 1
    search.step(scattered(1), leaves=8)
    search.start(start_position())
    search.begin()
    assert root_visits(search).sum() == 0


def test_only_allowed_moves_are_searched() -> None:
    search = make()
    allowed = {uci_to_move(search.position, move) for move in ("a2a3", "h2h4")}
    search.begin(allowed)
    while search.nodes < 100:
        search.step(scattered(1), leaves=8, nodes=100)
    lines = read_lines(search, 5)
    assert {line.move for line in lines} == {"a2a3", "h2h4"}
    assert sum(line.visits for line in lines) == search.simulations


def test_a_full_arena_says_so_and_stays_sound() -> None:
    search = make(max_nodes=64)
    for _ in range(100):
        search.step(scattered(1), leaves=8)
    assert search.is_full
    assert search.fill > 0.9
    assert search.step(scattered(1), leaves=8) == 0
    assert_arrays_are_sound(walkable(search), 0)


def test_a_root_that_is_drawn_by_repetition_can_still_be_searched() -> None:
    position = start_position()
    search = SingleSearch(max_nodes=500, max_batch=8, orientation="mover")
    search.start(from_fen(FENS[0].replace("0 1", "8 5")), [int(zobrist(position)), 0] * 4)
    assert search.num_moves == 20
    search.begin()
    search.step(uniform, leaves=8)
    search.step(uniform, leaves=8)
    assert search.arena.proven[0, 0] == UNKNOWN
    search.play(uci_to_move(search.position, "e2e4"))
    assert search.num_moves == 20


def test_an_answer_that_is_not_finite_is_refused() -> None:
    def broken(positions: Any, move_index: Any, num_moves: Any, /) -> Any:
        shape = (len(positions), MOVE_SLOTS)
        return np.full(shape, np.nan, np.float32), np.full((len(positions), 3), 1 / 3, np.float32)

    search = make()
    with pytest.raises(NonFiniteError):
        search.step(broken, leaves=8)


def test_a_finished_game_has_no_moves() -> None:
    search = SingleSearch(max_nodes=100, max_batch=8, orientation="mover")
    search.start(from_fen("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"))
    assert search.num_moves == 0
