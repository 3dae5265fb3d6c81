"""Checkpoints against their rows: hashes, numbers, and all that the next step needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from backend import checkpoints
from backend.audit.findings import Audit
from backend.audit.index import Index, checkpoint_state
from backend.checkpoints import Checkpoint
from backend.commit import sha256_of
from backend.errors import CheckpointError
from backend.rundir import RunDirectory

CURSORS: Final = ("sampler", "imported")
"""Keys of the data position: where the next batch is drawn from, in self-play or in imports."""
GENERATOR: Final = "rng.mask"
_MOMENTS: Final = ("exp_avg", "exp_avg_sq", "step")


def examine_checkpoints(run: RunDirectory, index: Index, audit: Audit, *, is_live: bool) -> None:
    on_disk = checkpoints.list_checkpoints(run.checkpoints)
    for name, row in index.checkpoints.items():
        if row.state == "retired" and name in on_disk and not is_live:
            audit.note(f"checkpoints/{name}", "its row says retired; the next start removes it")
        if row.state != "present":
            continue
        audit.counted["checkpoints"] += 1
        faults = list(_faults(run.checkpoints / name, row.sha256))
        if faults and checkpoint_state(run.database, name) == "present":
            for file, what in faults:
                audit.problem(f"checkpoints/{name}{file}", what)
    for name in on_disk:
        if name not in index.checkpoints and not is_live:
            faults = list(_faults(run.checkpoints / name, ""))
            for file, what in faults:
                audit.problem(f"checkpoints/{name}{file}", what)
            if not faults:
                audit.note(f"checkpoints/{name}", "has no row; the next start adopts it")
    best = index.best
    if best and index.checkpoints.get(best, (None,))[0] != "present":
        audit.problem(f"checkpoints/{best}", "is the best network, and has no row that is present")
    promoted = index.promotions[-1].name if index.promotions else ""
    if promoted != best:
        audit.problem("matrix0.db", f"best is {best or 'none'}, promoted last {promoted or 'none'}")


def examine_checkpoints_without_rows(run: RunDirectory, audit: Audit) -> None:
    """Without a database: whether each is whole."""
    for name in checkpoints.list_checkpoints(run.checkpoints):
        audit.counted["checkpoints"] += 1
        for file, what in _faults(run.checkpoints / name, ""):
            audit.problem(f"checkpoints/{name}{file}", what)


def _faults(path: Path, sha256: str) -> Iterator[tuple[str, str]]:
    """(file below the checkpoint, what is wrong with it)."""
    if not path.is_dir():
        yield "", "its row says present, the directory is gone"
        return
    try:
        checkpoint = checkpoints.load(path)
    except CheckpointError as error:
        file, _, what = str(error).removeprefix(str(path)).partition(": ")
        yield file, what
        return
    manifest = sha256_of(path / checkpoints.MANIFEST)
    if sha256 and manifest != sha256:
        yield "/manifest.json", f"SHA-256 is {manifest[:16]}…, its row says {sha256[:16]}…"
    yield from (("/ema.safetensors", what) for what in _unlike(checkpoint))
    yield from _faults_of_training_state(checkpoint)


def _unlike(checkpoint: Checkpoint) -> Iterator[str]:
    """Where the average is not of the same shape as the weights."""
    for name in sorted(checkpoint.model.keys() ^ checkpoint.ema.keys()):
        yield f"{name!r} is in the weights or their average, not in both"
    for name in sorted(checkpoint.model.keys() & checkpoint.ema.keys()):
        ours, theirs = checkpoint.ema[name].shape, checkpoint.model[name].shape
        if ours != theirs:
            yield f"{name!r} has shape {ours}, the weights have {theirs}"


def _faults_of_training_state(checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    """What the next step needs: generator, moments of each trained weight, the sampler's place."""
    optimizer, step = checkpoint.optimizer, checkpoint.manifest.step
    file = "/optimizer.safetensors"
    if GENERATOR not in optimizer:
        yield file, f"{GENERATOR} is missing: the state of the generator that hides squares"
    moments = {tuple(name.split(".", 1)) for name in optimizer if name != GENERATOR}
    for weight in sorted({name for _, *rest in moments for name in rest}):
        lacking = [moment for moment in _MOMENTS if (moment, weight) not in moments]
        if lacking:
            yield file, f"{weight!r} has no {', '.join(lacking)}"
        elif weight not in checkpoint.model:
            yield file, f"moments of {weight!r}, which is no weight"
        elif optimizer[f"exp_avg.{weight}"].shape != checkpoint.model[weight].shape:
            yield file, f"moments of {weight!r} have another shape than the weight"
        elif not 0 < float(optimizer[f"step.{weight}"]) <= step:
            yield file, f"{weight!r} was updated {float(optimizer[f'step.{weight}']):g} times"
    manifest = checkpoint.manifest
    if moments and not any(cursor in manifest.data_position for cursor in CURSORS):
        yield "/manifest.json", "data_position has no sampler: the next batch is not known"
    if moments and "num_samples" not in manifest.trainer:
        yield "/manifest.json", "trainer has no num_samples"
