"""Power cuts, simulated: the small run is recorded, cut anywhere, and recovered by the program.

Of some of the disks the recovery is recorded and cut too. Damaged things lie there then, which it
has to set aside: after the next recovery each must be found in quarantine/ as it was.
"""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.powercut import Recorder, materialise
from tests.faults.workload import Acknowledged, Event, Workload, recovered

STATES_A_WORKLOAD: Final = 100
ROUNDS: Final = 7
LOST_DATABASE_FRAC: Final = 0.3
"""So often the database is gone altogether: what it says must be in the files."""
IN_MEMORY: Final = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""The disk is simulated: a real one would only be slow."""
DATABASE: Final = ("matrix0.db", "matrix0.db-wal")
AGAIN_EVERY: Final = 3
"""Of each so many states one is cut in its recovery too."""
PLANTED_FRAC: Final = 0.7
OF_A_RECOVERY: Final = ("Settled", "Took", "WorkerFailed", "Recovered")
OF_DAMAGE: Final = ("Alert", "ShardRejected")
PLANTED: Final = {
    "replay/sp-sp0-999999-0123456789abcdef.safetensors": b"no shard " * 400,
    "checkpoints/step-99999999/manifest.json": b"no manifest " * 200,
    "matrix0.db": b"no database " * 600,
}
"""Damaged things: path in the run -> content."""


@dataclass(frozen=True)
class Heard:
    at: int
    """Length of the recorder's log when it was acknowledged."""
    event: Event
    database: dict[str, bytes]
    """SQLite keeps its own promise (WAL, synchronous = FULL): what it has committed stays."""


@dataclass
class PowerCuts:
    """What came of them."""

    states: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    """First words of each kind -> states that show it."""
    bad_states: int = 0
    again: int = 0
    """Of the states, those of a cut in a recovery."""
    slowest_s: float = 0.0
    """Of the recoveries."""


def simulate(
    states: int, seed: int, *, ignore: frozenset[str] = frozenset(), rounds: int = ROUNDS
) -> PowerCuts:
    """Cuts the power in so many places; `ignore` names syncs that are left out, as a control."""
    found = PowerCuts()
    while found.states < states:
        count = min(STATES_A_WORKLOAD, states - found.states)
        rng = Random(f"{seed} {found.states}")
        with tempfile.TemporaryDirectory(prefix="power-cut-", dir=IN_MEMORY) as place:
            _simulate_one(found, count, rng, Path(place), ignore, rounds)
    return found


def _simulate_one(
    found: PowerCuts, count: int, rng: Random, place: Path, ignore: frozenset[str], rounds: int
) -> None:
    live = place / "live"
    live.mkdir()
    recorder = Recorder(live, ignore=ignore)
    heard: list[Heard] = []
    run = live / "runs" / "run"
    tell = partial(_record, recorder, run, heard)
    asyncio.run(Workload(run, tell, seed=rng.getrandbits(32), fs=recorder).run(rounds))
    _expect_all_recorded(recorder)
    for number in range(count):
        cut = rng.randint(1, recorder.clock)
        disk = place / f"disk-{number}"
        materialise(recorder, cut, disk, rng)
        left = _Left(disk, [h for h in heard if h.at <= cut])
        if number % AGAIN_EVERY == 0 and left.run.is_dir():
            left = _cut_in_recovery(left, place / f"again-{number}", ignore, rng)
            found.again += 1
        problems, seconds = _check(left, rng)
        found.states += 1
        found.bad_states += bool(problems)
        found.violations.update({_kind(problem) for problem in problems})
        found.slowest_s = max(found.slowest_s, seconds)
        for used in {disk, left.disk}:
            shutil.rmtree(used)


@dataclass
class _Left:
    """What a power cut left, and what had been acknowledged before."""

    disk: Path
    heard: list[Heard]
    evidence: list[str] = field(default_factory=list)
    """Planted things that were there."""

    @property
    def run(self) -> Path:
        return self.disk / "runs" / "run"


def _record(recorder: Recorder, run: Path, heard: list[Heard], event: Event) -> None:
    files = {name: (run / name).read_bytes() for name in DATABASE if (run / name).exists()}
    heard.append(Heard(recorder.clock, event, files))


def _expect_all_recorded(recorder: Recorder) -> None:
    unseen = recorder.unseen(lambda path: path.name.startswith("matrix0.db"))
    assert not unseen, f"went past the file system that is recorded: {unseen}"


def _cut_in_recovery(left: _Left, again: Path, ignore: frozenset[str], rng: Random) -> _Left:
    """What a second cut leaves, in the recovery from the first."""
    database = left.heard[-1].database if left.heard and rng.random() >= LOST_DATABASE_FRAC else {}
    planted = [path for path in PLANTED if rng.random() < PLANTED_FRAC and path not in database]
    for path in planted:
        (left.run / path).parent.mkdir(parents=True, exist_ok=True)
        (left.run / path).write_bytes(PLANTED[path])
    recorder = Recorder(left.disk, ignore=ignore)
    for name, content in database.items():  # SQLite's own: no part of the record.
        (left.run / name).write_bytes(content)
    told: list[Heard] = []
    asyncio.run(recovered(left.run, partial(_record, recorder, left.run, told), fs=recorder))
    _expect_all_recorded(recorder)
    if not any(h.event["type"] == "Took" for h in told):
        return left  # Whoever checks that finds it out.
    cut = rng.randint(0, recorder.clock)
    materialise(recorder, cut, again, rng)
    heard = [
        Heard(h.at, _without(h.event, planted), h.database)
        for h in told
        if h.at <= cut and h.event["type"] not in OF_DAMAGE
    ]
    return _Left(again, left.heard + (heard or [Heard(0, {"type": "Cut"}, database)]), planted)


def _without(event: Event, planted: list[str]) -> Event:
    """Nothing but what was planted may be set aside."""
    if event["type"] != "Recovered":
        return event
    return event | {"quarantined": max(0, event["quarantined"] - len(planted))}


def _check(left: _Left, rng: Random) -> tuple[list[str], float]:
    run, heard = left.run, left.heard
    before = Acknowledged()
    for one in heard:
        before.hear(one.event)
    if before.witness.complaints:
        raise AssertionError(before.witness.complaints)
    if not run.is_dir():
        # Nothing had been promised of a run that was being made.
        return (["the run is gone"] if heard else []), 0.0
    if heard and rng.random() >= LOST_DATABASE_FRAC:
        for name, content in heard[-1].database.items():
            (run / name).write_bytes(content)
    told: list[Event] = []
    asyncio.run(recovered(run, told.append))
    after = Acknowledged()
    after.witness = before.witness
    for event in told:
        if event["type"] in OF_A_RECOVERY:
            after.hear(_without(event, left.evidence))
    if not after.seconds:
        return [f"no recovery: {told[-1:]}"], 0.0
    before.seconds = after.seconds
    lost = [f"{path} is not set aside" for path in left.evidence if not _is_kept(run, path)]
    return before.violations(run) + lost, max(after.seconds)


def _is_kept(run: Path, path: str) -> bool:
    """Whether a planted thing is in quarantine/ as it was, and nowhere else."""
    kept = [p for p in (run / "quarantine").rglob("*") if p.is_file()]
    there = run / path
    is_gone = not there.exists() or there.read_bytes() != PLANTED[path]
    return is_gone and any(p.read_bytes() == PLANTED[path] for p in kept)


def _kind(problem: str) -> str:
    words = [word.partition("/")[0] for word in problem.split()]
    return " ".join(word for word in words if not any(c.isdigit() for c in word))[:60]
