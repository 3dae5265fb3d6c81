"""A batch that is not what it claims is refused with the place of the fault."""

from dataclasses import replace

import numpy as np
import pytest

from backend.errors import ReplayError
from backend.replay.batch import Batch
from tests.positions import random_batch


@pytest.fixture(scope="module")
def batch() -> Batch:
    return random_batch(5, seed=4)


def test_a_sound_batch_passes_and_knows_its_size(batch: Batch) -> None:
    batch.validate()
    assert len(batch) == 5


@pytest.mark.parametrize(
    ("field", "row", "value", "message"),
    [
        ("policy_index", (3, 0), 4672, r"policy_index is out of range at position 3"),
        ("policy_index", (3, 0), -1, r"policy_index is out of range at position 3"),
        ("policy_prob", (2, 0), np.nan, r"policy_prob is out of range at position 2"),
        ("policy_prob", (2, 0), 2.0, r"policy_prob \(sum\) is out of range at position 2"),
        ("wdl_target", (1, 0), 2.0, r"wdl_target \(sum\) is out of range at position 1"),
        ("wdl_target", (1, slice(None)), [-1, 1, 1], r"wdl_target is out of range at position 1"),
        ("policy_weight", 4, np.inf, r"policy_weight is out of range at position 4"),
        ("value_weight", 4, -1, r"value_weight is out of range at position 4"),
        ("value_weight", slice(None), 0, r"value_weight is zero everywhere"),
        ("num_moves", 0, 0, r"num_moves must lie in 1\.\.224"),
        ("num_moves", 0, 225, r"num_moves must lie in 1\.\.224"),
    ],
)
def test_a_number_out_of_range_is_named(
    batch: Batch, field: str, row: object, value: object, message: str
) -> None:
    array = getattr(batch, field).copy()
    array[row] = value
    with pytest.raises(ReplayError, match=message):
        replace(batch, **{field: array}).validate()


def test_a_batch_may_teach_no_policy_at_all(batch: Batch) -> None:
    replace(batch, policy_weight=np.zeros(5, np.float32)).validate()


def test_another_shape_or_dtype_is_named(batch: Batch) -> None:
    with pytest.raises(ReplayError, match=r"value_weight is float64\[5\], expected float32\[5\]"):
        replace(batch, value_weight=batch.value_weight.astype(np.float64)).validate()
    with pytest.raises(ReplayError, match=r"wdl_target is float32\[4, 3\], expected"):
        replace(batch, wdl_target=batch.wdl_target[:4]).validate()
