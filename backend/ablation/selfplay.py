"""Arms that learn from their own games: one run each, from one beginning, for the same time.

    OUT/plan.json                     the time
    OUT/results.jsonl                 what was found
    OUT/<arm>/seed-0/                 a run like any other
    OUT/games/                        the games between the arms

Every run is under a supervisor of its own, stopped when its time is over. Several may be at work at
once; each then has its own share of the cores, so that all have the same machine. All arms of a
repetition come before the next one. A run that was interrupted goes on for the rest of its time.

On the clock of the processor a run's time is what it and its workers took of the cores: equal for
all arms also where others use the machine.
"""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import psutil

from backend import checkpoints
from backend.ablation.arms import Arm, require_same_settings
from backend.ablation.results import AnyFinding, ArmsMatch, Results, SelfPlayed
from backend.commit import commit_file
from backend.config import Config
from backend.dialogue import Dialogue
from backend.errors import ConfigError, ReplayError, RunDirectoryError
from backend.launch import await_start, given_up
from backend.processes import start_detached
from backend.rundir import RunDirectory
from backend.start import start_from
from backend.state import RunState

OnProgress = Callable[[str, float, str], None]

POLL_S: Final = 1.0
LOOK_S: Final = 30.0
"""Between two looks whether all that is at work is whole."""
CLOSING_S: Final = 120.0
"""So long a supervisor may take to stop; it saves a checkpoint."""


class Clock(StrEnum):
    """What the time of a run is counted by."""

    WALL = "wall"
    PROCESSOR = "processor"


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    minutes: float
    clock: Clock = Clock.WALL
    spent_s: dict[str, float] = {}
    """Seconds that the run of an arm and seed was at work, by its directory."""


@dataclass(kw_only=True)
class _AtWork:
    """A run and its supervisor."""

    arm: Arm
    seed: int
    run: RunDirectory
    process: "subprocess.Popen[bytes]"
    cores: frozenset[int]
    clock: Clock
    spent_s: float
    """Of its time; counts from when all its workers were up."""
    since: float = field(init=False)
    now: float = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.now = 0.0
        self.read_clock()
        self.since = self.now

    @property
    def seconds(self) -> float:
        """As of the last reading of the clock."""
        return self.spent_s + self.now - self.since

    def read_clock(self) -> None:
        """A run that has ended leaves the processor's clock where it was."""
        if self.clock is Clock.WALL:
            self.now = time.monotonic()
        elif (taken := processor_seconds(self.process.pid)) is not None:
            self.now = max(self.now, taken)


