"""Checkpoints of the earlier program: one becomes the first checkpoint of a run.

They are pickles, which another process reads (`unpickling.py`): here arrive tensors only, and what
they are is checked key by key (`model/legacy.py`).
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from backend import checkpoints
from backend.config import Config, DeviceConfig
from backend.device import choose_device
from backend.errors import CheckpointError, ExitCode, RunDirectoryError
from backend.limits_config import LIMITS, LimitsConfig
from backend.processes import child_environment
from backend.rundir import RunDirectory
from backend.training.trainer import Trainer
from backend.unpickling import Source
from model.config import ModelConfig
from model.legacy import EarlierWeights, take_weights


@dataclass(frozen=True, kw_only=True)
class EarlierCheckpoint:
    """A file of the earlier program, read and found whole."""

    weights: EarlierWeights
    source: Source
    """Whether the weights are its moving average or as trained."""
    step: int
    """Optimiser steps that it says are behind them; 0 when it does not say."""


@dataclass(frozen=True, kw_only=True)
class ImportedCheckpoint:
    """What became of it."""

    path: Path
    """The checkpoint that was committed."""
    fresh: list[str]
    """Parts of our network that it had no weights for, initialised anew."""


def read_earlier(
    path: Path, additions: ModelConfig, *, raw: bool, limits: LimitsConfig = LIMITS
) -> EarlierCheckpoint:
    """Reads `path`; the averaged weights where it has them, unless `raw` is asked for.

    `additions`: as in `take_weights`. CheckpointError says why a file is refused.
    """
    _checked_size(path, limits)
    with tempfile.TemporaryDirectory(prefix="matrix0-import-") as folder:
        out = Path(folder) / "weights.safetensors"
        convert_apart(path, out, raw=raw, limits=limits)
        source, step, state = _read_back(out)
        try:
            weights = take_weights(state, additions)
        except ValueError as error:
            hint = "; --raw takes those as trained" if source == "averaged" else ""
            raise CheckpointError(f"{path}: {source} weights: {error}{hint}") from error
    return EarlierCheckpoint(weights=weights, source=source, step=step)


def commit_earlier(
    earlier: EarlierCheckpoint, run: RunDirectory, config: Config
) -> ImportedCheckpoint:
    """The network as step 0 of `run`, whose lock the caller holds and which keeps `config`.

    RunDirectoryError when the run is for another network or has checkpoints already.
    """
    if config.model != earlier.weights.config:
        raise RunDirectoryError(f"{run.path}: made for another network; choose a new --run")
    if checkpoints.list_checkpoints(run.checkpoints):
        raise RunDirectoryError(f"{run.path}: has checkpoints already; choose a new --run")
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        choose_device(DeviceConfig(kind="cpu")),
        seed=config.seed,
    )
    for net in (trainer.net, trainer.ema):
        missing = net.load_state_dict(earlier.weights.tensors, strict=False).missing_keys
    path = trainer.save(run.checkpoints, metrics={"earlier_step": float(earlier.step)})
    return ImportedCheckpoint(path=path, fresh=sorted({name.split(".")[0] for name in missing}))


def convert_apart(path: Path, out: Path, *, raw: bool, limits: LimitsConfig) -> None:
    """`unpickling.convert` in a process of its own. CheckpointError says why a file is refused."""
    tensors, memory = limits.checkpoint_gib * 2**30, limits.checkpoint_memory_gib * 2**30
    code = "import matrix0, backend.unpickling; backend.unpickling.main()"
    words = [str(path), str(out), "raw" if raw else "averaged", f"{memory:.0f}", f"{tensors:.0f}"]
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # The reason is on stdout; torch explains itself at length.
            env=child_environment(),
            timeout=limits.checkpoint_s,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(
            f"{path}: not read within {limits.checkpoint_s:.0f} s ([limits] checkpoint_s)"
        ) from error
    if done.returncode == ExitCode.BAD_DATA:
        raise CheckpointError(str(json.loads(done.stdout)))
    if done.returncode:
        raise CheckpointError(
            f"{path}: the process that reads it ended with {done.returncode}: the file is "
            "broken, or needs more memory than [limits] checkpoint_memory_gib"
        )


def _checked_size(path: Path, limits: LimitsConfig) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not path.is_file():
        raise CheckpointError(f"{path}: not a file")
    if size > limits.checkpoint_gib * 2**30:
        raise CheckpointError(
            f"{path}: {size / 2**30:.1f} GiB, more than [limits] checkpoint_gib = "
            f"{limits.checkpoint_gib:g}"
        )


def _read_back(out: Path) -> tuple[Source, int, dict[str, Tensor]]:
    with safe_open(out, "pt") as file:
        said = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    return ("averaged" if said["source"] == "averaged" else "raw"), int(said["step"]), tensors
