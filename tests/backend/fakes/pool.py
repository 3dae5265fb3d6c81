"""A pool whose workers live and die as a test says, with a clock that a test moves."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping

from backend.commands import Stop, WorkerCommand
from backend.errors import WorkerError
from backend.events import EventBase
from backend.pool import Exited, Line, Lost, Placed, PoolEvent, ProcessSpec
from backend.wire import encode

Program = Callable[["FakePool", str], None]
"""What a worker of the second argument's name does once it is started."""


class FakePool:
    """Implements WorkerPool without processes; `test_pool.py` holds it to the others' promises."""

    def __init__(
        self,
        *,
        obeys_stop: bool = True,
        exits_at_once: int | None = None,
        programs: Mapping[str, Program] | None = None,
        dies_of: frozenset[int] = frozenset({signal.SIGKILL}),
    ) -> None:
        """`programs` by the last word of the command line; without them every start succeeds."""
        self._obeys_stop = obeys_stop
        self._exits_at_once = exits_at_once
        self._programs = programs
        self._dies_of = dies_of
        self.echoes: set[str] = set()
        """Workers that say what they are told."""
        self._happened: asyncio.Queue[PoolEvent] = asyncio.Queue()
        self._alive: set[str] = set()
        self.starts: list[str] = []
        self.sent: list[tuple[str, WorkerCommand | bytes]] = []
        self.signals: list[tuple[str, int]] = []
        self.started = asyncio.Event()
        self.node = ""
        self.refusal: WorkerError | None = None
        """What the next start raises."""

    async def start(self, spec: ProcessSpec) -> Placed:
        if spec.worker in self._alive:
            raise WorkerError(f"{spec.worker} is already running")
        if self._programs is not None and spec.argv[-1] not in self._programs:
            raise WorkerError(f"{spec.worker} cannot be started: no program {spec.argv[-1]!r}")
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal
        self.starts.append(spec.worker)
        self._alive.add(spec.worker)
        self.started.set()
        if self._exits_at_once is not None:
            self.end(spec.worker, self._exits_at_once)
        if self._programs is not None:
            self._programs[spec.argv[-1]](self, spec.worker)
        return Placed(1000 + len(self.starts), self.node)

    async def send(self, worker: str, command: WorkerCommand | bytes) -> None:
        if worker not in self._alive:
            raise WorkerError(f"{worker} is not running")
        self.sent.append((worker, command))
        if worker in self.echoes:
            self.say(worker, encode(command).rstrip())
        if isinstance(command, Stop) and self._obeys_stop:
            self.end(worker, 0)

    async def events(self) -> AsyncIterator[PoolEvent]:
        while True:
            yield await self._happened.get()

    def signal(self, worker: str, number: int) -> None:
        self.signals.append((worker, number))
        if number in self._dies_of:
            self.end(worker, -number)

    def running(self) -> frozenset[str]:
        return frozenset(self._alive)

    def say(self, worker: str, event: EventBase | bytes) -> None:
        line = event if isinstance(event, bytes) else encode(event).rstrip()  # type: ignore[arg-type]
        self._happened.put_nowait(Line(worker, line))

    def end(self, worker: str, code: int) -> None:
        if worker in self._alive:
            self._alive.remove(worker)
            self._happened.put_nowait(Exited(worker, code))

    def lose(self, worker: str, reason: str, *, is_told: bool = False) -> None:
        """Its machine is gone."""
        if worker in self._alive:
            self._alive.remove(worker)
            self._happened.put_nowait(Lost(worker, reason, is_told))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looked_at = asyncio.Event()
        """Set when somebody looks."""

    def __call__(self) -> float:
        self.looked_at.set()
        return self.now
