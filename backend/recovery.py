"""What every start does first: make the disk and the database say the same, and find the point
where the run stopped.

Files are the truth, the database an index. Leftovers of interrupted commits are swept, shards and
checkpoints without a row are adopted, rows without a file are marked, damaged things are set aside
in quarantine/ and named. A database that cannot be read is made anew from files and journal.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

from backend import checkpoints
from backend.clock import wall
from backend.commit import move, remove, remove_directory, sha256_of, sweep
from backend.config import Config
from backend.cycle import Director, undecided
from backend.disk import network_file_system
from backend.errors import (
    CheckpointError,
    ConfigError,
    NewerCheckpointError,
    NewerShardError,
    ReplayError,
    RunDirectoryError,
)
from backend.events import (
    CheckpointSaved,
    CycleFinished,
    Event,
    GateDecided,
    MatchFinished,
    NonFinite,
    Promoted,
    Recovered,
    SettingChanged,
)
from backend.filesystem import OS, FileSystem
from backend.intake import Intake
from backend.ledger import Ledger
from backend.replay.admission import admit
from backend.replay.shards import list_shards, read_shard
from backend.replay.tablebase import open_tables
from backend.resuming import edited, keep_settings
from backend.rundir import RunDirectory
from backend.store.journal import Journal, Reading, read_journal
from backend.store.mending import mend_journal
from backend.store.store import DamagedDatabaseError, Store
from backend.wording import plural


@dataclass(kw_only=True)
class Findings:
    """The state of a run on disk, put in order."""

    ledger: Ledger
    intake: Intake
    director: Director
    checkpoints: list[CheckpointSaved]
    """Sound ones, oldest first."""
    candidate: CheckpointSaved | None
    """Waits for its evaluation since an earlier start."""
    unfinished: GateDecided | None
    """Decided, but the end of its cycle is not recorded."""
    event: Recovered
    remarks: list[str] = field(default_factory=list)
    """What a person should know; each becomes an alert."""


async def open_ledger(
    run: RunDirectory, *, clock: Callable[[], float] = wall, fs: FileSystem = OS
) -> tuple[Ledger, Journal, list[str]]:
    """Journal and database; the database is made anew from the journal when it is unsound.

    Shards and checkpoints get their rows in `recover`. The caller closes both. RunDirectoryError,
    with nothing changed, when a newer Matrix0 has worked on the run.
    """
    remarks = []
    reading = await asyncio.to_thread(read_journal, run.journal)
    await asyncio.to_thread(_refuse_newer, run, reading)
    try:
        store = await Store.open(run.database)
    except DamagedDatabaseError as error:
        remarks.append(f"the database is damaged, was set aside and made anew: {error}")
        await asyncio.to_thread(_set_aside_database, run, fs)
        store = await Store.open(run.database)
    await store.record_all(entry.fact for entry in reading.entries)
    evidence = _aside(run, "journal.jsonl")
    remarks += await mend_journal(run.journal, evidence, store, reading, fs=fs)
    journal = await asyncio.to_thread(partial(Journal, run.journal, fs=fs))
    return Ledger(store, journal, clock=clock), journal, remarks


async def recover(
    run: RunDirectory,
    config: Config,
    ledger: Ledger,
    remarks: list[str],
    *,
    fs: FileSystem = OS,
) -> Findings:
    """Reconciles files and rows, and folds the run's history into the ledger's state."""
    store = ledger.store
    if remark := await asyncio.to_thread(edited, run):
        remarks.append(remark)
    await asyncio.to_thread(partial(keep_settings, run, fs=fs))
    if kind := await asyncio.to_thread(network_file_system, run.path):
        remarks.append(
            f"{run.path} lies on a network file system ({kind}): locks and renames mean other "
            "things there, and nothing is promised after a crash; a disk of this machine is better"
        )
    swept = 0
    for folder in (run.path, run.replay, run.checkpoints, run.games):
        swept += len(await asyncio.to_thread(partial(sweep, folder, fs=fs)))
    tables = await asyncio.to_thread(open_tables, config.selfplay)
    intake = Intake(
        run,
        ledger,
        window_positions=config.replay.window_positions,
        admit=partial(admit, tables=tables),
        max_staleness=config.cluster.max_staleness,
        fs=fs,
    )
    await intake.prepare()
    adopted, refused = await _reconcile_shards(run, ledger, intake, remarks, fs)
    sound, damaged = await _reconcile_checkpoints(run, config, ledger, remarks, fs)
    if sound:
        await asyncio.to_thread(_refuse_another_shape, run, config, sound[-1].name)
    best = await _sound_best(ledger, sound, remarks)
    await intake.prepare()
    await store.forget_metrics_after(sound[-1].step if sound else 0)

    decisions, cycles = await store.decisions(), await store.cycles()
    matches = await store.matches()
    cycle = cycles[-1].cycle if cycles else 0
    unfinished = decisions[-1] if decisions and decisions[-1].cycle > cycle else None
    recorded: list[Event] = [*ledger.recorded(SettingChanged), *ledger.recorded(NonFinite)]
    ledger.remember(await store.admissions())
    ledger.recall(await store.curves())
    ledger.remember(await _history(store, sound, matches, decisions, cycles, recorded))
    totals = ledger.state.totals
    event = Recovered(
        shards=sum(row.state == "admitted" for row in await store.shards()),
        adopted_shards=adopted,
        checkpoints=len(sound),
        swept=swept,
        quarantined=refused + damaged,
        best=best,
        cycle=cycle,
        games=totals.games,
        positions=totals.positions,
        cycle_seconds=await store.seconds_at_work(cycles[-1].at if cycles else 0.0),
    )
    director = Director(
        config.evaluation,
        simulations=config.search.simulations,
        seed=config.seed,
        best=best,
        cycle=cycle,
        finished=matches,
    )
    return Findings(
        ledger=ledger,
        intake=intake,
        director=director,
        checkpoints=sound,
        candidate=undecided(sound, decisions, best),
        unfinished=unfinished,
        event=event,
        remarks=remarks,
    )


def _refuse_newer(run: RunDirectory, journal: Reading) -> None:
    """What we do not know is not damaged: nobody is served by setting it aside."""
    found: list[str] = []
    if journal.unknown:
        found.append(f"{run.journal}: line {journal.unknown[0]} says what this Matrix0 cannot know")
    shards = list_shards(run.replay)
    try:
        if shards:
            read_shard(max(shards, key=_written_at))
    except NewerShardError as error:
        found.append(str(error))
    except ReplayError:
        pass  # Damage is dealt with later.
    for name in checkpoints.list_checkpoints(run.checkpoints):
        try:
            checkpoints.read_manifest(run.checkpoints / name)
        except NewerCheckpointError as error:
            found.append(str(error))
        except CheckpointError:
            continue
    if found:
        raise RunDirectoryError(
            f"a newer Matrix0 has worked on this run: {found[0]}; go on with that one, or start "
            "another run (nothing was changed)"
        )


def _set_aside_database(run: RunDirectory, fs: FileSystem) -> None:
    for name in ("matrix0.db", "matrix0.db-wal", "matrix0.db-shm", "matrix0.db.seal"):
        path = run.path / name
        if path.exists():
            move(path, _aside(run, name), fs=fs)


# Shards -------------------------------------------------------------------------------------------


async def _reconcile_shards(
    run: RunDirectory, ledger: Ledger, intake: Intake, remarks: list[str], fs: FileSystem
) -> tuple[int, int]:
    """How many files were adopted, and how many refused."""
    present = {path.name for path in run.replay.glob("*.safetensors")}
    states = {row.name: row.state for row in await ledger.store.shards()}
    missing = [
        name for name, state in states.items() if state == "admitted" and name not in present
    ]
    found = [name for name, state in states.items() if state == "missing" and name in present]
    if missing:
        gone = plural(len(missing), "shard")
        remarks.append(f"gone from replay/: {gone}, the first is {missing[0]}")
    await ledger.store.set_shard_state(missing, "missing")
    await ledger.store.set_shard_state(found, "admitted")
    for name in present:
        if states.get(name) == "retired":
            remove(run.replay / name, fs=fs)
        elif states.get(name) == "rejected":
            move(run.replay / name, run.quarantine / name, fs=fs)
    adopted = refused = 0
    for name in sorted(present - states.keys(), key=lambda n: (_written_at(run.replay / n), n)):
        if await intake.admit(name) is not None:
            adopted += 1
        else:
            refused += 1
    return adopted, refused


def _written_at(path: Path) -> float:
    return path.stat().st_mtime


# Checkpoints --------------------------------------------------------------------------------------


async def _reconcile_checkpoints(
    run: RunDirectory, config: Config, ledger: Ledger, remarks: list[str], fs: FileSystem
) -> tuple[list[CheckpointSaved], int]:
    """The sound ones, oldest first, and how many were damaged."""
    store = ledger.store
    states = await store.checkpoint_states()
    names = await asyncio.to_thread(checkpoints.list_checkpoints, run.checkpoints)
    damaged = 0
    for name in names:
        if states.get(name) == "retired":
            await asyncio.to_thread(partial(remove_directory, run.checkpoints / name, fs=fs))
            continue
        try:
            saved = await asyncio.to_thread(read_checkpoint, run.checkpoints / name, config)
        except CheckpointError as error:
            remarks.append(f"checkpoint {name} is damaged and was set aside: {error}")
            damaged += 1
            aside = _aside(run, name)
            await asyncio.to_thread(partial(move, run.checkpoints / name, aside, fs=fs))
            await store.set_checkpoint_state(name, "damaged")
            continue
        if name not in states:
            await store.record(saved)
        elif states[name] != "present":
            await store.set_checkpoint_state(name, "present")
    gone = [name for name, state in states.items() if state == "present" and name not in names]
    for name in gone:
        remarks.append(f"checkpoint {name} is gone from checkpoints/")
        await store.set_checkpoint_state(name, "missing")
    return await store.checkpoints(), damaged


def read_checkpoint(path: Path, config: Config) -> CheckpointSaved:
    """Verifies every file of a checkpoint; the event that would have announced it.

    Raises CheckpointError.
    """
    manifest = checkpoints.verify(path)
    return CheckpointSaved(
        at=path.stat().st_mtime,
        name=path.name,
        step=manifest.step,
        sha256=sha256_of(path / checkpoints.MANIFEST),
        size_mib=sum(record.size for record in manifest.files.values()) / 2**20,
        reason=checkpoints.saved_because(manifest, config.training.steps_per_cycle),
        metrics=manifest.metrics,
    )


def _refuse_another_shape(run: RunDirectory, config: Config, newest: str) -> None:
    """ConfigError when the network of the settings is not the one that the run goes on with."""
    made = checkpoints.read_manifest(run.checkpoints / newest).model
    changed = [
        f"model.{f.name} = {getattr(made, f.name)!r}, not {getattr(config.model, f.name)!r}"
        for f in fields(made)
        if getattr(made, f.name) != getattr(config.model, f.name)
    ]
    if changed:
        raise ConfigError(
            f"{run.config_file}: {newest} was made with {', '.join(changed)}; put that back, or "
            "start a new run for another network"
        )


def _aside(run: RunDirectory, name: str) -> Path:
    """Where it goes in quarantine/, in the place of no earlier evidence."""
    stamp, number = time.strftime("%Y%m%d-%H%M%S"), 1
    path = run.quarantine / f"{stamp}-{name}"
    while path.exists():
        number += 1
        path = run.quarantine / f"{stamp}_{number}-{name}"
    return path


async def _sound_best(ledger: Ledger, sound: list[CheckpointSaved], remarks: list[str]) -> str:
    """The best network if it is whole, else the newest earlier best, else the newest checkpoint."""
    best = await ledger.store.best()
    names = [saved.name for saved in sound]
    if best in names or not best:
        return best
    earlier = [p.name for p in await ledger.store.promotions() if p.name in names]
    fallback = (earlier or names or [""])[-1]
    if not fallback:
        remarks.append(f"the best network {best} is lost and there is no other: starting anew")
        return ""
    remarks.append(f"the best network {best} is lost; {fallback} takes its place")
    reason = f"{best} is missing or damaged"
    await ledger.commit(Promoted(name=fallback, previous=best, reason=reason), announce=False)
    return fallback


# History ------------------------------------------------------------------------------------------


async def _history(
    store: Store,
    sound: list[CheckpointSaved],
    matches: list[MatchFinished],
    decisions: list[GateDecided],
    cycles: list[CycleFinished],
    recorded: Sequence[Event],
) -> list[Event]:
    """The events of earlier starts, besides shards and curves, that the state is made of."""
    facts: list[Event] = [
        *sound,
        *matches,
        *decisions,
        *await store.promotions(),
        *cycles,
        *recorded,
    ]
    facts.sort(key=lambda event: event.at)
    return facts
