"""The real program, killed with SIGKILL: self-play, trainer, evaluator, supervisor and screen.

One run directory, many starts. In each start workers and screens are killed one after the other, at
random times and at chosen points, and must be replaced; then the supervisor is, alone or with all
its workers at once. After each restart the directory is compared, from outside, with everything
that was ever announced.
"""

import os
import pty
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.run_process import ROOT, RunProcess, Way
from tests.run_witness import Event, Witness, faults, half_written
from tests.test_kills import Moment, in_recovery, while_a_checkpoint_is_written

KILLS_A_START: Final = 8
"""The last of them is the supervisor's."""
PATIENT: Final = (
    *("--set", "supervisor.max_crashes=1000000"),
    *("--set", "supervisor.backoff_max_s=0.1"),  # Waiting longer after many kills shows nothing.
)
AGAIN: Final = 0.4
"""How often a worker that is just being replaced is killed once more, while it loads."""
LOADING_S: Final = 4.0
SCREEN_S: Final = 60.0

Target = str
TARGETS: Final[tuple[Target, ...]] = ("sp0", "trainer", "evaluator", "screen")


def at_once(run: RunProcess, rng: Random) -> None:
    """Wherever it is just now."""


def some_time_later(run: RunProcess, rng: Random) -> None:
    run.listen(rng.uniform(0.0, 1.5))


def when_a_shard_is_told(run: RunProcess, rng: Random) -> None:
    run.wait_for("ShardWritten")
    run.listen(rng.uniform(0.0, 0.02))


def while_the_network_learns(run: RunProcess, rng: Random) -> None:
    run.wait_for("TrainingStep")
    run.listen(rng.uniform(0.0, 0.1))


def in_a_match(run: RunProcess, rng: Random) -> None:
    run.wait_for("MatchStarted")
    run.listen(rng.uniform(0.0, 0.2))


POINTS: Final[dict[Target, tuple[Moment, ...]]] = {
    "sp0": (at_once, some_time_later, when_a_shard_is_told),
    "trainer": (some_time_later, while_the_network_learns, while_a_checkpoint_is_written),
    "evaluator": (some_time_later, in_a_match),
    "screen": (at_once, some_time_later),
    "supervisor": (
        at_once,
        some_time_later,
        when_a_shard_is_told,
        while_a_checkpoint_is_written,
        in_a_match,
    ),
}


