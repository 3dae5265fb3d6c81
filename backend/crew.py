"""The workers of a run: each is started, heard, restarted with patience, and stopped in order.

What a worker says goes to `on_event`; what it is told comes from the supervisor. This file decides
only about processes: alive, hung, dead, to be started again or given up.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Final

from backend.commands import Stop, WorkerCommand
from backend.config import SupervisorConfig
from backend.errors import ExitCode, NoPlaceError, WorkerError
from backend.events import (
    Event,
    Heartbeat,
    Role,
    WorkerBackoff,
    WorkerExited,
    WorkerFailed,
    WorkerGivenUp,
    WorkerReady,
    WorkerRetired,
    WorkerStarted,
)
from backend.last_words import last_words, size_of
from backend.ledger import Ledger
from backend.member import Member
from backend.memory import memory_limit_mib
from backend.pool import Exited, Line, Lost, WorkerPool, WorkerSpec
from backend.supervision import (
    BLINK_S,
    RECYCLE_AFTER_S,
    GiveUp,
    Pulse,
    Restart,
    RestartPolicy,
    describe_exit,
)
from backend.wire import decode_event

KILL_GRACE_S: Final = 2.0
"""Between SIGTERM and SIGKILL, and between the stack dump and SIGKILL."""

OnEvent = Callable[[str, Event], Awaitable[None]]
OnExit = Callable[[Role], Awaitable[None]]
"""After a worker has ended without being asked to, before it is started again."""
OnGivenUp = Callable[[Role, int], None]


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
        self._rng = rng
        self._memory_limit_mib = memory_limit_mib(config)
        self._is_stopping = False
        self._hearing: object = None
        """What a worker said last, until it is dealt with; None while nobody says anything."""
        self._tasks: asyncio.TaskGroup | None = None
        """While `tend` is at work."""
        self._members = {spec.worker: self._member(spec) for spec in specs}

    def _member(self, spec: WorkerSpec) -> Member:
        policy = RestartPolicy(self._config, self._rng)
        return Member(spec, policy, Pulse(self._config, self._clock()))

    # Who there is ---------------------------------------------------------------------------------

    def workers(self, role: Role | None = None) -> list[str]:
        """Those that stay, given up or not; of all roles or of one."""
        members = self._members.values() if role is None else self._of(role)
        return [member.spec.worker for member in members if not member.is_leaving]

    def num_useful(self, role: Role) -> int:
        """Those of a role that work or will be started again."""
        return sum(not (m.is_given_up or m.is_leaving) for m in self._of(role))

    def knows(self, worker: str) -> bool:
        """Whether there is a worker of this name that stays."""
        member = self._members.get(worker)
        return member is not None and not member.is_leaving

    def is_alive(self, worker: str) -> bool:
        """Whether its process runs."""
        return self._members[worker].is_alive

    def is_taken(self, worker: str) -> bool:
        """Whether the name is taken, if only until a worker that leaves has ended."""
        return worker in self._members

    def add(self, spec: WorkerSpec) -> None:
        """Starts one more worker; its name must be free."""
        assert spec.worker not in self._members, spec.worker
        member = self._members[spec.worker] = self._member(spec)
        if self._tasks is not None and not self._is_stopping:
            self._tasks.create_task(self._live(member))

    def remove(self, worker: str) -> None:
        """Lets a worker finish what it is at and end for good."""
        member = self._members[worker]
        member.is_leaving = True
        self._end_life(member)

    def restart(self, worker: str) -> None:
        """Lets a worker end in order and starts it again, or starts it now; with a clean slate."""
        member = self._members[worker]
        member.policy.forgive()
        member.is_recycled = member.is_alive
        self._end_life(member)

    def _end_life(self, member: Member) -> None:
        if member.is_alive and self._tasks is not None and not self._is_stopping:
            self._tasks.create_task(self._ask_to_end([member]))
        else:
            member.wake.set()

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

    def _of(self, role: Role) -> list[Member]:
        return [member for member in self._members.values() if member.spec.role == role]

    async def _send(self, member: Member, command: WorkerCommand) -> bool:
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
            self._hearing = happened
            match happened:
                case Line():
                    await self._hear(self._members[happened.worker], happened.data)
                case Exited():
                    member = self._members[happened.worker]
                    if member.exit is not None and not member.exit.done():
                        member.exit.set_result(happened.code)
                case Lost():
                    member = self._members[happened.worker]
                    if member.exit is not None and not member.exit.done():
                        member.is_lost, member.is_told = True, happened.is_told
                        member.cause = happened.reason
                        member.exit.set_result(ExitCode.INTERNAL)
            self._hearing = None

    async def _hear(self, member: Member, line: bytes) -> None:
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
                member.rss_mib = event.rss_mib
                self._weigh(member)
                if event.stuck_s and member.condemned_at is None:
                    self._condemn(member, event.stuck_s)
            case WorkerReady():
                member.pulse.beat("loading", self._clock())
                member.is_ready = True
            case WorkerFailed():
                member.cause = event.error
            case _:
                pass
        await self._on_event(worker, event)

    def _weigh(self, member: Member) -> None:
        """Lets a worker that holds too much end in order, between two steps, and start again."""
        grown = member.rss_mib > self._memory_limit_mib
        lived_s = self._clock() - member.started_at
        is_young = lived_s < RECYCLE_AFTER_S
        if not grown or is_young or not member.is_alive or member.is_recycled or member.is_leaving:
            return
        member.is_recycled = True
        held = f"{member.rss_mib:,.0f} MiB, more than {self._memory_limit_mib:,.0f}"
        member.outgrown = (lived_s, held)
        self._ledger.alert(
            "warning",
            f"{member.spec.worker} holds {held} (supervisor.memory_limit_gib): it ends in order "
            "and is started again",
        )
        self._end_life(member)

    # Lives ----------------------------------------------------------------------------------------

    async def tend(self) -> None:
        """Keeps every worker alive until `stop`; returns when all have ended."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for member in self._members.values():
                tasks.create_task(self._live(member))

    async def _live(self, member: Member) -> None:
        worker = member.spec.worker
        while not (self._is_stopping or member.is_leaving):
            code = await self._run_once(member)
            if self._is_stopping:
                return
            await self._on_exit(member.spec.role)
            if member.is_leaving:
                break
            if member.is_recycled:
                member.is_recycled = False
                if member.outgrown and (verdict := member.policy.outgrew(*member.outgrown)):
                    await self._give_up(member, verdict, ExitCode.CONFIG)
                continue
            if member.is_lost:
                most_s, least_s = self._config.backoff_max_s, self._config.backoff_s
                delay_s = min(most_s, least_s * 2.0**member.losses)
                member.losses += 1
                self._ledger.publish(WorkerBackoff(worker=worker, delay_s=delay_s, crashes=0))
                await self._rest(member, delay_s)
                continue
            decision = member.policy.exited(code, self._clock())
            if isinstance(decision, Restart):
                delay_s, crashes = decision.delay_s, decision.crashes
                self._ledger.publish(WorkerBackoff(worker=worker, delay_s=delay_s, crashes=crashes))
                await self._rest(member, delay_s)
            else:
                await self._give_up(member, decision, code)
        if member.is_leaving and not self._is_stopping:
            del self._members[worker]
            self._ledger.publish(WorkerRetired(worker=worker))

    async def _give_up(self, member: Member, verdict: GiveUp, code: int) -> None:
        """Says so, and returns once somebody wants the worker to go on."""
        member.is_given_up = True
        self._ledger.publish(WorkerGivenUp(worker=member.spec.worker, reason=verdict.reason))
        self._on_given_up(member.spec.role, code)
        await self._rest(member, None)
        member.is_given_up = False

    async def _rest(self, member: Member, delay_s: float | None) -> None:
        """Until the delay is over, or until somebody wants the worker to go on; None: only that."""
        try:
            async with asyncio.timeout(delay_s):
                await member.wake.wait()
        except TimeoutError:
            pass  # The delay is over, which is how most rests end.
        member.wake.clear()

    async def _run_once(self, member: Member) -> int:
        """One life of a worker: its exit status."""
        spec = member.spec
        member.cause, member.condemned_at, member.is_ready = "", None, False
        member.is_lost, member.is_told, member.outgrown = False, False, None
        member.rss_mib, member.started_at = 0.0, self._clock()
        said_before = size_of(spec.log)
        member.pulse.beat("starting", self._clock())
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            placed = await self._pool.start(spec)
        except WorkerError as error:
            member.is_lost = isinstance(error, NoPlaceError)
            self._ledger.log(spec.worker, str(error), "error")
            return ExitCode.INTERNAL
        member.exit, member.losses = ended, 0
        self._ledger.publish(
            WorkerStarted(worker=spec.worker, role=spec.role, pid=placed.pid, node=placed.node)
        )
        # The stop went out before there was somebody to hear it.
        if self._is_stopping:
            await self._send(member, Stop())
        elif member.is_leaving:
            self._end_life(member)
        try:
            code = await ended
        finally:
            member.exit, member.is_ready = None, False
        is_asked = self._is_stopping or member.is_leaving or member.is_recycled
        is_expected = is_asked and code == ExitCode.DONE
        by_us = member.condemned_at is not None or is_asked
        reason = describe_exit(code, member.rss_mib, by_us=by_us)
        if is_expected:
            reason = "stopped as asked"
        if member.cause:
            reason = f"{member.cause} ({reason})"
        self._ledger.publish(
            WorkerExited(
                worker=spec.worker,
                code=code,
                expected=is_expected,
                reason=reason,
                last_words=() if is_expected else last_words(spec.log, said_before),
                is_told=member.is_told,
            )
        )
        return code

    # Hangs ----------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Ends workers that are silent for too long, for ever."""
        pause_s = min(1.0, self._config.stall_s / 4)
        last, heard_then = self._clock(), self._hearing
        while True:
            await asyncio.sleep(pause_s)
            now = self._clock()
            # On a full disk a fact may wait for room, and signs of life wait behind it.
            is_deaf = self._hearing is not None and self._hearing is heard_then
            heard_then = self._hearing
            if is_deaf or now - last > BLINK_S + pause_s:
                for member in self._members.values():
                    member.pulse.forgive(now)
            last = now
            for member in self._members.values():
                if member.exit is not None:
                    self._check(member, now)

    def _check(self, member: Member, now: float) -> None:
        worker = member.spec.worker
        if member.condemned_at is not None:
            if now - member.condemned_at >= min(KILL_GRACE_S, self._config.stall_s):
                self._pool.signal(worker, signal.SIGKILL)
        elif member.pulse.is_stalled(now):
            self._condemn(member, member.pulse.silent_s(now))

    def _condemn(self, member: Member, silent_s: float) -> None:
        """Lets it write down where it hangs; it is killed a little later."""
        worker = member.spec.worker
        member.cause = f"silent for {silent_s:.0f} s in phase {member.pulse.phase!r}, ended"
        member.condemned_at = self._clock()
        self._ledger.alert("warning", f"{worker}: {member.cause}; its stack is in its log")
        self._pool.signal(worker, signal.SIGUSR1)  # faulthandler writes every thread's stack

    # The end --------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Asks all to stop, waits, terminates, kills. `tend` returns soon after."""
        self._is_stopping = True
        for member in self._members.values():
            member.wake.set()
        await self._ask_to_end(list(self._members.values()))

    async def _ask_to_end(self, members: Sequence[Member]) -> None:
        """Asks them to stop, waits, terminates, kills."""
        # A worker may be replaced while we wait: only these lives are ended.
        lives = {m.spec.worker: m.exit for m in members if m.exit is not None}
        for member in members:
            await self._send(member, Stop())
        if await _gone_within(lives, self._config.stop_grace_s):
            return
        for worker in _left(lives):
            self._ledger.alert("warning", f"{worker} did not stop in time and is ended")
            self._pool.signal(worker, signal.SIGTERM)
        if await _gone_within(lives, KILL_GRACE_S):
            return
        for worker in _left(lives):
            self._pool.signal(worker, signal.SIGKILL)

    def kill(self) -> None:
        """Ends all at once."""
        self._is_stopping = True
        for worker, member in self._members.items():
            member.wake.set()
            if member.is_alive:
                self._pool.signal(worker, signal.SIGKILL)


Lives = Mapping[str, asyncio.Future[int]]
"""Exit of one life of each worker, to come."""


def _left(lives: Lives) -> list[str]:
    return [worker for worker, ended in lives.items() if not ended.done()]


async def _gone_within(lives: Lives, seconds: float) -> bool:
    """Whether all of them end in this time."""
    if lives:
        await asyncio.wait(lives.values(), timeout=seconds)
    return not _left(lives)
