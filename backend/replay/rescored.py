"""Shards that a pass has written in the place of those that were played, and the pass itself.

    replay/sp-sp0-000012-3c48ffe86be37e0a.safetensors      as it was played: the evidence, kept
    rescored/sp-sp0-000012-0b14a3ec4822a7b8.safetensors    the same games, value targets decided

The second says in its metadata which shard it stands for and by which pass; a window reads it in
that one's place. It always follows from the first one and the pass, however often that is made, and
goes when that one goes. Where the pass has nothing to say there is no file.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from backend.commit import make_directory, move, remove, sweep
from backend.errors import NewerShardError, ReplayError
from backend.filesystem import OS, FileSystem
from backend.replay import schema
from backend.replay.provenance import Rescoring
from backend.replay.rescoring import targets_of
from backend.replay.shards import (
    Shard,
    commit_columns,
    list_shards,
    place_in_name,
    read_metadata,
    read_shard,
)
from backend.tables import Tables, open_tables

FOLDER: Final = "rescored"
"""Beside the folders of the shards that were played."""
DECIDED: Final = ("value_wdl", "value_source")
"""Columns that the pass may change."""
_DIGITS: Final = 16


@dataclass(kw_only=True)
class RescoreTally:
    """How far the pass has come; what it hands back at the end."""

    file: str = ""
    share_done: float = 0.0
    """0 to 1."""
    positions: int = 0
    blunders: int = 0
    """In games that have a target to decide: a teacher's have none."""
    probed: int = 0
    """Positions whose exact value tables told."""
    decided: int = 0
    """Positions whose value target the pass has decided."""
    turned: int = 0
    """Of these, those whose game ended otherwise than the target expects it to."""
    written: int = 0
    """Shards."""
    unchanged: int = 0
    """Shards that were there as this pass makes them, or about which it has nothing to say."""
    removed: int = 0
    """Shards of earlier passes that this one does not make, or whose games are gone."""
    is_stopped: bool = False
    """Whether it was asked to stop before the end; the same call goes on there."""


OnDamage = Callable[[Path, ReplayError], None]
"""Hears of a rescored shard that is damaged; what was played is read then, unless it raises."""


def refuse(path: Path, error: ReplayError) -> None:
    """Raises `error`."""
    raise error


def set_aside(path: Path, error: ReplayError) -> str:
    """Moves a damaged rescored shard to quarantine/ of its run; says so in one line."""
    kept = path.parent.parent / "quarantine" / path.name
    try:
        make_directory(kept.parent)
        move(path, kept)
    except OSError as refusal:
        return f"{error}; the shard it was made from is read; it cannot be set aside: {refusal}"
    return f"{error}; the shard it was made from is read; this one is in quarantine/"


def read_rescored(directory: Path, name: str, on_damage: OnDamage = refuse) -> Shard | None:
    """The shard that stands for `directory/name`, None without a sound one.

    ReplayError when a newer Matrix0 made it.
    """
    for path in _in_place(directory.parent / FOLDER, name):
        try:
            if _stands_for(path, name):
                return read_shard(path)
        except NewerShardError:
            raise
        except ReplayError as error:
            on_damage(path, error)
    return None


def remove_rescored(directory: Path, name: str, *, fs: FileSystem = OS) -> None:
    """Remove what stands for `directory/name`, which has gone; not what is damaged."""
    for path in _standing_for(directory.parent / FOLDER, name):
        remove(path, fs=fs)


def set_rescored_aside(directory: Path, name: str, reason: str) -> list[str]:
    """Moves what stands for `directory/name` to quarantine/, sound as it is; says so, if any."""
    standing = _standing_for(directory.parent / FOLDER, name)
    return [set_aside(path, ReplayError(f"{path}: {reason}")) for path in standing]


