"""A shard and a manifest cut to every length they can have: none is taken for whole."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from backend import checkpoints
from backend.errors import CheckpointError, ReplayError
from backend.replay.shards import read_shard, write_shard
from tests.backend.fakes.worker import random_game
from tests.faults.power_cuts import IN_MEMORY
from tests.faults.workload import CONFIG


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory: thousands of small files are written over."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY or tmp_path) as name:
        yield Path(name)


def test_a_shard_of_any_shorter_length_is_refused(place: Path) -> None:
    games = [random_game(Random(1))]
    path = write_shard(place, "sp", 0, games, producer="", network="", orientation="white").path
    content = path.read_bytes()
    assert read_shard(path).num_games == 1
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ReplayError, match="damaged"):
            read_shard(path)


def test_a_manifest_of_any_shorter_length_is_refused(place: Path) -> None:
    arrays = {"weights": np.zeros(4, np.float32)}
    parts = {"model": arrays, "ema": arrays, "optimizer": arrays}
    path = checkpoints.save(place, step=1, model=CONFIG.model, parts=parts)
    manifest = path / checkpoints.MANIFEST
    content = manifest.read_bytes()
    for length in range(len(content)):
        manifest.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"manifest\.json: damaged"):
            checkpoints.read_manifest(path)
    manifest.write_bytes(content)
    checkpoints.verify(path)
