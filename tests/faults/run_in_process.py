"""A run in this process for tests of its state: the real supervisor, database and files.

Its workers are words that a test puts into their mouths; what they would write to disk is written.
`kill` leaves what SIGKILL leaves: the disk as it is at that instant, of which a copy goes on.
"""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import numpy as np

from backend import checkpoints
from backend.commands import ClientCommand, PlayMatch, WorkerCommand
from backend.commit import sha256_of
from backend.config import Config
from backend.errors import ConfigError, ExitCode
from backend.events import CheckpointSaved, EventBase, Role, ShardWritten, WorkerReady
from backend.ledger import Ledger
from backend.pool import Placed, PoolEvent, WorkerSpec
from backend.recovery import Findings, open_ledger, recover
from backend.replay.records import GameRecord
from backend.replay.shards import ShardWriter
from backend.rundir import RunDirectory
from backend.settings import load_config
from backend.store.journal import Journal
from backend.supervisor import Mission, Supervisor
from tests.backend.fakes.pool import Clock, FakePool
from tests.backend.fakes.worker import random_game
from tests.limits import PATIENCE_S

CONFIG: Final = """
[selfplay]
workers = 1
[replay]
min_positions = 4
window_positions = 8
[training]
steps_per_cycle = 10
[evaluation]
games = 2
baseline_games = 2
[supervisor]
backoff_s = 0.001
backoff_max_s = 0.002
max_crashes = 10000
keep_checkpoints = 2
backup_every_s = 0.0
reserve_mib = 0
"""
WORKERS: Final[dict[str, Role]] = {
    "sp0": "selfplay",
    "trainer": "trainer",
    "evaluator": "evaluator",
}

_T = TypeVar("_T")


@cache
def _games() -> list[GameRecord]:
    rng = Random(1)
    return [random_game(rng) for _ in range(12)]


