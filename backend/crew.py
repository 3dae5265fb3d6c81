"""The workers of a run: each is started, heard, restarted with patience, and stopped in order.

What a worker says goes to `on_event`; what it is told comes from the supervisor. This file decides
only about processes: alive, hung, dead, to be started again or given up.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final

from backend.commands import Stop, WorkerCommand
from backend.config import SupervisorConfig
from backend.errors import ExitCode, WorkerError
from backend.events import (
    Event,
    Heartbeat,
    Role,
    WorkerBackoff,
    WorkerExited,
    WorkerFailed,
    WorkerGivenUp,
    WorkerReady,
    WorkerStarted,
)
from backend.ledger import Ledger
from backend.pool import Exited, Line, WorkerPool, WorkerSpec
from backend.supervision import BLINK_S, Pulse, Restart, RestartPolicy, describe_exit
from backend.wire import decode_event

KILL_GRACE_S: Final = 2.0
"""Between SIGTERM and SIGKILL, and between the stack dump and SIGKILL."""

OnEvent = Callable[[str, Event], Awaitable[None]]
OnExit = Callable[[Role], Awaitable[None]]
"""After a worker has ended without being asked to, before it is started again."""
OnGivenUp = Callable[[Role, int], None]


class _Member:
    def __init__(self, spec: WorkerSpec, policy: RestartPolicy, pulse: Pulse) -> None:
        self.spec = spec
        self.policy = policy
        self.pulse = pulse
        self.exit: asyncio.Future[int] | None = None
        """Set while a process runs."""
        self.is_ready = False
        self.is_given_up = False
        self.cause = ""
        """Why it will have ended, as far as we know."""
        self.condemned_at: float | None = None


class Crew:
    """Use: run `tend` and `listen` as tasks, later `await stop()`, then cancel `listen`."""

    def __init__(
        self,
        pool: WorkerPool,
        specs: Sequence[WorkerSpec],
        config: SupervisorConfig,
        ledger: Ledger,
        *,
        on_event: OnEvent,
        on_exit: OnExit,
        on_given_up: OnGivenUp,
        rng: Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._config = config
        self._ledger = ledger
        self._on_event = on_event
        self._on_exit = on_exit
        self._on_given_up = on_given_up
        self._clock = clock
        self._stopping = asyncio.Event()
        now = clock()
        self._members = {
            spec.worker: _Member(spec, RestartPolicy(config, rng), Pulse(config, now))
            for spec in specs
        }

    # Orders ---------------------------------------------------------------------------------------

    async def send(self, role: Role, command: WorkerCommand) -> bool:
        """Orders all running workers of a role; False when none took it.

        One that is just starting takes it too: it reads its orders when it is ready.
        """
        taken = False
        for member in self._of(role):
            taken = await self._send(member, command) or taken
        return taken

    async def send_to_ready(self, role: Role, command: WorkerCommand) -> bool:
        """The same for those that have loaded and said so."""
        taken = False
        for member in self._of(role):
            if member.is_ready:
                taken = await self._send(member, command) or taken
        return taken

    async def send_to(self, worker: str, command: WorkerCommand) -> bool:
        """Orders one worker."""
        return await self._send(self._members[worker], command)

    async def send_all(self, command: WorkerCommand) -> None:
        for member in self._members.values():
            await self._send(member, command)

    def _of(self, role: Role) -> list[_Member]:
        return [member for member in self._members.values() if member.spec.role == role]

    async def _send(self, member: _Member, command: WorkerCommand) -> bool:
        if member.exit is None:
            return False
        try:
            await self._pool.send(member.spec.worker, command)
        except WorkerError as error:
            # It is dying or hung; whoever replaces it is told everything anew.
            self._ledger.log("run", str(error), "warning")
            return False
        return True

    # Hearing --------------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Hands on what workers say, for ever."""
        async for happened in self._pool.events():
            match happened:
                case Line():
                    await self._hear(self._members[happened.worker], happened.data)
                case Exited():
                    member = self._members[happened.worker]
                    if member.exit is not None and not member.exit.done():
                        member.exit.set_result(happened.code)

    async def _hear(self, member: _Member, line: bytes) -> None:
        worker = member.spec.worker
        try:
            event = decode_event(line)
        except WorkerError as error:
            self._ledger.log(worker, str(error), "warning")
            return
        if getattr(event, "worker", worker) != worker:
            self._ledger.log(worker, f"spoke for somebody else: {line[:200]!r}", "warning")
            return
        match event:
            case Heartbeat():
                member.pulse.beat(event.phase, self._clock())
            case WorkerReady():
                member.pulse.beat("loading", self._clock())
                member.is_ready = True
            case WorkerFailed():
                member.cause = event.error
            case _:
                pass
        await self._on_event(worker, event)

    # Lives ----------------------------------------------------------------------------------------

    async def tend(self) -> None:
        """Keeps every worker alive until `stop`; returns when all have ended."""
        async with asyncio.TaskGroup() as tasks:
            for member in self._members.values():
                tasks.create_task(self._live(member))

    async def _live(self, member: _Member) -> None:
        while not self._stopping.is_set():
            code = await self._run_once(member)
            if self._stopping.is_set():
                return
            await self._on_exit(member.spec.role)
            decision = member.policy.exited(code, self._clock())
            if not isinstance(decision, Restart):
                member.is_given_up = True
                worker = member.spec.worker
                self._ledger.publish(WorkerGivenUp(worker=worker, reason=decision.reason))
                self._on_given_up(member.spec.role, code)
                return
            self._ledger.publish(
                WorkerBackoff(
                    worker=member.spec.worker, delay_s=decision.delay_s, crashes=decision.crashes
                )
            )
            await self._sleep(decision.delay_s)

    async def _run_once(self, member: _Member) -> int:
        """One life of a worker: its exit status."""
        spec = member.spec
        member.cause, member.condemned_at, member.is_ready = "", None, False
        member.pulse.beat("starting", self._clock())
        member.policy.started(self._clock())
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            pid = await self._pool.start(spec)
        except WorkerError as error:
            self._ledger.log(spec.worker, str(error), "error")
            return ExitCode.INTERNAL
        member.exit = ended
        self._ledger.publish(WorkerStarted(worker=spec.worker, role=spec.role, pid=pid))
        if self._stopping.is_set():  # The stop went out before there was somebody to hear it.
            await self._send(member, Stop())
        try:
            code = await ended
        finally:
            member.exit, member.is_ready = None, False
        is_expected = self._stopping.is_set() and code == ExitCode.DONE
        reason = describe_exit(code) if not is_expected else "stopped as asked"
        if member.cause:
            reason = f"{member.cause} ({reason})"
        self._ledger.publish(
            WorkerExited(worker=spec.worker, code=code, expected=is_expected, reason=reason)
        )
        return code

    async def _sleep(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    # Hangs ----------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Ends workers that are silent for too long, for ever."""
        pause_s = min(1.0, self._config.stall_s / 4)
        last = self._clock()
        while True:
            await asyncio.sleep(pause_s)
            now = self._clock()
            if now - last > BLINK_S + pause_s:
                for member in self._members.values():
                    member.pulse.forgive(now)
            last = now
            for member in self._members.values():
                if member.exit is not None:
                    self._check(member, now)

    def _check(self, member: _Member, now: float) -> None:
        worker = member.spec.worker
        if member.condemned_at is not None:
            if now - member.condemned_at >= min(KILL_GRACE_S, self._config.stall_s):
                self._pool.signal(worker, signal.SIGKILL)
        elif member.pulse.is_stalled(now):
            silent_s = member.pulse.silent_s(now)
            member.cause = f"silent for {silent_s:.0f} s in phase {member.pulse.phase!r}, ended"
            member.condemned_at = now
            self._ledger.alert("warning", f"{worker}: {member.cause}; its stack is in its log")
            self._pool.signal(worker, signal.SIGUSR1)  # faulthandler writes every thread's stack

    # The end --------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Asks all to stop, waits, terminates, kills. `tend` returns soon after."""
        self._stopping.set()
        await self.send_all(Stop())
        if await self._gone_within(self._config.stop_grace_s):
            return
        for worker in self._alive():
            self._ledger.alert("warning", f"{worker} did not stop in time and is ended")
            self._pool.signal(worker, signal.SIGTERM)
        if await self._gone_within(KILL_GRACE_S):
            return
        self.kill()

    def kill(self) -> None:
        """Ends all at once."""
        self._stopping.set()
        for worker in self._alive():
            self._pool.signal(worker, signal.SIGKILL)

    def _alive(self) -> list[str]:
        return [
            name
            for name, member in self._members.items()
            if member.exit is not None and not member.exit.done()
        ]

    async def _gone_within(self, seconds: float) -> bool:
        exits = [member.exit for member in self._members.values() if member.exit is not None]
        if exits:
            await asyncio.wait(exits, timeout=seconds)
        return not self._alive()
