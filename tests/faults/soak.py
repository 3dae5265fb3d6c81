"""An hour of preset `tiny` in which something is killed every minute: memory, and what it learns.

python -m tests.faults.soak [--minutes 60] [--every 60] [--seed 7] [--run DIRECTORY]

`--every 0` kills nothing: the run to compare with. Everything that was announced is compared with
the directory at the end, as after each kill of `make faults`. With an existing `--run` it goes on.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import psutil

from tests.faults.real_kills import PATIENT
from tests.run_process import GONE_S, RunProcess, processes_of
from tests.run_witness import Witness, faults, half_written

MIB: Final = 1 << 20
SETTINGS: Final = ("device.kind=cpu",)
"""Otherwise the preset as it is."""
WARM_S: Final = 300.0
"""Memory grows until all workers have played, trained and measured once."""


@dataclass
class Soak:
    """What came of it."""

    seconds: float = 0.0
    by_role: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    """(seconds since the start, MiB resident of all processes together)."""
    orphans: int = 0
    problems: list[str] = field(default_factory=list)
    witness: Witness = field(default_factory=Witness)

    def lines(self) -> list[str]:
        kills = ", ".join(f"{number} {role}" for role, number in sorted(self.by_role.items()))
        witness = self.witness
        warm = [mib for at, mib in self.memory if at > WARM_S] or [mib for _, mib in self.memory]
        third = max(1, len(warm) // 3)
        return [
            f"{self.by_role.total()} kills in {self.seconds / 60:.0f} minutes ({kills or 'none'}): "
            f"{len(witness.shards)} shards, {witness.games} games, "
            f"{len(witness.checkpoints)} checkpoints, {len(witness.matches)} matches and "
            f"{witness.cycle} cycles announced; {len(self.problems)} problems, "
            f"{self.orphans} orphans",
            f"recovery {statistics.median(self.recoveries):.1f} s (median), "
            f"at most {max(self.recoveries):.1f} s",
            f"all processes held {min(warm):.0f} to {max(warm):.0f} MiB, "
            f"{statistics.fmean(warm[:third]):.0f} in the first third and "
            f"{statistics.fmean(warm[-third:]):.0f} in the last",
        ]


def soak(directory: Path, minutes: float, every_s: float, seed: int) -> Soak:
    """Runs until the time is up, started again whenever its supervisor was killed."""
    result, rng = Soak(), Random(seed)
    began = time.monotonic()
    end = began + 60 * minutes
    halves: set[Path] = set()
    while time.monotonic() < end:
        with RunProcess(directory, *PATIENT, hear=result.witness.hear, settings=SETTINGS) as run:
            run.wait_for("Recovered")
            result.recoveries.append(run.recovered_s)
            result.problems += faults(directory, result.witness)
            result.problems += [
                f"{path} was not swept" for path in halves & half_written(directory)
            ]
            result.witness.complaints.clear()
            while (now := time.monotonic()) < end and run.process.poll() is None:
                run.listen(min(every_s or 60.0, end - now))
                result.memory.append((time.monotonic() - began, _resident(directory)))
                if every_s and time.monotonic() < end and _kill_one(run, rng, result):
                    break
            else:
                if run.process.poll() is not None:
                    result.problems.append(f"the run ended with {run.process.returncode}")
                run.process.terminate()
                run.finish()
            halves = half_written(directory)
    result.seconds = time.monotonic() - began
    result.problems += result.witness.complaints
    return result


def _kill_one(run: RunProcess, rng: Random, result: Soak) -> bool:
    """One process of the run, chosen at random; whether it was the supervisor."""
    process = rng.choice(sorted(processes_of(run.directory), key=lambda each: each.pid))
    if process.pid == run.process.pid:
        result.by_role["supervisor"] += 1
        result.orphans += run.kill("group")
        return True
    roles = {e["pid"]: e["worker"] for e in run.events if e["type"] == "WorkerStarted"}
    result.by_role[roles.get(process.pid, "other")] += 1
    process.kill()
    return False


def _resident(directory: Path) -> float:
    held = 0
    for process in processes_of(directory):
        try:
            held += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return held / MIB


def curve(directory: Path, name: str, every: int = 100) -> list[tuple[int, float]]:
    """(step, mean of the readings up to it) of a curve."""
    with closing(sqlite3.connect(f"file:{directory}/matrix0.db?mode=ro", uri=True)) as database:
        return list(
            database.execute(
                "SELECT ((step - 1) / ? + 1) * ? AS upto, avg(value) FROM metrics WHERE name = ?"
                " GROUP BY upto ORDER BY upto",
                (every, every, name),
            )
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between kills; 0: none")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--run", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        directory = (args.run or Path(place) / "run").absolute()
        result = soak(directory, args.minutes, args.every, args.seed)
        psutil.wait_procs(left := processes_of(directory), timeout=GONE_S)
        result.orphans += sum(process.is_running() for process in left)
        for line in result.lines():
            print(line)
        for name in ("policy_loss", "value_loss"):
            points = " ".join(f"{step}:{value:.3f}" for step, value in curve(directory, name))
            print(f"{name} by steps  {points or 'none yet'}")
        for problem in result.problems:
            print(f"PROBLEM {problem}")
    return 1 if result.problems or result.orphans else 0


if __name__ == "__main__":
    sys.exit(main())
