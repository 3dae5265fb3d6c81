"""Which network plays, and making it ready to judge.

On a CPU it is computed by OpenVINO in float32 where that is installed: several times as fast as
torch, with the same answers, and ready without measuring anything. From the second start on torch
is not even loaded (shelf.py).
"""

import sqlite3
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.checkpoints import MANIFEST, list_checkpoints, read_manifest
from backend.config import DeviceConfig
from backend.engine.shelf import place_for, put, take
from backend.errors import CheckpointError, RunDirectoryError
from backend.rundir import RunDirectory
from backend.search.evaluator import MOVE_SLOTS, Evaluate
from backend.store.reading import best_network
from model.config import ModelConfig, Orientation
from model.encoding.moves import policy_indices
from model.rules import MAX_LEGAL_MOVES, legal_moves, start_position

RUNS: Final = Path("runs")
"""Where runs are looked for when no network is named."""
_NVIDIA: Final = Path("/proc/driver/nvidia/version")
"""Where it is there, torch has to say whether a GPU can be used."""
_MIDDLE: Final = 8
"""Between single positions and full batches: small trees ask for few at a time."""


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
    """The network that plays; the next position is judged at full speed.

    CheckpointError when the checkpoint is unfit, DeviceError when it cannot be computed here.
    """
    manifest = read_manifest(checkpoint)
    sizes = sorted({1, min(_MIDDLE, leaves), leaves})
    place = (
        None if find_spec("openvino") is None or _NVIDIA.exists() else place_for(manifest, sizes)
    )
    if place is not None and not place.is_dir():
        place = _shelve(checkpoint, place, sizes)
    if place is None:
        return _by_torch(checkpoint, threads)
    evaluate = _Shelved(place, sizes, manifest.model, threads)
    _judge_once(evaluate, manifest.model.orientation, sizes)
    return Ready(evaluate, manifest.model.orientation, "OpenVINO float32 on the CPU")


class _Shelved:
    """An evaluator from graphs on disk; see `backend.search.evaluator.Evaluate`."""

    def __init__(self, place: Path, sizes: list[int], config: ModelConfig, threads: int) -> None:
        from backend.inference.openvino_runtime import OpenVinoRuntime

        self._runtime = OpenVinoRuntime(
            lambda size: take(place, size),
            config,
            batch=sizes[-1],
            floats="float32",
            threads=threads,
            sizes=sizes,
        )

    def __call__(
        self,
        positions: NDArray[np.uint64],
        move_index: NDArray[np.int16],
        num_moves: NDArray[np.int16],
        /,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self._runtime.load(positions)
        logits = np.zeros(move_index.shape, np.float32)
        return logits, self._runtime.run(move_index, num_moves, logits)


def _shelve(checkpoint: Path, place: Path, sizes: list[int]) -> Path | None:
    """Build the graphs, with torch, for this start and all later ones; None on a GPU."""
    from backend.device import choose_device
    from backend.inference.folding import fold_batch_norm
    from backend.inference.openvino_graph import build_graph
    from backend.weights import load_network

    if choose_device(DeviceConfig()).kind != "cpu":
        return None
    folded = fold_batch_norm(load_network(checkpoint))
    put(place, sizes, lambda size: build_graph(folded, size))
    return place


def _by_torch(checkpoint: Path, threads: int) -> Ready:
    from backend.device import choose_device
    from backend.inference.front import Inference
    from backend.weights import load_network

    net = load_network(checkpoint)
    device = choose_device(DeviceConfig(threads=threads))
    inference = Inference(net, device)
    _judge_once(inference, net.config.orientation, [1])
    words = f"torch {device.inference_precision} on {device.kind}"
    return Ready(inference, net.config.orientation, words)


def _judge_once(evaluate: Evaluate, orientation: Orientation, sizes: list[int]) -> None:
    """A batch of each size: what is compiled when it is first needed is compiled now."""
    position = start_position()
    moves = np.zeros(MAX_LEGAL_MOVES, np.uint16)
    count = int(legal_moves(position, moves))
    index = np.zeros(MOVE_SLOTS, np.int16)
    policy_indices(position, moves[:count], count, orientation == "mover", index)
    for size in sizes:
        evaluate(
            np.repeat(position[None], size, 0),
            np.repeat(index[None], size, 0),
            np.full(size, count, np.int16),
        )


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
