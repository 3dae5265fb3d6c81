"""Which network plays: the one that is named, the best of a run, the newest best of all runs."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from backend import checkpoints
from backend.config import DeviceConfig
from backend.engine.network import find_network, make_ready
from backend.errors import CheckpointError
from backend.inference.front import Inference
from backend.inference.positions import list_moves, sample_positions
from backend.store.store import Store
from tests.backend.test_checkpoints import save
from tests.backend.test_training import make_trainer


async def _run(runs: Path, name: str, *steps: int, best: str = "") -> Path:
    """A run with these checkpoints, the newest written last."""
    for step in steps:
        save(runs / name / "checkpoints", step)
    store = await Store.open(runs / name / "matrix0.db")
    await store.close()
    if best:
        with closing(sqlite3.connect(runs / name / "matrix0.db")) as database:
            database.execute("INSERT INTO meta (key, value) VALUES ('best', ?)", (best,))
            database.commit()
    return runs / name


async def test_a_run_means_its_best_network(tmp_path: Path) -> None:
    run = await _run(tmp_path, "one", 1, 2, 3, best="step-00000002")
    found = find_network(run)
    assert found.path == run / "checkpoints" / "step-00000002"
    assert found.reason == "the best of run one"


async def test_a_run_without_a_best_one_means_its_newest_and_says_so(tmp_path: Path) -> None:
    run = await _run(tmp_path, "one", 1, 2)
    found = find_network(run)
    assert found.path.name == "step-00000002"
    assert "no best network" in found.reason


def test_a_checkpoint_means_itself(tmp_path: Path) -> None:
    path = save(tmp_path, 7)
    assert find_network(path).path == path


async def test_nothing_named_means_the_best_that_was_made_last(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old", "older")):
        run = await _run(tmp_path, name, 1, best="step-00000001")
        manifest = run / "checkpoints" / "step-00000001" / checkpoints.MANIFEST
        os.utime(manifest, (1e9 - age, 1e9 - age))
    assert find_network(None, tmp_path).path.parents[1].name == "new"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run with a checkpoint"):
        find_network(None, tmp_path / "runs")
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a run"):
        find_network(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        find_network(tmp_path)


def test_a_network_from_the_shelf_answers_as_torch_does(tmp_path: Path) -> None:
    checkpoint = make_trainer().save(tmp_path / "checkpoints")
    reference = Inference.load(checkpoint, DeviceConfig(kind="cpu"))
    positions = sample_positions(None, 12, seed=1)
    move_index, num_moves = list_moves(positions, reference.orientation)
    wanted = reference(positions, move_index, num_moves)
    for _ in range(2):  # The second time from the files.
        ready = make_ready(checkpoint, threads=1, leaves=12)
        for count in (1, 5, 12):
            found = ready.evaluate(positions[:count], move_index[:count], num_moves[:count])
            for ours, theirs in zip(found, wanted, strict=True):
                np.testing.assert_allclose(ours, theirs[:count], atol=2e-4)
