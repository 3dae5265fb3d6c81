"""A `WorkerPool` that runs self-play, labellers and halls on a Ray cluster, all else here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from importlib.util import find_spec
from types import TracebackType
from typing import Final

import msgspec

from backend.cluster.config import ClusterConfig
from backend.cluster.events import ClusterSeen
from backend.cluster.words import (
    MAX_LINE_BYTES,
    Begin,
    Begun,
    Connected,
    Drop,
    Gone,
    Heard,
    Order,
    Refused,
    Report,
    SignalTo,
    Tell,
    Vanished,
)
from backend.commands import UseNetwork, WorkerCommand
from backend.errors import ConfigError, ExitCode, NoPlaceError, WorkerError
from backend.events import Level
from backend.logfile import open_log
from backend.pool import (
    MAX_WAITING,
    SEND_LIMIT_S,
    Exited,
    Line,
    LocalPool,
    Lost,
    Placed,
    PoolEvent,
    ProcessSpec,
    WorkerSpec,
    set_aside_long_log,
)
from backend.processes import THREAD_LIMITS, child_command, child_environment
from backend.rundir import RunDirectory

PLACE_LIMIT_S: Final = 30.0
"""A worker that finds no place on the cluster in this time tries again later."""
PROBE_LIMIT_S: Final = 5.0
"""A head that does not answer in this time is not asked for anything more."""
CONNECT_LIMIT_S: Final = 120.0
"""For Ray to start its processes here and to join, on a busy machine."""
PASSED_ON: Final = (*THREAD_LIMITS, "PYTHONUNBUFFERED")
"""What a node gets of our environment; the rest is its own."""

OnSeen = Callable[[ClusterSeen], None]
OnAlert = Callable[[Level, str], None]


class RayPool:
    """Use as `async with`; leaving it ends the relay, and with it every worker on the cluster.

    A relay that dies is started again by the next worker that is; those it had are lost. A cluster
    that is gone is said once, and again when it answers.
    """

    def __init__(
        self, run: RunDirectory, on_seen: OnSeen, on_alert: OnAlert, address: str = ""
    ) -> None:
        """`address` is the head's, host:port; empty for a cluster that the relay starts."""
        self._run = run
        self._on_seen = on_seen
        self._on_alert = on_alert
        self._address = address
        self._is_gone = False
        """The cluster, and it was said."""
        self._is_closing = False
        self._local = LocalPool()
        self._happened: asyncio.Queue[PoolEvent] = asyncio.Queue(MAX_WAITING)
        self._specs: dict[str, ProcessSpec] = {}
        """Of the workers on the cluster, until their end was said."""
        self._starting: dict[str, asyncio.Future[Placed]] = {}
        self._relay: asyncio.subprocess.Process | None = None
        self._raising = asyncio.Lock()
        self._connected: asyncio.Future[None] | None = None
        """Of the newest relay; NoPlaceError when it ended before."""
        self._tasks = asyncio.TaskGroup()
        self._background: set[asyncio.Task[None]] = set()
        self._decoder = msgspec.json.Decoder[Report](Report)
        self._encoder = msgspec.json.Encoder()

    async def __aenter__(self) -> "RayPool":
        await self._local.__aenter__()
        await self._tasks.__aenter__()
        self._in_background(self._pass_on_local())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closing = True
        relay = self._relay
        if relay is not None and relay.stdin is not None:
            relay.stdin.close()
            try:
                async with asyncio.timeout(SEND_LIMIT_S):
                    await relay.wait()
            except TimeoutError:
                relay.kill()
                await relay.wait()
        for task in self._background:
            task.cancel()
        await self._tasks.__aexit__(kind, error, trace)
        await self._local.__aexit__(kind, error, trace)

    # WorkerPool -----------------------------------------------------------------------------------

    async def start(self, spec: ProcessSpec) -> Placed:
        if isinstance(spec, WorkerSpec) and spec.role != "selfplay":
            return await self._local.start(spec)
        if spec.worker in self._specs:
            raise WorkerError(f"{spec.worker} is already running")
        await self._raise_relay()
        set_aside_long_log(spec.log)
        self._specs[spec.worker] = spec
        placed = self._starting[spec.worker] = asyncio.get_running_loop().create_future()
        environment = {
            name: spec.environment[name] for name in PASSED_ON if name in spec.environment
        }
        try:
            await self._order(Begin(worker=spec.worker, argv=spec.argv, environment=environment))
            async with asyncio.timeout(PLACE_LIMIT_S):
                found: Placed = await placed
                return found
        except (WorkerError, TimeoutError) as error:
            del self._specs[spec.worker]
            if isinstance(error, WorkerError):
                raise
            await self._order(Drop(worker=spec.worker))
            raise NoPlaceError(f"{spec.worker}: the cluster has no room for it") from error
        finally:
            del self._starting[spec.worker]

    async def send(self, worker: str, command: WorkerCommand | bytes) -> None:
        if worker not in self._specs:
            await self._local.send(worker, command)
            return
        network = command.name if isinstance(command, UseNetwork) else ""
        line = command if isinstance(command, bytes) else self._encoder.encode(command) + b"\n"
        await self._order(Tell(worker=worker, line=line, network=network))

    async def events(self) -> AsyncIterator[PoolEvent]:
        while True:
            yield await self._happened.get()

    def signal(self, worker: str, number: int) -> None:
        if worker not in self._specs:
            self._local.signal(worker, number)
        elif self._relay is not None and self._relay.stdin is not None:
            order = SignalTo(worker=worker, number=int(number))
            self._relay.stdin.write(self._encoder.encode(order) + b"\n")

    def running(self) -> frozenset[str]:
        return self._local.running() | frozenset(self._specs)

    # The relay ------------------------------------------------------------------------------------

    async def _raise_relay(self) -> None:
        """Starts the relay if it does not run. NoPlaceError when the cluster does not answer."""
        async with self._raising:
            if self._relay is not None and self._relay.returncode is None:
                return
            await self._probe()
            try:
                with open_log(self._run.log_file("relay")) as log:
                    self._relay = await asyncio.create_subprocess_exec(
                        *child_command("relay", "--run", str(self._run.path)),
                        stdin=asyncio.subprocess.PIPE,
                        stdout=asyncio.subprocess.PIPE,
                        stderr=log,
                        env=child_environment(),
                        start_new_session=True,
                        limit=MAX_LINE_BYTES,
                    )
            except OSError as error:
                raise WorkerError(f"the relay to Ray cannot be started: {error}") from error
            self._connected = asyncio.get_running_loop().create_future()
            self._connected.add_done_callback(_read)  # Whoever waited may have gone.
            self._in_background(self._hear(self._relay, self._connected))
            try:
                async with asyncio.timeout(CONNECT_LIMIT_S):
                    await asyncio.shield(self._connected)  # `_hear` ends it, whoever waits.
            except TimeoutError as error:
                self._relay.kill()
                raise NoPlaceError(f"Ray did not come up in {CONNECT_LIMIT_S:.0f} s") from error
            if self._is_gone:
                self._is_gone = False
                self._on_alert("info", f"{self._cluster} answers again")

    async def _probe(self) -> None:
        """NoPlaceError when nobody listens where the head should: Ray would wait for minutes."""
        if not self._address:
            return
        host, _, port = self._address.rpartition(":")
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError) as error:
            self._say_gone("nobody listens there")
            raise NoPlaceError(f"{self._cluster} does not answer") from error
        writer.close()

    def _say_gone(self, why: str) -> None:
        if not self._is_gone:
            self._is_gone = True
            self._on_alert(
                "error",
                f"{self._cluster} is lost: {why}; its workers wait and are started again when it "
                "answers",
            )

    @property
    def _cluster(self) -> str:
        return f"the Ray cluster at {self._address}" if self._address else "the run's Ray cluster"

    async def _order(self, order: Order) -> None:
        relay = self._relay
        if relay is None or relay.stdin is None or relay.returncode is not None:
            raise WorkerError("the relay to Ray is not running")
        try:
            relay.stdin.write(self._encoder.encode(order) + b"\n")
            async with asyncio.timeout(SEND_LIMIT_S):
                await relay.stdin.drain()
        except (ConnectionError, TimeoutError) as error:
            raise WorkerError(f"the relay to Ray takes no orders: {error!r}") from error

    async def _hear(
        self, relay: asyncio.subprocess.Process, connected: asyncio.Future[None]
    ) -> None:
        """What one relay says, to its end; then whoever ran by it is lost."""
        assert relay.stdout is not None
        while line := await relay.stdout.readline():
            try:
                report = self._decoder.decode(line)
            except msgspec.MsgspecError:
                relay.kill()  # It is broken; the next one is not.
                break
            if isinstance(report, Connected):
                connected.set_result(None)
            else:
                await self._take(report)
        code = await relay.wait()
        reason = f"the relay to Ray ended ({code}); logs/relay.log says why"
        if not self._is_closing:
            self._say_gone(reason)
        if not connected.done():
            kind = WorkerError if code == ExitCode.CONFIG else NoPlaceError
            connected.set_exception(kind(f"{self._cluster}: {reason}"))
        for worker in tuple(self._specs):
            await self._take(Vanished(worker=worker, reason=reason), is_told=True)

    async def _take(self, report: Report, *, is_told: bool = False) -> None:
        match report:
            case Begun():
                if (placed := self._starting.get(report.worker)) is not None:
                    placed.set_result(Placed(report.pid, report.node))
            case Refused():
                if (placed := self._starting.get(report.worker)) is not None:
                    text = f"{report.worker} cannot be started: {report.reason}"
                    placed.set_exception(WorkerError(text))
            case Heard():
                await self._happened.put(Line(report.worker, report.line))
            case Gone():
                if (spec := self._specs.pop(report.worker, None)) is None:
                    return  # It was dropped.
                with open_log(spec.log) as log:
                    log.write(report.last_words)
                await self._happened.put(Exited(report.worker, report.code))
            case Vanished():
                if (placed := self._starting.get(report.worker)) is not None:
                    placed.set_exception(NoPlaceError(f"{report.worker}: {report.reason}"))
                    return
                if self._specs.pop(report.worker, None) is None:
                    return
                await self._happened.put(Lost(report.worker, report.reason, is_told))
            case ClusterSeen():
                self._on_seen(report)
            case Connected():
                pass  # `_hear` has taken it.

    async def _pass_on_local(self) -> None:
        async for happened in self._local.events():
            await self._happened.put(happened)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = self._tasks.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _read(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()


def pool_of(
    run: RunDirectory, config: ClusterConfig, on_seen: OnSeen, on_alert: OnAlert
) -> LocalPool | RayPool:
    """Where the workers of a run are started; ConfigError when that is not installed."""
    if config.pool == "local":
        return LocalPool()
    require_ray()
    return RayPool(run, on_seen, on_alert, config.address)


def require_ray() -> None:
    """ConfigError, with what to do, when Ray is not installed."""
    if find_spec("ray") is None:
        raise ConfigError(
            "cluster.pool is 'ray', and Ray is not installed: pip install 'matrix0[ray]'"
        )
