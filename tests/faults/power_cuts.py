"""Power cuts, simulated: the small run is recorded, cut anywhere, and recovered by the program."""

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
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

    def tell(event: Event) -> None:
        files = {name: (run / name).read_bytes() for name in DATABASE if (run / name).exists()}
        heard.append(Heard(recorder.clock, event, files))

    asyncio.run(Workload(run, tell, seed=rng.getrandbits(32), fs=recorder).run(rounds))
    for number in range(count):
        cut = rng.randint(1, recorder.clock)
        disk = place / f"disk-{number}"
        materialise(recorder, cut, disk, rng)
        problems, seconds = _check(disk / "runs" / "run", [h for h in heard if h.at <= cut], rng)
        found.states += 1
        found.bad_states += bool(problems)
        found.violations.update({_kind(problem) for problem in problems})
        found.slowest_s = max(found.slowest_s, seconds)
        shutil.rmtree(disk)


def _check(run: Path, heard: list[Heard], rng: Random) -> tuple[list[str], float]:
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
        if event["type"] in ("Settled", "Took", "WorkerFailed", "Recovered"):
            after.hear(event)
    if not after.seconds:
        return [f"no recovery: {told[-1:]}"], 0.0
    before.seconds = after.seconds
    return before.violations(run), max(after.seconds)


def _kind(problem: str) -> str:
    return " ".join(word for word in problem.split() if not any(c.isdigit() for c in word))[:60]