def rescore(
    folders: tuple[Path, ...],
    plan: Rescoring,
    tables: Tables | None,
    *,
    on_progress: Callable[[RescoreTally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> RescoreTally:
    """Make the pass `plan` over the shards of sibling `folders`, one at a time.

    `plan.of` is filled in for each. ReplayError when a shard that was played is damaged; one of an
    earlier pass is set aside and made again.
    """
    target = folders[0].parent / FOLDER
    make_directory(target)
    sweep(target)
    tally = RescoreTally()
    for path in list_shards(target):
        try:
            read_metadata(path)
        except NewerShardError:
            raise
        except ReplayError as error:
            set_aside(path, error)
            tally.removed += 1
    paths = [path for folder in folders for path in list_shards(folder)]
    for number, path in enumerate(paths):
        if should_stop():
            tally.is_stopped = True
            return tally
        tally.file = path.name
        _rescore_one(path, target, msgspec.structs.replace(plan, of=path.name), tables, tally)
        tally.share_done = (number + 1) / len(paths)
        on_progress(tally)
    names = {path.name for path in paths}
    for path in list_shards(target):
        rescoring = read_metadata(path).rescoring
        if rescoring is None or rescoring.of not in names:
            remove(path)
            tally.removed += 1
    return tally


def fingerprint(tables: Tables | None) -> str:
    """Of the names of all tables; empty without any."""
    if tables is None:
        return ""
    names = ",".join(sorted([*tables.wdl, *(f"{name}z" for name in tables.dtz)]))
    return hashlib.sha256(names.encode()).hexdigest()[:_DIGITS]


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a rescored shard follows from the one that was played."""

    fault: str = ""
    """What does not; empty when nothing was found."""
    is_complete: bool = True
    """False where the tables of its pass are not here, so that its targets were not derived."""


def check_rescored(path: Path, played: Path) -> Check:
    """Makes the pass that `path` names over `played` again. ReplayError when one is damaged."""
    found, original = read_shard(path), read_shard(played)
    plan = found.metadata.rescoring
    assert plan is not None
    for name, column in original.columns.items():
        if name not in DECIDED and not _same(column, found.columns[name]):
            return Check(f"column {name} is not that of {played.name}")
    try:
        tables = open_tables(plan.syzygy, dtz=True) if plan.syzygy else None
    except OSError:
        return Check(is_complete=False)
    with tables or nullcontext():
        if fingerprint(tables) != plan.tables:
            return Check(is_complete=False)
        targets = targets_of(original, plan, tables)
    columns = found.columns
    if _same(targets.wdl, columns["value_wdl"]) and _same(targets.source, columns["value_source"]):
        return Check()
    return Check("its value targets are not those of the pass that it names")


def _rescore_one(
    path: Path, target: Path, plan: Rescoring, tables: Tables | None, tally: RescoreTally
) -> None:
    shard = read_shard(path)
    made = targets_of(shard, plan, tables)
    is_new = made.source != shard.columns["value_source"]
    tally.positions += shard.num_positions
    tally.blunders += made.blunders if is_new.any() else 0
    tally.probed += made.probed
    tally.decided += int(is_new.sum())
    tally.turned += int(_turned(shard, made.wdl)[is_new].sum())
    before = list(_standing_for(target, path.name))
    kept = None
    if is_new.any():
        columns = shard.columns | {"value_wdl": made.wdl, "value_source": made.source}
        metadata = msgspec.structs.replace(
            shard.metadata, schema=schema.SCHEMA_VERSION, rescoring=plan
        )
        prefix, seq = place_in_name(path.name)
        kept = commit_columns(target, prefix, seq, columns, metadata).path
    for old in before:
        if old != kept:
            remove(old)
            tally.removed += 1
    if kept is None or kept in before:
        tally.unchanged += 1
    else:
        tally.written += 1


def _turned(shard: Shard, wdl: np.ndarray) -> np.ndarray:
    """bool[P]: where the target expects another end than the game had."""
    result = shard.columns["result_wdl"]
    known = shard.columns["has_result"] == 1
    return np.asarray(known & (np.nan_to_num(wdl).argmax(axis=1) != result.argmax(axis=1)))


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def _standing_for(folder: Path, name: str) -> Iterator[Path]:
    for path in _in_place(folder, name):
        try:
            if _stands_for(path, name):
                yield path
        except ReplayError:
            continue  # Whoever reads it names it.


def _in_place(folder: Path, name: str) -> list[Path]:
    """Those of the same prefix and number as the shard `name`."""
    prefix, seq = place_in_name(name)
    return list_shards(folder, f"{prefix}-{seq:06d}-")


def _stands_for(path: Path, name: str) -> bool:
    rescoring = read_metadata(path).rescoring
    return rescoring is not None and rescoring.of == name
