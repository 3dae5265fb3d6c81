"""Which network plays, and making it ready to judge.

On a CPU it is computed by OpenVINO in float32 where that is installed: several times as fast as
torch, with the same answers, and ready without measuring anything.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from backend.checkpoints import MANIFEST, list_checkpoints
from backend.config import DeviceConfig
from backend.errors import CheckpointError, RunDirectoryError
from backend.rundir import RunDirectory
from backend.search.evaluator import MOVE_SLOTS, Evaluate
from backend.store.reading import best_network
from model.config import Orientation
from model.encoding.moves import policy_indices
from model.rules import MAX_LEGAL_MOVES, legal_moves, start_position

RUNS: Final = Path("runs")
"""Where runs are looked for when no network is named."""


@dataclass(frozen=True)
class Found:
    """A checkpoint directory, and why it is this one."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Ready:
    """A network that judges positions."""

    evaluate: Evaluate
    orientation: Orientation
    words: str
    """What computes it."""


def find_network(asked: Path | None, runs: Path = RUNS) -> Found:
    """The checkpoint that is meant: a checkpoint directory, a run (its best), or the newest best.

    CheckpointError says what was looked for and is not there.
    """
    if asked is None:
        return _newest_best(runs)
    if (asked / MANIFEST).is_file():
        return Found(asked, "as asked")
    if (asked / "checkpoints").is_dir():
        return _of_run(asked)
    raise CheckpointError(f"{asked}: neither a checkpoint nor a run directory")


def make_ready(checkpoint: Path, *, threads: int, leaves: int) -> Ready:
    """Load the network that plays and judge one position, so that the next one is fast."""
    from backend.device import choose_device
    from backend.inference.candidates import Candidate, Workshop, has_openvino
    from backend.inference.front import Inference
    from backend.weights import load_network

    net = load_network(checkpoint)
    device = choose_device(DeviceConfig(threads=threads))
    runtime = None
    words = f"torch {device.inference_precision} on {device.kind}"
    if device.kind == "cpu" and has_openvino():
        none = np.zeros((0, 8), np.uint64)
        workshop = Workshop(net, device, batch=leaves, calibration=none)
        runtime = workshop.make(Candidate("openvino", "float32"))
        words = "openvino float32 on cpu"
    inference = Inference(net, device, runtime)
    orientation = net.config.orientation
    _judge_once(inference, orientation, leaves)
    return Ready(inference, orientation, words)


def _judge_once(evaluate: Evaluate, orientation: Orientation, leaves: int) -> None:
    """One batch of each size that a small tree asks for first: some are compiled when needed."""
    position = start_position()
    moves = np.zeros(MAX_LEGAL_MOVES, np.uint16)
    count = int(legal_moves(position, moves))
    index = np.zeros(MOVE_SLOTS, np.int16)
    policy_indices(position, moves[:count], count, orientation == "mover", index)
    size = leaves
    while size >= 1:
        evaluate(
            np.repeat(position[None], size, 0),
            np.repeat(index[None], size, 0),
            np.full(size, count, np.int16),
        )
        size //= 2


def _newest_best(runs: Path) -> Found:
    """Of the best networks of all runs the one that was made last."""
    found = []
    if runs.is_dir():
        for run in sorted(runs.iterdir()):
            if (run / "checkpoints").is_dir() and list_checkpoints(run / "checkpoints"):
                one = _of_run(run)
                found.append(((one.path / MANIFEST).stat().st_mtime, one))
    if not found:
        raise CheckpointError(
            f"no network: no run with a checkpoint in {runs.absolute()}; "
            "name a run or a checkpoint directory with the option Network"
        )
    return max(found, key=lambda pair: pair[0])[1]


def _of_run(run: Path) -> Found:
    directory = RunDirectory(run)
    names = list_checkpoints(directory.checkpoints)
    if not names:
        raise CheckpointError(f"{directory.checkpoints}: no checkpoint yet")
    try:
        best = best_network(directory.database)
    except (RunDirectoryError, sqlite3.Error):
        best = ""
    if best in names:
        return Found(directory.checkpoints / best, f"the best of run {directory.name}")
    reason = f"the newest of run {directory.name}, which has no best network"
    return Found(directory.checkpoints / names[-1], reason)