class SelfPlayExperiment:
    """An experiment and its directory. The caller holds the directory's lock."""

    def __init__(
        self,
        out: Path,
        arms: list[Arm],
        base: Config,
        *,
        minutes: float,
        seeds: int,
        parallel: int = 1,
        clock: Clock = Clock.WALL,
        start: Path | None = None,
    ) -> None:
        """`start`: the checkpoint whose network all runs begin with; None: each from nothing.

        ConfigError when `out` holds one of other settings or another time."""
        self.out = out.absolute()  # As the paths of its runs are.
        self.arms = arms
        """The first is what the others are compared with."""
        self.base = base
        self.seeds = seeds
        self.calibration: Path | None = None
        self.spent = f"{minutes:g} minutes of self-play"
        if clock is Clock.PROCESSOR:
            self.spent = f"{minutes:g} processor minutes of self-play"
        self._minutes = minutes
        self._clock = clock
        self._start = start
        self._cores = _shares(parallel)
        self._plan = self._read_plan()
        require_same_settings(arms, base, seeds, self.directory)
        self.results = Results(out / "results.jsonl")

    def config(self, arm: Arm, seed: int) -> Config:
        """The settings of an arm in one repetition."""
        return arm.config(self.base, seed)

    def directory(self, arm: Arm, seed: int) -> RunDirectory:
        """The run of an arm in one repetition."""
        return RunDirectory(self.out / arm.folder / f"seed-{seed}")

    def network(self, arm: Arm, seed: int) -> Path:
        """The checkpoint that plays for a finished run: its newest, saved when it was stopped.

        What has passed the gate may be most of a cycle old, by chance.
        """
        folder = self.directory(arm, seed).checkpoints
        return folder / checkpoints.list_checkpoints(folder)[-1]

    def found(self) -> list[AnyFinding]:
        """What was found for this time."""
        return [finding for finding in self.results.findings if finding.budget == self.spent]

    def played(self, arm: Arm, seed: int) -> SelfPlayed | None:
        """What a finished run did; None before it is finished."""
        for finding in self.found():
            if isinstance(finding, SelfPlayed) and finding.arm == arm.name and finding.seed == seed:
                return finding
        return None

    def matches(self, arm: Arm) -> Iterator[ArmsMatch]:
        """Those of an arm against the first."""
        for finding in self.found():
            if isinstance(finding, ArmsMatch) and finding.arm == arm.name:
                yield finding

    def train(self, *, on_progress: OnProgress, should_stop: Callable[[], bool]) -> bool:
        """Lets every run be at work for its time; whether all have been.

        RunDirectoryError when a run ended before its time, or a worker of it did, or was paused:
        its log says why, and nothing is recorded of it.
        """
        turns = [
            (seed, arm)
            for seed, arm in itertools.product(range(self.seeds), self.arms)
            if self.played(arm, seed) is None
        ]
        total = self.seeds * len(self.arms)
        at_work: list[_AtWork] = []
        looked_at = time.monotonic()
        try:
            while turns or at_work:
                if should_stop():
                    return False
                while turns and len(at_work) < len(self._cores):
                    seed, arm = turns.pop(0)
                    taken = {one.cores for one in at_work}
                    at_work.append(
                        self._begin(arm, seed, next(c for c in self._cores if c not in taken))
                    )
                time.sleep(POLL_S)
                for one in list(at_work):
                    one.read_clock()
                    if one.seconds >= 60 * self._minutes:
                        at_work.remove(one)
                        self.results.add(self._finish(one))
                    elif one.process.poll() is not None:
                        at_work.remove(one)
                        raise RunDirectoryError(
                            f"{one.run.path}: ended before its time, "
                            f"see {one.run.log_file('supervisor')}"
                        )
                if time.monotonic() - looked_at >= LOOK_S:
                    looked_at = time.monotonic()
                    for one in at_work:
                        with Dialogue(one.run) as supervisor:
                            _require_whole(one.run, supervisor.state)
                done = total - len(turns) - len(at_work)
                share = done + sum(one.seconds for one in at_work) / (60 * self._minutes)
                names = ", ".join(f"{one.arm.name} (seed {one.seed})" for one in at_work)
                on_progress("self-play", share / total, names)
        finally:
            with ExitStack() as all_stop:  # Also those behind one that cannot be asked.
                for one in at_work:
                    all_stop.callback(self._stop, one)
        return True

    def _begin(self, arm: Arm, seed: int, cores: frozenset[int]) -> _AtWork:
        """A run with all its workers up."""
        run = self.directory(arm, seed)
        spent = self._plan.spent_s.get(str(run.path.relative_to(self.out)), 0.0)
        run.create()
        run.settle(self.config(arm, seed))
        if self._start is not None and not checkpoints.list_checkpoints(run.checkpoints):
            with run.lock("matrix0 experiment"):
                start_from(self._start, run)
        process = start_detached(run)
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, cores)
        state = await_start(run, process.poll)
        if state is None or state.phase == "stopped":
            raise RunDirectoryError(f"{run.path}: did not start, see {run.log_file('supervisor')}")
        begun = _AtWork(
            arm=arm,
            seed=seed,
            run=run,
            process=process,
            cores=cores,
            clock=self._clock,
            spent_s=spent,
        )
        try:
            _require_whole(run, state)
        except RunDirectoryError:
            _let_end(begun)
            raise
        return begun

    def _finish(self, one: _AtWork) -> SelfPlayed:
        seconds = one.seconds
        state = self._stop(one)
        return SelfPlayed(
            arm=one.arm.name,
            seed=one.seed,
            budget=self.spent,
            seconds=seconds,
            step=state.step,
            games=state.totals.games,
            positions=state.totals.positions,
            cycles=state.cycle,
            best=state.best,
        )

    def _stop(self, one: _AtWork) -> RunState:
        """The run's last state, its supervisor gone and its time on disk."""
        one.read_clock()
        seconds = one.seconds
        at_work, state = _let_end(one)
        _require_whole(one.run, at_work)  # Else nobody knows for how long it was at work.
        spent = {**self._plan.spent_s, str(one.run.path.relative_to(self.out)): seconds}
        self._plan = _Plan(minutes=self._minutes, clock=self._clock, spent_s=spent)
        self._write_plan()
        return state

    def _read_plan(self) -> _Plan:
        file = self.out / "plan.json"
        if not file.exists():
            self._plan = _Plan(minutes=self._minutes, clock=self._clock)
            self._write_plan()
            return self._plan
        try:
            plan = msgspec.json.decode(file.read_bytes(), type=_Plan)
        except msgspec.MsgspecError as error:
            raise ReplayError(f"{file}: damaged, or of another experiment: {error}") from error
        if plan.clock is not self._clock:
            raise ConfigError(
                f"{self.out}: its runs are on the {plan.clock}'s clock; choose another --out"
            )
        if plan.minutes > self._minutes:
            raise ConfigError(
                f"{self.out}: its runs had {plan.minutes:g} minutes, which may only grow; "
                "choose another --out"
            )
        return plan

    def _write_plan(self) -> None:
        commit_file(self.out / "plan.json", msgspec.json.encode(self._plan))


def processor_seconds(pid: int) -> float | None:
    """What a process and all under it took of the cores, ended children too; None: it is gone."""
    seconds = 0.0
    try:
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                # Of a child that was waited for in here its parent tells.
                seconds += sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:
        return None
    return seconds


def _require_whole(run: RunDirectory, state: RunState) -> None:
    """RunDirectoryError when a run is not at work as the others are."""
    if lost := given_up(state):
        raise RunDirectoryError(f"{run.path}: {', '.join(lost)} was given up, see {run.logs}")
    if state.phase == "paused":
        raise RunDirectoryError(f"{run.path}: it was paused, see {run.logs}")


def _let_end(one: _AtWork) -> tuple[RunState, RunState]:
    """The run's state when it was told to stop, and its last; the supervisor is gone."""
    with Dialogue(one.run) as supervisor:
        one.process.send_signal(signal.SIGTERM)
        at_work = state = supervisor.state
        for _ in supervisor.events():
            state = supervisor.state
    one.process.wait(CLOSING_S)
    return at_work, state


def _shares(parallel: int) -> list[frozenset[int]]:
    """The cores of each run that is at work at the same time; empty sets where nobody can say."""
    if not hasattr(os, "sched_getaffinity"):
        return [frozenset({-1 - number}) for number in range(parallel)]
    cores = sorted(os.sched_getaffinity(0))
    if parallel > len(cores):
        raise ConfigError(f"--parallel {parallel}: there are {len(cores)} cores")
    return [frozenset(cores[number::parallel]) for number in range(parallel)]
