"""Move counts of the published suites: every position shallow, then as deep as time allows."""

import numpy as np
import pytest

from model.rules import divide, from_fen, legal_moves, make_move, move_to_uci, perft, start_position
from tests.rules.oracle import perft_suite

SUITES = {
    "perft_standard.epd": 126,
    "perft_tricky.epd": 7,
    "perft_chess960.epd": 646,
    "perft_random.epd.gz": 6752,
}
MAX_SHALLOW_NODES = 25_000
DEEP_NODE_BUDGET = 15_000_000_000
"""Nodes of the slow run, smallest entries first: 4 minutes at 62 million nodes a second."""


def test_suites_are_complete() -> None:
    assert {name: len(list(perft_suite(name))) for name in SUITES} == SUITES


@pytest.mark.parametrize("name", SUITES)
def test_shallow_entries_of_each_suite_agree(name: str) -> None:
    for fen, counts in perft_suite(name):
        pos = from_fen(fen)
        for depth, nodes in counts.items():
            if nodes <= MAX_SHALLOW_NODES:
                assert perft(pos, depth) == nodes, (fen, depth)


@pytest.mark.slow
def test_deep_entries_agree_within_the_node_budget() -> None:
    entries = [
        (nodes, depth, fen)
        for name in SUITES
        for fen, counts in perft_suite(name)
        for depth, nodes in counts.items()
        if nodes > MAX_SHALLOW_NODES
    ]
    num_nodes = 0
    for nodes, depth, fen in sorted(entries):
        num_nodes += nodes
        if num_nodes > DEEP_NODE_BUDGET:
            break
        assert perft(from_fen(fen), depth) == nodes, (fen, depth)
    assert num_nodes > DEEP_NODE_BUDGET / 2


def test_divide_names_each_move_and_adds_up_to_perft() -> None:
    pos = from_fen("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")
    below = divide(pos, 3)
    moves = np.empty(256, np.uint16)
    names = [move_to_uci(pos, int(move)) for move in moves[: legal_moves(pos, moves)]]
    assert list(below) == names
    assert {"e1g1", "e1c1", "d5e6"} <= set(below)
    assert sum(below.values()) == perft(pos, 3) == 97_862
    assert divide(start_position(), 1) == {name: 1 for name in divide(start_position(), 2)}


def test_depth_zero_is_one_sequence_and_negative_depths_are_refused() -> None:
    pos = start_position()
    assert perft(pos, 0) == 1
    with pytest.raises(ValueError, match="perft depth -1 must not be negative"):
        perft(pos, -1)
    with pytest.raises(ValueError, match="divide depth 0 must be at least 1"):
        divide(pos, 0)


def test_perft_leaves_its_position_alone() -> None:
    pos = start_position()
    before = pos.copy()
    perft(pos, 3)
    assert np.array_equal(pos, before)


def test_make_move_may_write_over_its_own_position() -> None:
    pos = from_fen("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1")
    moves = np.empty(256, np.uint16)
    for move in moves[: legal_moves(pos, moves)]:
        beside, over = np.empty(8, np.uint64), pos.copy()
        make_move(pos, move, beside)
        make_move(over, move, over)
        assert np.array_equal(beside, over)
