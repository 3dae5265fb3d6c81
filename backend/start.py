"""A run that starts from a network that is there: imported, supervised, or the best of another run.

The network becomes step 0 of the new run, with its provenance in the manifest. So it is the best
network at once, self-play begins with it, training goes on from its averaged weights with new
moments, and an anchor finds it there: the first checkpoint is never removed. No torch in here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backend import checkpoints
from backend.checkpoints import Manifest
from backend.errors import CheckpointError, RunDirectoryError
from backend.rundir import RunDirectory

START: Final = "start"
"""In the data position of step 0: where its network is from; absent where the run began anew."""
PRIOR_HASH: Final = "prior"
"""In the data position of the others: SHA-256 of the averaged weights they are anchored to."""

_FIRST: Final = checkpoints.checkpoint_name(0)
_EMA: Final = "ema.safetensors"
_OFF: Final = "or set training.anchor_weight = 0"


@dataclass(frozen=True)
class Start:
    """The network that a run started from."""

    path: Path
    """Its checkpoint in the run."""
    sha256: str
    """Of its averaged weights."""


def provenance(path: Path, manifest: Manifest) -> dict[str, Any]:
    """What step 0 says of the checkpoint at `path`, which its network is from."""
    return {
        "network": str(path.absolute()),
        "step": manifest.step,
        "sha256": manifest.files[_EMA].sha256,
    }


def start_from(source: Path, run: RunDirectory) -> None:
    """Makes the averaged network of checkpoint `source` step 0 of `run`, whose lock is held.

    RunDirectoryError where it has another beginning; CheckpointError where the source is unfit.
    """
    if checkpoints.list_checkpoints(run.checkpoints):
        raise RunDirectoryError(
            f"{run.path}: has checkpoints already, not from {source}; --from begins a new run: "
            "choose another --run"
        )
    loaded = checkpoints.load(source, parts=("ema", "optimizer"))
    moments_apart = {k: v for k, v in loaded.optimizer.items() if k.startswith("rng.")}
    checkpoints.save(
        run.checkpoints,
        step=0,
        model=loaded.manifest.model,
        parts={"model": loaded.ema, "ema": loaded.ema, "optimizer": moments_apart},
        data_position={
            START: provenance(source, loaded.manifest),
            checkpoints.SAVED_BECAUSE: "initial",
        },
        trainer={"num_samples": 0},
        metrics=loaded.manifest.metrics,
        versions={k: v for k, v in loaded.manifest.versions.items() if k == "torch"},
    )


def start_in_words(manifest: Manifest) -> str:
    """Where the network of a first checkpoint is from; empty where the run began anew."""
    said = manifest.data_position.get(START)
    if not isinstance(said, dict):
        return ""
    return f"from {said.get('network')}, SHA-256 {str(said.get('sha256'))[:16]}"


def starting_network(run: RunDirectory, anchor_weight: float) -> Start:
    """The network that `run` started from, for an anchor of this weight.

    CheckpointError where the run began anew, or where that network is gone or damaged.
    """
    path = run.checkpoints / _FIRST
    anchored = f"training.anchor_weight = {anchor_weight:g}"
    names = checkpoints.list_checkpoints(run.checkpoints)
    if names and _FIRST not in names:
        raise CheckpointError(
            f"{path}: gone, but {anchored} holds training to it; put it back, {_OFF}"
        )
    manifest = checkpoints.read_manifest(path) if names else None
    if manifest is None or START not in manifest.data_position:
        raise CheckpointError(
            f"{run.path}: {anchored} needs a network to hold to, and this run began anew; start "
            f"one with matrix0-tui --from NETWORK --run NEW, {_OFF}"
        )
    return Start(path, manifest.files[_EMA].sha256)


def require_same(start: Start, before: str) -> None:
    """CheckpointError unless training was anchored to `start` before, or (empty) to nothing."""
    if before not in ("", start.sha256):
        raise CheckpointError(
            f"{start.path}: training was anchored to a network with SHA-256 {before[:16]}, this "
            f"one has {start.sha256[:16]}; put that back, {_OFF}"
        )


def is_started_from(run: RunDirectory, source: Manifest) -> bool:
    """Whether this network is the one that `run` started from."""
    path = run.checkpoints / _FIRST
    if not path.is_dir():
        return False
    said = checkpoints.read_manifest(path).data_position.get(START)
    return isinstance(said, dict) and said.get("sha256") == source.files[_EMA].sha256
