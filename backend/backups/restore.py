"""Brings a run back from a backup, file by file, each verified on the way."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from backend.backups.manifest import (
    FILES,
    Manifest,
    StoredFile,
    list_backups,
    read_manifest,
    run_of,
)
from backend.commit import Writer, commit_file, make_directory
from backend.errors import BackupError
from backend.rundir import RunDirectory

_CHUNK: Final = 1 << 20
_LAST: Final = "config.toml"
"""With it the directory is a run; before it, it is not."""

State = Literal["whole", "damaged", "missing"]


@dataclass(frozen=True, kw_only=True)
class Restored:
    manifest: Manifest
    path: Path
    """The manifest's."""
    states: dict[str, State]
    """Of every file of the run, by its path."""

    @property
    def faults(self) -> dict[str, State]:
        return {name: state for name, state in self.states.items() if state != "whole"}


def find_backup(path: Path) -> Path:
    """The manifest that is meant: `path` itself, or the newest one in the folder `path`.

    BackupError where a folder holds none, or those of several runs.
    """
    if not path.is_dir():
        return path
    newest = {run_of(found): found for found in list_backups(path)}
    if not newest:
        raise BackupError(f"{path}: there is no backup in this folder")
    if len(newest) > 1:
        known = ", ".join(f"{run} (newest: {newest[run]})" for run in sorted(newest))
        raise BackupError(f"{path}: holds backups of {len(newest)} runs; name one: {known}")
    return next(iter(newest.values()))


def check(path: Path) -> Restored:
    """What restoring would find; nothing is written. BackupError when the manifest is unfit."""
    manifest = read_manifest(path)
    files = path.parent / FILES
    states = {name: _state(files / file.sha256, file) for name, file in manifest.files.items()}
    return Restored(manifest=manifest, path=path, states=states)


def restore(path: Path, run: RunDirectory) -> Restored:
    """Makes the run from the backup at `path`; what is damaged is left out and said.

    BackupError when the manifest is unfit or something is in the way.
    """
    manifest = read_manifest(path)
    if run.path.exists() and any(run.path.iterdir()):
        raise BackupError(f"{run.path}: is not empty; restore into a directory that is not there")
    run.create()
    states: dict[str, State] = {}
    for name in sorted(manifest.files, key=lambda name: (name == _LAST, name)):
        file = manifest.files[name]
        source = path.parent / FILES / file.sha256
        states[name] = _state(source, file)
        if states[name] == "whole":
            target = run.path / name
            make_directory(target.parent)
            committed = commit_file(target, partial(_copy, source))
            if committed.sha256 != file.sha256:  # It changed under our hands.
                target.unlink()
                states[name] = "damaged"
    return Restored(manifest=manifest, path=path, states=states)


def _state(source: Path, file: StoredFile) -> State:
    try:
        with source.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return "missing"
    return "whole" if digest == file.sha256 else "damaged"


def _copy(source: Path, writer: Writer) -> None:
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            writer.write(chunk)
