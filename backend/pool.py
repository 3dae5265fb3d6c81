"""Starting, ordering, hearing and stopping worker processes, whatever machine they run on.

The supervisor knows `WorkerPool` only. `LocalPool` runs children of this process over pipes; a pool
for a cluster would relay the same lines. Restart policy is not here: see `backend/supervision.py`.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from backend.commands import WorkerCommand
from backend.errors import WorkerError
from backend.events import Role
from backend.logfile import open_log
from backend.wire import encode

LINE_LIMIT: Final = 1024 * 1024
"""Longest line that is read from a worker; more is a broken worker and is skipped."""
TOO_LONG: Final = b"(a line too long to read)"
"""What stands for it."""
MAX_WAITING: Final = 1024
"""Lines held for the supervisor; when it is busier than that, workers wait in their pipes."""
SEND_LIMIT_S: Final = 5.0
MAX_LOG_BYTES: Final = 16 * 1024 * 1024
"""A worker's log longer than this is set aside (one generation) when the worker starts."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """Everything needed to start one process; a pool on a cluster finds a place for it there."""

    worker: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    """Its stderr is appended here."""


@dataclass(frozen=True, kw_only=True)
class WorkerSpec(ProcessSpec):
    """A worker of a run; of these only self-play leaves this machine."""

    role: Role


@dataclass(frozen=True)
class Line:
    """One line of a worker, without its newline."""

    worker: str
    data: bytes


@dataclass(frozen=True)
class Exited:
    """Said once for each start, after the worker's last line."""

    worker: str
    code: int
    """Exit status; negative means killed by that signal."""


@dataclass(frozen=True)
class Lost:
    """Said instead of `Exited`: the machine that the worker ran on cannot be reached any more."""

    worker: str
    reason: str
    is_told: bool = False
    """An alert has said it for all workers at once."""


PoolEvent = Line | Exited | Lost


@dataclass(frozen=True)
class Placed:
    """Where a worker was started."""

    pid: int
    node: str = ""
    """Name of the machine in a cluster; empty for this one."""


class WorkerPool(Protocol):
    """Workers are known by name; a name may be started again once `Exited` was said."""

    async def start(self, spec: ProcessSpec) -> Placed:
        """Starts a worker. Raises WorkerError when it cannot."""
        ...

    async def send(self, worker: str, command: WorkerCommand | bytes) -> None:
        """An order, or a whole line for a worker that has its own language.

        Raises WorkerError when the worker is gone or does not take the order."""
        ...

    def events(self) -> AsyncIterator[PoolEvent]:
        """What happens, endlessly: lines of each worker in order, then its end, once."""
        ...

    def signal(self, worker: str, number: int) -> None:
        """Signals the worker's whole process group; harmless when it is gone."""
        ...

    def running(self) -> frozenset[str]:
        """Workers whose process has not ended."""
        ...


class LocalPool:
    """Workers as children of this process, each in its own session, JSON lines over pipes.

    Use as `async with LocalPool() as pool`; leaving it kills whatever still runs.
    """

    def __init__(self) -> None:
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._happened: asyncio.Queue[PoolEvent] = asyncio.Queue(MAX_WAITING)
        self._tasks = asyncio.TaskGroup()
        self._readers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "LocalPool":
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.running():
            self.signal(worker, signal.SIGKILL)
        for child in tuple(self._children.values()):
            await child.wait()
        for reader in self._readers:
            reader.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    async def start(self, spec: ProcessSpec) -> Placed:
        if spec.worker in self._children:
            raise WorkerError(f"{spec.worker} is already running")
        try:
            set_aside_long_log(spec.log)
            with open_log(spec.log) as log:
                child = await asyncio.create_subprocess_exec(
                    *spec.argv,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    env=dict(spec.environment),
                    start_new_session=True,
                    limit=LINE_LIMIT,
                )
        except OSError as error:
            raise WorkerError(f"{spec.worker} cannot be started: {error}") from error
        self._children[spec.worker] = child
        reader = self._tasks.create_task(self._read(spec.worker, child))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        return Placed(child.pid)

    async def send(self, worker: str, command: WorkerCommand | bytes) -> None:
        child = self._children.get(worker)
        if child is None or child.stdin is None:
            raise WorkerError(f"{worker} is not running")
        try:
            child.stdin.write(command if isinstance(command, bytes) else encode(command))
            async with asyncio.timeout(SEND_LIMIT_S):
                await child.stdin.drain()
        except (ConnectionError, TimeoutError) as error:
            raise WorkerError(
                f"{worker} does not take {type(command).__name__}: {error!r}"
            ) from error

    async def events(self) -> AsyncIterator[PoolEvent]:
        while True:
            yield await self._happened.get()

    def signal(self, worker: str, number: int) -> None:
        child = self._children.get(worker)
        if child is None or child.returncode is not None:
            return
        try:
            os.killpg(child.pid, number)  # its own session, so the group has its process id
        except ProcessLookupError:
            return  # it ended between the check and the signal

    def running(self) -> frozenset[str]:
        return frozenset(self._children)

    async def _read(self, worker: str, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        while True:
            try:
                line = await child.stdout.readline()
            except ValueError:  # longer than LINE_LIMIT: the reader has dropped what it held
                await self._happened.put(Line(worker, TOO_LONG))
                continue
            if not line:
                break
            await self._happened.put(Line(worker, line.rstrip(b"\n")))
        code = await child.wait()
        assert child.stdin is not None
        child.stdin.close()
        sweep_group(child.pid)
        del self._children[worker]
        await self._happened.put(Exited(worker, code))


def sweep_group(pid: int) -> None:
    """Kills what a worker had started: its group dies with it."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nobody left (macOS answers EPERM for a group of zombies)


def set_aside_long_log(log: Path) -> None:
    """Before a worker starts: its log goes on in a new file when it has grown too long."""
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))
