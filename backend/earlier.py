"""Checkpoints of the earlier program: one becomes the first checkpoint of a run.

They are pickles. torch reads them with an unpickler that knows tensors and plain containers only,
so nothing in them is run, and what they hold is checked key by key (`model/legacy.py`).
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Literal

import torch

from backend import checkpoints
from backend.config import Config, DeviceConfig
from backend.device import choose_device
from backend.errors import CheckpointError, RunDirectoryError
from backend.rundir import RunDirectory
from backend.training.trainer import Trainer
from model.config import ModelConfig
from model.legacy import EarlierWeights, take_weights

Source = Literal["averaged", "raw"]

_AVERAGED: Final = "model_ema"
_RAW: Final = ("model_state_dict", "model")
"""Keys of the container; every vintage has the first of these, some have the second as well."""

_UNREADABLE: Final = (
    UnpicklingError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
)
"""What torch raises for files that are no checkpoints, or cut ones."""


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


def read_earlier(path: Path, additions: ModelConfig, *, raw: bool) -> EarlierCheckpoint:
    """Reads `path`; the averaged weights where it has them, unless `raw` is asked for.

    `additions`: as in `take_weights`. CheckpointError says why a file is refused.
    """
    container = _load(path)
    source, state = _state_dict(container, path, raw=raw)
    try:
        weights = take_weights(state, additions)
    except ValueError as error:
        hint = "; --raw takes those as trained" if source == "averaged" else ""
        raise CheckpointError(f"{path}: {source} weights: {error}{hint}") from error
    step = container.get("global_step")
    return EarlierCheckpoint(
        weights=weights, source=source, step=step if isinstance(step, int) and step > 0 else 0
    )


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


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with warnings.catch_warnings():
            # Of other versions of pickle; what cannot be read is refused below.
            warnings.simplefilter("ignore", UserWarning)
            container = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _UNREADABLE as error:
        # torch explains itself over many lines, with advice to run what is in the file.
        raise CheckpointError(
            f"{path}: not a checkpoint of tensors and plain values, or not a whole one "
            f"({type(error).__name__})"
        ) from error
    if not isinstance(container, Mapping):
        raise CheckpointError(f"{path}: holds a {type(container).__name__}, not a checkpoint")
    return container


def _state_dict(
    container: Mapping[str, Any], path: Path, *, raw: bool
) -> tuple[Source, Mapping[Any, Any]]:
    averaged = container.get(_AVERAGED)
    if averaged is not None and not raw:
        return "averaged", _mapping(averaged, _AVERAGED, path)
    for key in _RAW:
        if key in container:
            return "raw", _mapping(container[key], key, path)
    keys = ", ".join(repr(str(key)) for key in list(container)[:3])
    raise CheckpointError(f"{path}: no {_RAW[0]!r} among its keys ({keys}, …)")


def _mapping(state: object, key: str, path: Path) -> Mapping[Any, Any]:
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: {key!r} is a {type(state).__name__}, not a state dict")
    return state
