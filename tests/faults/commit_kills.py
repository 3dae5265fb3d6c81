"""The small run, killed with SIGKILL again and again: at random times, and at chosen system calls.

    python -m tests.faults.commit_kills KILLS SEED        figures as JSON

A process of its own without torch and without threads, since it forks: each child is one start of
the run, from recovery on, warm at once.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from backend.filesystem import FileSystem, OsFileSystem
from tests.faults.workload import Acknowledged, Event, Workload

ROOT: Final = Path(__file__).resolve().parents[2]
KILLS_A_RUN: Final = 10
"""Then a new directory: recovery must not only work when there is much."""
FIRST_DELAY_S, LAST_DELAY_S = 0.002, 0.12
MOST_CALLS: Final = 120
LIMIT_S: Final = 60.0
CALLS: Final = frozenset(name for name in dir(FileSystem) if not name.startswith("_"))


class CommitKills(msgspec.Struct, kw_only=True):
    """What came of them."""

    kills: int = 0
    at_calls: int = 0
    """Of the kills, those just before or after a system call; the others came at random times."""
    shards: int = 0
    """Acknowledged."""
    checkpoints: int = 0
    adopted: int = 0
    """Shards that were on disk without a row."""
    swept: int = 0
    """Half-written files."""
    problems: list[str] = []
    median_s: float = 0.0
    """Recovery."""
    slowest_s: float = 0.0


class _Deadly(OsFileSystem):
    """Dies at the n-th call, before or after it."""

    def __init__(self, calls_left: int, *, before: bool) -> None:
        self._calls_left = calls_left
        self._before = before

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if name not in CALLS:
            return attribute

        def call(*arguments: Any) -> Any:
            self._calls_left -= 1
            is_last = self._calls_left == 0
            if is_last and self._before:
                os.kill(os.getpid(), signal.SIGKILL)
            done = attribute(*arguments)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return call


class _InPlace(_Deadly):
    """The control: writes files where they will stay, in small pieces."""

    def create(self, path: Path) -> int:
        plain = path.with_name(path.name.partition(".tmp.")[0])
        return os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def write(self, fd: int, data: memoryview) -> int:
        return super().write(fd, data[:4096])

    def rename(self, old: Path, new: Path) -> None:
        if old.exists():
            super().rename(old, new)


class _Child:
    """One start of the run in a forked process; it waits for `go` once it has recovered."""

    def __init__(self, directory: Path, seed: int, fs: OsFileSystem) -> None:
        told, tell = os.pipe()
        wait, go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(told)
            os.close(go)
            _live(directory, seed, fs, tell, wait)
        os.close(tell)
        os.close(wait)
        self._told = told
        self._go = go
        self._rest = b""

    def hear(
        self, seconds: float, until: Callable[[Event], bool], take: Callable[[Event], None]
    ) -> bool:
        """Takes what is told within `seconds`; True when `until` was met, False at the end."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._told], [], [], left)[0]:
                return False
            data = os.read(self._told, 1 << 16)
            if not data:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            events = [json.loads(line) for line in lines]
            for event in events:
                take(event)
            if any(map(until, events)):
                return True
        return False

    def go(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # It died between telling and waiting.
            os.write(self._go, b"g")

    def end(self, take: Callable[[Event], None]) -> None:
        """SIGKILL, and what had been told before."""
        os.kill(self.pid, signal.SIGKILL)
        self.hear(LIMIT_S, lambda event: False, take)
        os.waitpid(self.pid, 0)
        os.close(self._told)
        os.close(self._go)


def _live(directory: Path, seed: int, fs: OsFileSystem, tell: int, wait: int) -> None:
    def say(event: Event) -> None:
        os.write(tell, json.dumps(event).encode() + b"\n")

    def ready() -> None:
        say({"type": "Ready"})
        os.read(wait, 1)

    code = 1
    try:
        asyncio.run(Workload(directory, say, seed=seed, fs=fs).run(10_000, ready=ready))
        code = 0
    finally:
        os._exit(code)


def kill(kills: int, seed: int, *, naive: bool = False) -> CommitKills:
    """Runs the campaign in a process of its own; `naive` is the control."""
    words = [sys.executable, "-m", "tests.faults.commit_kills", str(kills), str(seed)]
    words += ["naive"] if naive else []
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr.decode()[-3000:])
    return msgspec.json.decode(done.stdout, type=CommitKills)


def _campaign(kills: int, seed: int, *, naive: bool) -> CommitKills:
    figures, seconds = CommitKills(), []
    rng = Random(seed)
    while figures.kills < kills:
        with tempfile.TemporaryDirectory(prefix="commit-kills-") as place:
            known = Acknowledged()
            directory = Path(place) / "run"
            for _ in range(min(KILLS_A_RUN, kills - figures.kills)):
                _kill_once(directory, known, figures, rng, naive=naive)
            # The last one is looked at too.
            child = _Child(directory, 0, OsFileSystem())
            _recover(child, directory, known, figures)
            child.end(known.hear)
            figures.shards += len(known.witness.shards)
            figures.checkpoints += len(known.witness.checkpoints)
            seconds += known.seconds
    figures.median_s = statistics.median(seconds)
    figures.slowest_s = max(seconds)
    return figures


def _kill_once(
    directory: Path, known: Acknowledged, figures: CommitKills, rng: Random, *, naive: bool
) -> None:
    at_call = naive or rng.random() < 0.5
    if at_call:
        deadly = _InPlace if naive else _Deadly
        fs: OsFileSystem = deadly(rng.randint(1, MOST_CALLS), before=rng.random() < 0.5)
    else:
        fs = OsFileSystem()
    child = _Child(directory, rng.getrandbits(32), fs)
    if _recover(child, directory, known, figures, may_die=at_call):
        child.go()
        delay = LIMIT_S if at_call else rng.uniform(FIRST_DELAY_S, LAST_DELAY_S)
        child.hear(delay, lambda event: False, known.hear)
    child.end(known.hear)
    figures.kills += 1
    figures.at_calls += at_call


def _recover(
    child: _Child,
    directory: Path,
    known: Acknowledged,
    figures: CommitKills,
    *,
    may_die: bool = False,
) -> bool:
    """Hears a child until it has recovered, and compares the disk with what was acknowledged."""

    def take(event: Event) -> None:
        known.hear(event)
        if event["type"] == "Recovered":
            figures.adopted += event["adopted_shards"]
            figures.swept += event["swept"]

    if child.hear(LIMIT_S, lambda event: event["type"] == "Ready", take):
        figures.problems += known.violations(directory)
        return True
    if not may_die:
        figures.problems.append("a start did not recover")
    return False


if __name__ == "__main__":
    figures = _campaign(int(sys.argv[1]), int(sys.argv[2]), naive="naive" in sys.argv)
    print(msgspec.json.encode(figures).decode())