@dataclass
class RealKills:
    """What came of them."""

    by_target: Counter[Target] = field(default_factory=Counter)
    games: int = 0
    """Announced."""
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    orphans: int = 0
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the start of a process to a run that is in order."""
    replacements: list[float] = field(default_factory=list)
    """Seconds from the kill of a worker to one that is ready."""

    @property
    def kills(self) -> int:
        return self.by_target.total()

    def lines(self) -> list[str]:
        what = ", ".join(f"{number} {target}" for target, number in sorted(self.by_target.items()))
        return [
            f"{self.kills} kills of the real program ({what}): {self.games} games and "
            f"{self.checkpoints} checkpoints announced, {len(self.problems)} problems, "
            f"{self.orphans} orphans",
            f"{len(self.recoveries)} starts in order after {_spread(self.recoveries)}; workers "
            f"replaced after {_spread(self.replacements)}",
        ]


def kill(kills: int, seed: int) -> RealKills:
    """So many kills of one run, which then has to complete a cycle."""
    with tempfile.TemporaryDirectory(prefix="real-kills-") as place:
        campaign = _Campaign(Path(place) / "run", Random(seed))
        while campaign.figures.kills < kills:
            campaign.live(min(KILLS_A_START, kills - campaign.figures.kills))
        campaign.complete()
        figures = campaign.figures
        figures.games = campaign.witness.games
        figures.checkpoints = len(campaign.witness.checkpoints)
    return figures


class _Campaign:
    def __init__(self, directory: Path, rng: Random) -> None:
        self.directory = directory
        self.rng = rng
        self.witness = Witness()
        self.figures = RealKills()
        self._halves: set[Path] = set()

    def live(self, kills: int) -> None:
        """One start: all but one of the kills hit workers and screens, the last the supervisor."""
        rng, figures = self.rng, self.figures
        with self._start() as run:
            if rng.random() < 0.15 and self.witness.checkpoints:
                in_recovery(run, rng)
            else:
                self._await_recovery(run)
                last = figures.kills + kills - 1
                while figures.kills < last:
                    target = rng.choice(TARGETS)
                    if target == "screen":
                        self._kill_screen(run)
                    else:
                        self._kill_worker(run, target, last - figures.kills)
                rng.choice(POINTS["supervisor"])(run, rng)
            way: Way = rng.choice(("group", "everything"))
            orphans = run.kill(way)
            figures.by_target["supervisor"] += 1
            figures.orphans += orphans
        self._halves = half_written(self.directory)

    def complete(self) -> None:
        """One more cycle, without a kill."""
        with self._start("--cycles", str(self.witness.cycle + 1)) as run:
            self._await_recovery(run)
            if code := run.finish():
                self.figures.problems.append(f"the last start ended with {code}")
        self._check("at the end")

    def _start(self, *words: str) -> RunProcess:
        return RunProcess(self.directory, *PATIENT, *words, hear=self._hear)

    def _hear(self, event: Event) -> None:
        self.witness.hear(event)

    def _await_recovery(self, run: RunProcess) -> None:
        try:
            run.wait_for("Recovered")
        except AssertionError as error:
            self.figures.unreadable.append(str(error))
            raise
        self.figures.recoveries.append(run.recovered_s)
        self._check(f"after {self.figures.kills} kills")

    def _check(self, when: str) -> None:
        self.figures.problems += [
            f"{when}: {fault}" for fault in faults(self.directory, self.witness)
        ]
        stayed = self._halves & half_written(self.directory)
        self.figures.problems += [f"{when}: {path} was not swept" for path in stayed]
        self.witness.complaints.clear()

    def _kill_worker(self, run: RunProcess, worker: str, most: int) -> None:
        """At one of its points; now and then its replacement too, `most` kills in all."""
        started = [e for e in run.events if _is(e, "WorkerStarted", worker)]
        while not started:
            event = run.wait_for("WorkerStarted")
            started = [event] if event["worker"] == worker else []
        self.rng.choice(POINTS[worker])(run, self.rng)
        pid = [e["pid"] for e in run.events if _is(e, "WorkerStarted", worker)][-1]
        began = self._kill(run, worker, pid)
        for _ in range(most - 1):
            if self.rng.random() >= AGAIN:
                break
            pid = run.wait_for("WorkerStarted", lambda e: e["worker"] == worker)["pid"]
            run.listen(self.rng.uniform(0.0, LOADING_S))
            began = self._kill(run, worker, pid)
        run.wait_for("WorkerReady", lambda e: e["worker"] == worker)
        self.figures.replacements.append(time.monotonic() - began)

    def _kill(self, run: RunProcess, worker: str, pid: int) -> float:
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.figures.by_target[worker] += 1
        run.wait_for("WorkerExited", lambda e: e["worker"] == worker)
        return began

    def _kill_screen(self, run: RunProcess) -> None:
        """A screen in a terminal of its own; the run must not notice its end."""
        ours, theirs = pty.openpty()
        code = "from matrix0.cli import tui_main; tui_main()"
        words = [sys.executable, "-c", code, "--run", str(self.directory)]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        screen = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment
        )
        os.close(theirs)
        try:
            _read_until_drawn(ours)
            self.rng.choice(POINTS["screen"])(run, self.rng)
            if screen.poll() is not None:
                self.figures.problems.append("a screen ended by itself")
        finally:
            screen.kill()
            screen.wait()
            os.close(ours)
        self.figures.by_target["screen"] += 1
        if run.process.poll() is not None:
            self.figures.problems.append("the run ended with its screen")
        else:
            run.wait_for("Heartbeat")


def _read_until_drawn(terminal: int) -> None:
    """Until the screen shows the run's name, or long enough for it to have failed."""
    deadline = time.monotonic() + SCREEN_S
    drawn = b""
    while b"run" not in drawn and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            drawn = drawn[-64:] + os.read(terminal, 65536)


def _is(event: Event, kind: str, worker: str) -> bool:
    return event["type"] == kind and event["worker"] == worker


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "-"
    return f"{statistics.median(seconds):.1f} s (median), at most {max(seconds):.1f} s"
