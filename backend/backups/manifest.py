"""What a backup holds: one checked JSON file, and the files themselves under their SHA-256.

<folder>/<run>-<time>.json        a backup: every path of the run, with its hash
<folder>/files/<sha256>           what several backups have in common is there once
"""

import hashlib
import re
from pathlib import Path
from typing import Final

import msgspec

from backend.commit import commit_file
from backend.errors import BackupError

SCHEMA: Final = 1
FILES: Final = "files"
_PATH: Final = re.compile(
    r"(config\.toml|preset|matrix0\.db|(journal|metrics)\.jsonl"
    r"|(replay|imported|rescored|games)/[A-Za-z0-9][\w.+-]*|checkpoints/step-\d{8,}/[a-z]+\.(safetensors|json))"
)
"""All that a run may have; a backup of a stranger can write nowhere else."""
_NAME: Final = re.compile(
    r"(?P<run>[a-z0-9][a-z0-9._-]*?)-(?P<time>\d{8}-\d{6})(-(?P<number>\d+))?\.json"
)


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    size: int
    """Bytes."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int = SCHEMA
    run: str
    """Name of the run."""
    created: float
    """Wall clock, seconds since 1970."""
    shards: int
    games: int
    """Admitted, as the database of this backup says."""
    best: str
    files: dict[str, StoredFile]
    """By their path in the run directory."""


def write_manifest(path: Path, manifest: Manifest) -> None:
    commit_file(path, _text(msgspec.to_builtins(manifest)))


def read_manifest(path: Path) -> Manifest:
    """BackupError when it is damaged, newer than us, or names a path that no run has."""
    try:
        content = path.read_bytes()
        document = msgspec.json.decode(content)
        schema = document.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise BackupError(
                f"{path}: schema {schema} was made by a newer Matrix0; this one knows {SCHEMA}"
            )
        del document["checksum"]
        manifest = msgspec.convert(document, Manifest)
    except OSError as error:
        raise BackupError(f"{path}: cannot be read: {error.strerror}") from error
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        KeyError,
        AttributeError,
        TypeError,
        RecursionError,
    ) as error:
        raise BackupError(f"{path}: damaged, or no backup: {error!r}") from error
    if content != _text(document):
        raise BackupError(f"{path}: damaged: its checksum does not fit its content")
    for name, file in manifest.files.items():
        if not _PATH.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            raise BackupError(f"{path}: lists {name!r}, which is no file of a run")
    return manifest


def list_backups(folder: Path) -> list[Path]:
    """The manifests in `folder`, oldest first; they are not verified here."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (stamp_of(path), path.name))


def run_of(path: Path) -> str:
    """The run that its name tells."""
    match = _NAME.fullmatch(path.name)
    assert match is not None, path
    return match["run"]


def stamp_of(path: Path) -> tuple[str, int]:
    """Time in its name, and its number among those of that time."""
    match = _NAME.fullmatch(path.name)
    assert match is not None, path
    return match["time"], int(match["number"] or 1)


def _text(document: dict[str, object]) -> bytes:
    body = msgspec.json.encode(document, order="sorted")
    checksum = hashlib.sha256(body).hexdigest()
    return msgspec.json.format(
        msgspec.json.encode({**document, "checksum": checksum}, order="sorted"), indent=1
    )
