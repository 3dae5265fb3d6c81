"""Helpers of a pool that are lent pieces of work, on this machine or on a cluster's.

    work ─► pieces ─► lent to helpers ─► results, in any order ─► each counts once
              ▲── the helper died, its node was lost, or its time is over

Helpers are processes of a pool (`backend/pool.py`). Those that end are started again, with growing
delays, unless they do so again and again without a result. A thread of its own serves them.
"""

import asyncio
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec

from backend.cluster.leases import Leases
from backend.cluster.pool import RayPool
from backend.commands import WorkerCommand
from backend.errors import NoPlaceError, WorkerError
from backend.pool import Exited, Line, LocalPool, Lost, ProcessSpec, WorkerPool

LEASE_S: Final = 120.0
"""A helper that says nothing for so long has its pieces taken by others."""
AHEAD: Final = 2
"""Pieces that a helper may have, so that it need not wait for the next one."""
MAX_FAILURES: Final = 5
"""In a row, without a result between: then a helper is given up."""
MAX_DELAY_S: Final = 30.0
TICK_S: Final = 1.0

Pool = LocalPool | RayPool
Work = TypeVar("Work")


@dataclass(eq=False)
class Helper:
    """One process, in all its lives."""

    spec: ProcessSpec
    is_up: bool = False
    """Whether it takes work."""
    is_given_up: bool = False
    failures: int = 0
    end: asyncio.Queue[Exited | Lost] = field(default_factory=asyncio.Queue)

    @property
    def name(self) -> str:
        return self.spec.worker


class Fleet(ABC, Generic[Work]):
    """The part that all fleets share. Everything below `close` happens in the fleet's thread."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        pool: Pool,
        *,
        say: Callable[[str], None],
        lease_s: float = LEASE_S,
    ) -> None:
        """`say` is told, in the fleet's thread, of helpers given up."""
        self.helpers = {spec.worker: Helper(spec) for spec in specs}
        self.leases = Leases[Work](lease_s)
        self.why = "no helper could be started"
        """What went wrong last."""
        self._pool = pool
        self._say = say
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._handing_out = asyncio.Lock()
        self._is_serving = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fleet", daemon=True)

    def begin(self) -> None:
        """Starts the helpers."""
        self._thread.start()
        self._is_serving.wait()

    def close(self) -> None:
        """Ends all helpers."""
        self.in_thread(self._over.set)
        if self._thread.ident is not None:
            self._thread.join()

    def in_thread(self, call: Callable[[], None]) -> None:
        """`call` is made in the fleet's thread, unless that has ended; from any thread."""
        if self._thread.is_alive() and self._loop is not None:
            self._loop.call_soon_threadsafe(call)

    def wake(self) -> None:
        """There is work again; from any thread."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._woken(), self._loop)

    # What a fleet is for --------------------------------------------------------------------------

    @abstractmethod
    def fresh_work(self) -> Work | None:
        """A piece that nobody had yet; None when there is none."""

    @abstractmethod
    def orders(self, number: int, work: Work) -> Sequence[WorkerCommand | bytes]:
        """What a helper is told that is lent a piece."""

    @abstractmethod
    def listen(self, helper: Helper, line: bytes) -> None:
        """Takes a line of a helper; `msgspec.MsgspecError` for one that makes no sense."""

    @abstractmethod
    def abandon(self) -> None:
        """Nobody is left to work, now or ever; `why` says why. May be called more than once."""

    # For those who implement it -------------------------------------------------------------------

    def renew(self, helper: Helper) -> None:
        """A result, or another sign that it is at work."""
        helper.failures = 0
        self.leases.renew(helper.name, time.monotonic())

    def give_up(self, helper: Helper, why: str) -> None:
        """It gets no more work and is not started again."""
        if helper.is_given_up:
            return
        helper.is_given_up = True
        helper.is_up = False
        self.leases.lose(helper.name)
        self.why = why
        if self._is_anybody_left():
            self._say(f"{helper.name} is given up: {why}")
        else:
            self.abandon()

    def kill(self, helper: Helper) -> None:
        """Its end will be heard of."""
        self._pool.signal(helper.name, signal.SIGKILL)

    # Inside ---------------------------------------------------------------------------------------

    def _is_anybody_left(self) -> bool:
        return not all(helper.is_given_up for helper in self.helpers.values())

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            self._is_serving.set()
            self.abandon()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_serving.set()
        async with self._pool as pool, asyncio.TaskGroup() as tasks:
            keepers = [
                tasks.create_task(self._keep(pool, helper)) for helper in self.helpers.values()
            ]
            others = [tasks.create_task(self._hear(pool)), tasks.create_task(self._tick(pool))]
            await self._over.wait()
            for task in (*keepers, *others):
                task.cancel()

    async def _keep(self, pool: WorkerPool, helper: Helper) -> None:
        """Starts it, and again when it has ended, until it is given up."""
        while not helper.is_given_up:
            try:
                await pool.start(helper.spec)
                end = await helper.end.get()
                if isinstance(end, Exited):
                    helper.failures += 1
                    self.why = f"{helper.name} ended ({end.code}); {helper.spec.log} says why"
            except NoPlaceError as error:
                if self.why != str(error):
                    self._say(f"{error}; it is tried again")
                self.why = str(error)
            except WorkerError as error:
                helper.failures += 1
                self.why = str(error)
            if helper.failures >= MAX_FAILURES:
                self.give_up(helper, self.why)
            else:
                await asyncio.sleep(min(MAX_DELAY_S, 2.0**helper.failures - 0.5))

    async def _hear(self, pool: WorkerPool) -> None:
        async for happened in pool.events():
            helper = self.helpers[happened.worker]
            match happened:
                case Line():
                    try:
                        self.listen(helper, happened.data)
                    except msgspec.MsgspecError:
                        self.kill(helper)  # It is broken; the next one may not be.
                case Exited() | Lost():
                    helper.is_up = False
                    self.leases.lose(helper.name)
                    helper.end.put_nowait(happened)
            await self._hand_out(pool)

    async def _tick(self, pool: WorkerPool) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self.leases.expire(time.monotonic()):
                await self._hand_out(pool)

    async def _woken(self) -> None:
        if self._is_anybody_left():
            await self._hand_out(self._pool)
        else:
            self.abandon()

    async def _hand_out(self, pool: WorkerPool) -> None:
        """Gives pieces to whoever has room."""
        async with self._handing_out:
            for helper in self.helpers.values():
                while helper.is_up and self.leases.held_by(helper.name) < AHEAD:
                    lent = self._piece_for(helper.name)
                    if lent is None:
                        return
                    try:
                        for order in self.orders(*lent):
                            await pool.send(helper.name, order)
                    except WorkerError:
                        helper.is_up = False  # Its end is on the way.
                        self.leases.lose(helper.name)

    def _piece_for(self, name: str) -> tuple[int, Work] | None:
        now = time.monotonic()
        lent = self.leases.lend_waiting(name, now)
        if lent is None and (work := self.fresh_work()) is not None:
            lent = self.leases.lend(work, name, now), work
        return lent
