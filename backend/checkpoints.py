"""Checkpoints: directories `step-00001500/` that are whole, verified and free of pickle.

    model.safetensors      weights and BatchNorm statistics as trained
    ema.safetensors        their moving average: the network that plays
    optimizer.safetensors  moments of AdamW, states of random generators
    manifest.json          what it is, where it came from, SHA-256 of the others and of itself

Arrays are numpy here, so that the supervisor can list, verify and prune without torch;
`backend/weights.py` turns them into networks. Nothing is trusted before its hash is checked, and a
checkpoint with a number that is not finite is neither written nor read.
"""

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from backend.commit import AddFile, commit_directory, make_directory, remove_directory
from backend.errors import CheckpointError, NewerCheckpointError, NonFiniteStateError
from backend.filesystem import OS, FileSystem
from model.config import ModelConfig

Part = Literal["model", "ema", "optimizer"]
Arrays = dict[str, NDArray[Any]]

PARTS: Final[tuple[Part, ...]] = ("model", "ema", "optimizer")
MANIFEST: Final = "manifest.json"
SCHEMA: Final = 1
SAVED_BECAUSE: Final = "saved_because"
"""Key of the data position: the reason, as in `CheckpointSaved`."""
_LATER_OPTIONS: Final = {f.name: False for f in fields(ModelConfig) if f.default is False}
"""Parts of a network that manifests from before them do not name: they are off by default."""
_NAME: Final = re.compile(r"step-(\d{8,})")


class FileRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    size: int
    """Bytes."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkpoint says about itself."""

    schema: int = SCHEMA
    step: int
    """Optimiser steps behind these weights."""
    parent: str = ""
    """The checkpoint this one was trained on from; empty for a fresh start."""
    model: ModelConfig
    data_position: dict[str, Any] = {}
    """Where the sampler stands, in its own words."""
    trainer: dict[str, float | str] = {}
    """Counters of the trainer, for example samples seen, and what it measured and chose."""
    metrics: dict[str, float] = {}
    versions: dict[str, str] = {}
    """Libraries that wrote it."""
    files: dict[str, FileRecord]


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A verified checkpoint in memory. Parts that were not asked for are empty."""

    path: Path
    manifest: Manifest
    model: Arrays
    ema: Arrays
    optimizer: Arrays

    @property
    def name(self) -> str:
        return self.path.name


def saved_because(manifest: Manifest, steps_per_cycle: int) -> str:
    """Why it was saved: as it says itself, else as its step tells."""
    if SAVED_BECAUSE in manifest.data_position:
        return str(manifest.data_position[SAVED_BECAUSE])
    if manifest.step == 0:
        return "initial"
    return "requested" if manifest.step % steps_per_cycle else "cycle"


def checkpoint_name(step: int) -> str:
    """step-00001500"""
    return f"step-{step:08d}"


def checkpoint_step(name: str) -> int | None:
    """The step of a checkpoint's name; None for other names, also those of interrupted commits."""
    match = _NAME.fullmatch(name)
    return int(match.group(1)) if match else None


def save(
    root: Path,
    *,
    step: int,
    model: ModelConfig,
    parts: Mapping[Part, Arrays],
    parent: str = "",
    data_position: Mapping[str, Any] | None = None,
    trainer: Mapping[str, float | str] | None = None,
    metrics: Mapping[str, float] | None = None,
    versions: Mapping[str, str] | None = None,
    fs: FileSystem = OS,
) -> Path:
    """Commits a checkpoint under `root` and returns its directory.

    NonFiniteStateError when a number is none; the errors of `backend.commit` when the disk fails.
    """
    name = checkpoint_name(step)
    for part in PARTS:
        if bad := _not_finite(parts[part]):
            raise NonFiniteStateError(f"{name}, not written: {part}: {bad}")
    for label, values in (("trainer", trainer or {}), ("metrics", metrics or {})):
        for key, number in values.items():
            if isinstance(number, float) and not math.isfinite(number):
                raise NonFiniteStateError(f"{name}, not written: {label} {key!r} = {number!r}")

    def fill(add: AddFile) -> None:
        files = {}
        for part in PARTS:
            content = safetensors.numpy.save(parts[part])
            files[_file(part)] = FileRecord(sha256=add(_file(part), content), size=len(content))
        manifest = Manifest(
            step=step,
            parent=parent,
            model=model,
            data_position=dict(data_position or {}),
            trainer=dict(trainer or {}),
            metrics=dict(metrics or {}),
            versions={
                "safetensors": safetensors.__version__,
                "numpy": np.__version__,
                **(versions or {}),
            },
            files=files,
        )
        add(MANIFEST, _text(_document(manifest)))

    make_directory(root, fs=fs)
    return commit_directory(root / name, fill, fs=fs)


