"""Mirrored samples: the same lesson, told from the other side."""

from dataclasses import fields, replace

import numpy as np

from backend.replay.augment import mirror_some
from backend.replay.batch import Batch
from backend.replay.future import Future
from model.encoding.mirror import can_be_mirrored, mirror_positions
from model.rules import START_FEN
from tests.positions import legal_index, positions_of, random_batch, uniform_batch


def test_only_positions_without_castling_are_mirrored_and_their_moves_stay_legal() -> None:
    batch = random_batch(200, seed=5)
    free = can_be_mirrored(batch.positions)
    assert 20 < free.sum() < 180
    shown = mirror_some(batch, 1.0, np.random.default_rng(0))
    shown.validate()
    assert (shown.positions[~free] == batch.positions[~free]).all()
    assert (shown.positions[free] == mirror_positions(batch.positions[free])).all()
    index, num_moves = legal_index(shown.positions, "mover")
    assert (num_moves == batch.num_moves).all()
    for row, count in enumerate(num_moves):
        assert set(shown.policy_index[row, :count]) == set(index[row, :count])


def test_a_share_is_mirrored_and_the_same_generator_chooses_the_same() -> None:
    lone = positions_of(["8/8/8/8/8/k7/8/K6R w - - 0 1"])
    batch = uniform_batch(np.repeat(lone, 1000, axis=0), np.eye(3, dtype=np.float32)[[0] * 1000])
    first = mirror_some(batch, 0.3, np.random.default_rng(4))
    changed = (first.positions != batch.positions).any(axis=1)
    assert 0.25 < changed.mean() < 0.35
    again = mirror_some(batch, 0.3, np.random.default_rng(4))
    assert (first.positions == again.positions).all()
    assert (first.policy_index == again.policy_index).all()


def test_every_field_of_a_batch_was_thought_of() -> None:
    """A new field that names squares or moves must be mirrored as well; then add it here."""
    assert {field.name for field in fields(Batch)} == {
        "positions",
        "policy_index",
        "policy_prob",
        "num_moves",
        "wdl_target",
        "policy_weight",
        "value_weight",
        "future",
        "drawn",
    }
    assert {field.name for field in fields(Future) if "index" in field.name} == {"reply_index"}


def test_replies_are_mirrored_with_their_position() -> None:
    first = positions_of(["8/8/8/8/8/k7/8/K6R w - - 0 1", START_FEN])
    reply = positions_of(["8/8/8/8/8/k7/8/K5R1 b - - 1 1", "8/8/8/8/8/k7/8/K6R b - - 0 1"])
    index, num_moves = legal_index(reply, "mover")
    future = Future(
        plies_left=np.ones(2, np.float32),
        short_wdl=np.full((2, 3), 1 / 3, np.float32),
        short_weight=np.ones(2, np.float32),
        reply_index=index.astype(np.int64),
        reply_prob=((index >= 0) / num_moves[:, None]).astype(np.float32),
        reply_num_moves=num_moves.astype(np.int64),
        reply_weight=np.ones(2, np.float32),
    )
    batch = replace(uniform_batch(first, np.eye(3, dtype=np.float32)[:2]), future=future)
    shown = mirror_some(batch, 1.0, np.random.default_rng(0)).future
    assert shown is not None
    shown.validate(2)
    mirrored, _ = legal_index(mirror_positions(reply), "mover")
    assert set(shown.reply_index[0, : num_moves[0]]) == set(mirrored[0, : num_moves[0]])
    assert (shown.reply_index[1] == future.reply_index[1]).all()