class _Pool(FakePool):
    """Its workers are ready at once; it knows when everything that was said has been dealt with."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = asyncio.Event()

    async def start(self, spec: WorkerSpec) -> Placed:
        placed = await super().start(spec)
        name, pid = spec.worker, placed.pid
        self.say(
            name, WorkerReady(worker=name, role=spec.role, pid=pid, device="cpu", reason="fake")
        )
        return placed

    def say(self, worker: str, event: EventBase | bytes) -> None:
        self.idle.clear()
        super().say(worker, event)

    def end(self, worker: str, code: int) -> None:
        self.idle.clear()
        super().end(worker, code)

    async def events(self) -> AsyncIterator[PoolEvent]:
        async for happened in super().events():
            yield happened  # Whoever comes back has dealt with it.
            if self._happened.empty():
                self.idle.set()

    def last(self, worker: str, kind: type[WorkerCommand]) -> WorkerCommand | None:
        """The newest order of a kind that a worker was given."""
        given = [order for name, order in self.sent if name == worker and isinstance(order, kind)]
        return given[-1] if given else None


class RunInProcess:
    """One run through many starts. `close` it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lives = 0
        self.run = RunDirectory(folder / "run-0")
        self.run.create()
        self.run.config_file.write_text(CONFIG, encoding="utf-8")
        self.run.write_config(load_config(self.run.config_file))
        self._loop = asyncio.new_event_loop()
        # One thread, so that a last word through it comes after everything else.
        self._loop.set_default_executor(ThreadPoolExecutor(1))
        self._handlers = [(n, signal.getsignal(n)) for n in _SIGNALS]
        self.clock = Clock()
        self.clock.now = 1.8e9
        self.remarks: list[str] = []
        """What the last start had to say."""
        self.config: Config
        self.ledger: Ledger
        self.pool: _Pool
        self._supervisor: Supervisor
        self._findings: Findings
        self._journal: Journal
        self._work: asyncio.Task[int] | None = None
        self.start()

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of something that needs the run's event loop, in limited time."""
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE_S))

    # Starts and ends ------------------------------------------------------------------------------

    def start(self) -> None:
        self.do(self._start())

    async def _start(self) -> None:
        self.config = config = self.run.read_config()
        self.ledger, self._journal, remarks = await open_ledger(self.run, clock=self._now)
        try:
            self._findings = await recover(self.run, config, self.ledger, remarks)
        except ConfigError:
            await self._close()
            raise
        self.remarks = list(remarks)
        self.pool = _Pool()
        mission = Mission(run=self.run, config=config)
        self._supervisor = Supervisor(mission, self._findings, self.pool, lambda *_: ["fake"])
        self._work = asyncio.ensure_future(self._supervisor.run())
        await self._settle()

    def _now(self) -> float:
        self.clock.now += 0.5
        return self.clock.now

    def stop(self, command: ClientCommand) -> None:
        """Ends the run in order."""
        self.ask(command, settle=False)
        self.do(self._stop())

    async def _stop(self) -> None:
        assert self._work is not None
        assert await self._work == ExitCode.DONE
        await self.ledger.flush()
        await self._close()

    async def _close(self) -> None:
        await self.ledger.store.close()
        self._journal.close()
        self._work = None
        for number, handler in self._handlers:
            signal.signal(number, handler)

    def kill(self, *, after_turns: int = 0) -> None:
        """SIGKILL after so many turns of the event loop: what is on disk then is all there is."""
        self.do(self._kill(after_turns))

    async def _kill(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        assert self._work is not None
        self._work.cancel()
        await asyncio.wait([self._work])
        assert self._work.cancelled(), self._work.exception()
        await asyncio.to_thread(lambda: None)
        await self.ledger.store.best()  # Comes after whatever the database was told before.
        self._lives += 1
        copy = self._folder / f"run-{self._lives}"
        shutil.copytree(self.run.path, copy, ignore=shutil.ignore_patterns("*-shm"))
        await self._close()
        shutil.rmtree(self.run.path)
        self.run = RunDirectory(copy)

    def lose_database(self) -> None:
        """Of a run that does not work."""
        for path in self.run.path.glob("matrix0.db*"):
            path.unlink()

    def close(self) -> None:
        self.do(self._give_up())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _give_up(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
            await self._close()

    # What happens ---------------------------------------------------------------------------------

    def ask(self, command: ClientCommand, *, settle: bool = True) -> str:
        """An order of a person: why it was refused, or nothing."""
        refused = self.do(self._supervisor._on_request(command, "test")).refused
        if settle:
            self.settle()
        return refused

    def say(self, worker: str, event: EventBase) -> None:
        self.pool.say(worker, event)

    def die(self, worker: str) -> None:
        self.pool.end(worker, -9)

    def settle(self) -> None:
        """Until all is heard, admitted, and every worker is there."""
        self.do(self._settle())

    async def _settle(self) -> None:
        while True:
            await self._findings.intake.settle()
            is_quiet = self.pool.idle.is_set() and self.pool.running() == WORKERS.keys()
            assert self._work is not None
            if self._work.done():
                raise AssertionError("the run has ended") from self._work.exception()
            if is_quiet:
                return
            await asyncio.sleep(0.0005)

    # What workers leave on disk -------------------------------------------------------------------

    def write_shard(self, rng: Random) -> ShardWritten:
        """A shard of one or two games, committed and not announced."""
        writer = ShardWriter(
            self.run.replay, "sp-sp0", producer="sp0", orientation="white", network="x"
        )
        written = writer.write(rng.sample(_games(), rng.randint(1, 2)))
        return ShardWritten(
            worker="sp0",
            name=written.name,
            sha256=written.sha256,
            games=written.num_games,
            positions=written.num_positions,
        )

    def write_checkpoint(self, step: int, reason: str) -> CheckpointSaved:
        """A checkpoint, committed and not announced."""
        arrays = {"weights": np.full(2, step, np.float32)}
        path = checkpoints.save(
            self.run.checkpoints,
            step=step,
            model=self.config.model,
            parts={"model": arrays, "ema": arrays, "optimizer": {}},
            data_position={checkpoints.SAVED_BECAUSE: reason},
        )
        digest = sha256_of(path / checkpoints.MANIFEST)
        return CheckpointSaved(
            name=path.name, step=step, sha256=digest, size_mib=0.1, reason=reason
        )

    def match_to_play(self) -> PlayMatch | None:
        """The last order of the evaluator in this start."""
        order = self.pool.last("evaluator", PlayMatch)
        assert order is None or isinstance(order, PlayMatch)
        return order


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