def load(path: Path, parts: Collection[Part] = PARTS) -> Checkpoint:
    """Reads `parts` of the checkpoint at `path`; every byte that is used has been verified.

    CheckpointError names the file that is missing, damaged or not what the manifest says.
    """
    manifest = read_manifest(path)
    arrays: dict[Part, Arrays] = {part: {} for part in PARTS}
    for part in parts:
        file = path / _file(part)
        content = _read_verified(file, manifest)
        try:
            arrays[part] = safetensors.numpy.load(content)
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            raise CheckpointError(f"{file}: not a safetensors file: {error}") from error
        if bad := _not_finite(arrays[part]):
            raise CheckpointError(f"{file}: {bad}")
    return Checkpoint(path=path, manifest=manifest, **arrays)


def read_manifest(path: Path) -> Manifest:
    """The verified manifest of the checkpoint directory `path`; CheckpointError if it is unfit."""
    file = path / MANIFEST
    content = _read(file)
    try:
        document = json.loads(content)
        claimed = document.pop("checksum")
        # Comparing the whole text also catches damage that parses to the same values.
        is_whole = claimed == _checksum(document) and content == _text(document)
        schema = document["schema"]
        if is_whole and isinstance(schema, int) and schema > SCHEMA:
            raise NewerCheckpointError(
                f"{file}: schema {schema} was made by a newer Matrix0; this one knows {SCHEMA}"
            )
        manifest = msgspec.convert(document, Manifest, strict=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file}: damaged or not a manifest: {error}") from error
    if not is_whole:
        raise CheckpointError(f"{file}: damaged: its checksum does not fit its content")
    if manifest.schema != SCHEMA:
        raise CheckpointError(f"{file}: schema {manifest.schema!r}, this program reads {SCHEMA}")
    # A network from before an option existed lacks the option; those that came later are off.
    document["model"] = {**_LATER_OPTIONS, **document["model"]}
    if _document(manifest) != document:
        raise CheckpointError(f"{file}: lacks settings or has unknown ones; another version's?")
    if set(manifest.files) != {_file(part) for part in PARTS}:
        raise CheckpointError(f"{file}: lists {sorted(manifest.files)!r}")
    if checkpoint_step(path.name) not in (None, manifest.step):
        raise CheckpointError(f"{file}: says step {manifest.step}, its directory {path.name!r}")
    return manifest


def verify(path: Path) -> Manifest:
    """Reads and hashes all of the checkpoint; CheckpointError names the first that is unfit."""
    return load(path).manifest


def list_checkpoints(root: Path) -> list[str]:
    """Names of committed checkpoints, oldest first. They are not verified here."""
    if not root.is_dir():
        return []
    steps = {
        entry.name: step
        for entry in root.iterdir()
        if (step := checkpoint_step(entry.name)) is not None and entry.is_dir()
    }
    return sorted(steps, key=steps.__getitem__)


def newest_valid(root: Path) -> tuple[Path | None, list[CheckpointError]]:
    """The newest checkpoint that verifies, or None; and what is wrong with the newer ones."""
    faults = []
    for name in reversed(list_checkpoints(root)):
        try:
            verify(root / name)
        except CheckpointError as error:
            faults.append(error)
        else:
            return root / name, faults
    return None, faults


def is_mark(step: int, every: int) -> bool:
    """Whether a checkpoint is kept for good as one of each `every` steps; 0: none is."""
    return every > 0 and step % every == 0


def prune(
    root: Path,
    *,
    keep_last: int,
    keep: Collection[str] = (),
    keep_every: int = 0,
    fs: FileSystem = OS,
) -> list[str]:
    """Removes all but the newest `keep_last`, the first, each `keep_every` steps, and `keep`."""
    names = list_checkpoints(root)
    marks = [name for name in names if is_mark(checkpoint_step(name) or 0, keep_every)]
    kept = {*names[-keep_last:], *names[:1], *marks, *keep}
    removed = [name for name in names if name not in kept]
    for name in removed:
        remove_directory(root / name, fs=fs)
    return removed


def _file(part: Part) -> str:
    return f"{part}.safetensors"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error.strerror}") from error


def _read_verified(file: Path, manifest: Manifest) -> bytes:
    content = _read(file)
    record = manifest.files[file.name]
    if len(content) != record.size:
        raise CheckpointError(
            f"{file}: damaged: {len(content)} bytes, the manifest says {record.size}"
        )
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise CheckpointError(f"{file}: damaged: its SHA-256 is not the manifest's")
    return content


def _not_finite(arrays: Arrays) -> str:
    """What to say of an array with a number that is none; empty where all are finite."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{name!r} holds a number that is not finite"
    return ""


def _document(manifest: Manifest) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(manifest)
    # msgspec leaves out the fields of a dataclass that its own decoder took from their defaults.
    document["model"] = asdict(manifest.model)
    return document


def _checksum(document: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(document)).hexdigest()


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode()


def _text(document: dict[str, Any]) -> bytes:
    """The manifest file: the document and, under "checksum", the SHA-256 of the rest."""
    return _canonical({**document, "checksum": _checksum(document)}) + b"\n"
