"""The crew with a pool and a clock that the test controls."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from backend.commands import Stop, UseNetwork
from backend.config import SupervisorConfig
from backend.crew import Crew
from backend.errors import ExitCode, NoPlaceError
from backend.events import (
    Alert,
    Event,
    EventBase,
    Heartbeat,
    LogLine,
    Role,
    WorkerBackoff,
    WorkerExited,
    WorkerFailed,
    WorkerGivenUp,
    WorkerReady,
    WorkerStarted,
)
from backend.ledger import Ledger
from backend.pool import WorkerSpec
from backend.store.journal import Journal
from backend.store.store import Store
from backend.workers.base import MEASURED_STEPS, WorkerIO
from tests.backend.fakes.pool import Clock, FakePool

QUICK = SupervisorConfig(
    backoff_s=0.001, backoff_max_s=0.001, max_crashes=4, stall_s=0.04, startup_s=0.08
)


class Stage:
    """A crew, what it published, and what reached the supervisor."""

    def __init__(self, crew: Crew, ledger: Ledger, clock: Clock) -> None:
        self.crew = crew
        self.clock = clock
        self.heard: list[Event] = []
        self.is_hearing = asyncio.Event()
        self.until: asyncio.Event | None = None
        """What hearing an event waits for."""
        self.exits: list[Role] = []
        self.given_up: list[tuple[Role, int]] = []
        self._listener = ledger.listen()
        self.published: list[EventBase] = []

    async def wait_for(self, kind: type[EventBase]) -> EventBase:
        async with asyncio.timeout(10):
            while True:
                happened = await self._listener.next()
                assert happened is not None
                self.published.append(happened.event)
                if isinstance(happened.event, kind):
                    return happened.event


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    store, journal = await Store.open(tmp_path / "m.db"), Journal(tmp_path / "j.jsonl")
    yield Ledger(store, journal)
    await store.close()
    journal.close()


@asynccontextmanager
async def stage(
    pool: FakePool,
    ledger: Ledger,
    config: SupervisorConfig = QUICK,
    log: Path = Path("unused"),
) -> AsyncIterator[Stage]:
    clock = Clock()
    found: list[Stage] = []

    async def on_event(worker: str, event: Event) -> None:
        found[0].is_hearing.set()
        if found[0].until is not None:
            await found[0].until.wait()
        found[0].heard.append(event)
        ledger.publish(event)

    async def on_exit(role: Role) -> None:
        found[0].exits.append(role)

    specs = [WorkerSpec(worker="sp0", role="selfplay", argv=(), environment={}, log=log)]
    crew = Crew(
        pool,
        specs,
        config,
        ledger,
        on_event=on_event,
        on_exit=on_exit,
        on_given_up=lambda role, code: found[0].given_up.append((role, code)),
        rng=Random(1),
        clock=clock,
    )
    found.append(Stage(crew, ledger, clock))
    async with asyncio.TaskGroup() as tasks:
        tending = tasks.create_task(crew.tend())
        endless = [tasks.create_task(crew.listen()), tasks.create_task(crew.watch())]
        yield found[0]
        await crew.stop()
        await tending
        for task in endless:
            task.cancel()


def ready(worker: str = "sp0") -> WorkerReady:
    return WorkerReady(worker=worker, role="selfplay", pid=1, device="cpu", reason="")


async def test_a_worker_that_dies_is_started_again_after_a_while(ledger: Ledger) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerStarted)
        pool.say("sp0", WorkerFailed(worker="sp0", error="a bug", exit_code=70))
        pool.end("sp0", 70)
        exited = await scene.wait_for(WorkerExited)
        assert isinstance(exited, WorkerExited)
        assert (exited.expected, exited.code) == (False, 70)
        assert exited.reason == "a bug (exit status 70 (internal))"
        await scene.wait_for(WorkerBackoff)
        await scene.wait_for(WorkerStarted)
        assert scene.exits == ["selfplay"]
    assert pool.sent[-1] == ("sp0", Stop())


async def test_a_crash_loop_is_given_up_aloud(ledger: Ledger) -> None:
    pool = FakePool(exits_at_once=1)
    async with stage(pool, ledger) as scene:
        given_up = await scene.wait_for(WorkerGivenUp)
        assert isinstance(given_up, WorkerGivenUp)
        assert "4 abnormal exits" in given_up.reason
        assert scene.given_up == [("selfplay", 1)]
    assert pool.starts == ["sp0"] * QUICK.max_crashes


async def test_a_configuration_error_is_tried_once(ledger: Ledger) -> None:
    pool = FakePool(exits_at_once=ExitCode.CONFIG)
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerGivenUp)
    assert pool.starts == ["sp0"]


@pytest.mark.parametrize(
    ("first_word", "silence"),
    [(lambda: None, 0.09), (lambda: Heartbeat(worker="sp0", phase="playing"), 0.05)],
    ids=["never a word", "silent while playing"],
)
async def test_a_silent_worker_writes_its_stack_and_is_killed(
    ledger: Ledger, first_word: Callable[[], Heartbeat | None], silence: float
) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerStarted)
        beat = first_word()
        if beat is not None:
            pool.say("sp0", beat)
            await scene.wait_for(Heartbeat)
        scene.clock.now += silence
        await scene.wait_for(Alert)
        assert pool.signals == [("sp0", signal.SIGUSR1)]
        scene.clock.now += 0.05
        exited = await scene.wait_for(WorkerExited)
        assert isinstance(exited, WorkerExited)
        assert "silent for" in exited.reason
        assert pool.signals[-1] == ("sp0", signal.SIGKILL)
        await scene.wait_for(WorkerStarted)


async def test_one_that_says_it_is_stuck_is_killed_without_another_deadline(ledger: Ledger) -> None:
    pool = FakePool()
    config = SupervisorConfig(stall_s=30.0)
    async with stage(pool, ledger, config) as scene:
        await scene.wait_for(WorkerStarted)
        pool.say("sp0", Heartbeat(worker="sp0", phase="playing", stuck_s=31.0))
        alert = await scene.wait_for(Alert)
        assert isinstance(alert, Alert)
        assert "silent for 31 s in phase 'playing'" in alert.text
        assert pool.signals == [("sp0", signal.SIGUSR1)]
        scene.clock.now += 3.0
        await scene.wait_for(WorkerExited)
        assert pool.signals[-1] == ("sp0", signal.SIGKILL)


async def test_nobody_is_called_hung_after_our_own_sleep(ledger: Ledger) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerStarted)
        scene.clock.now += 3600.0
        pool.say("sp0", Heartbeat(worker="sp0", phase="playing"))
        await scene.wait_for(Heartbeat)
        pool.end("sp0", 3)
        exited = await scene.wait_for(WorkerExited)
        assert isinstance(exited, WorkerExited)
        assert exited.reason == "exit status 3"


async def test_nobody_is_called_hung_while_we_wait_for_room_on_a_disk(ledger: Ledger) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerStarted)
        there_is_room = scene.until = asyncio.Event()
        pool.say("sp0", Heartbeat(worker="sp0", phase="playing"))
        await scene.is_hearing.wait()
        async with asyncio.timeout(10):
            for _ in range(6):
                scene.clock.looked_at.clear()
                await scene.clock.looked_at.wait()
                scene.clock.now += 0.03
        there_is_room.set()
        await scene.wait_for(Heartbeat)
        assert pool.signals == []


async def test_garbage_and_false_names_are_logged_and_not_believed(ledger: Ledger) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerStarted)
        pool.say("sp0", b"\x1b]0;evil\x07 not json")
        line = await scene.wait_for(LogLine)
        assert isinstance(line, LogLine)
        assert "not an event" in line.text
        assert "\x1b" not in line.text
        pool.say("sp0", ready("trainer"))
        line = await scene.wait_for(LogLine)
        assert isinstance(line, LogLine)
        assert "somebody else" in line.text
        assert scene.heard == []


async def test_only_ready_workers_get_orders_that_a_greeting_would_repeat(ledger: Ledger) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerStarted)
        order = UseNetwork(name="step-1")
        assert not await scene.crew.send_to_ready("selfplay", order)
        assert await scene.crew.send("selfplay", order)
        pool.say("sp0", ready())
        await scene.wait_for(WorkerReady)
        assert await scene.crew.send_to_ready("selfplay", order)
        assert not await scene.crew.send("trainer", order)


async def test_one_that_dies_of_memory_is_told_with_what_it_held_and_its_last_words(
    ledger: Ledger, tmp_path: Path
) -> None:
    pool = FakePool()
    log = tmp_path / "sp0.log"
    log.write_text("of an earlier life\n")
    async with stage(pool, ledger, log=log) as scene:
        await scene.wait_for(WorkerStarted)
        pool.say("sp0", Heartbeat(worker="sp0", phase="playing", rss_mib=5000.0))
        await scene.wait_for(Heartbeat)
        with log.open("a") as file:
            file.writelines(f"line {number} \x1b[2J\n" for number in range(80))
        pool.end("sp0", -9)
        exited = await scene.wait_for(WorkerExited)
        assert isinstance(exited, WorkerExited)
        assert exited.reason.endswith("probably out of memory (it held 5,000 MiB)")
        assert len(exited.last_words) == 50
        assert exited.last_words[-1] == "line 79 \ufffd[2J"


async def test_one_that_holds_too_much_ends_in_order_and_is_started_again(ledger: Ledger) -> None:
    pool = FakePool()
    config = SupervisorConfig(memory_limit_gib=1.0)
    async with stage(pool, ledger, config) as scene:
        await scene.wait_for(WorkerStarted)
        beat = Heartbeat(worker="sp0", phase="playing", rss_mib=1025.0)
        pool.say("sp0", beat)
        await scene.wait_for(Heartbeat)
        assert pool.sent == [], "it has only just started"
        scene.clock.now += 20.0
        pool.say("sp0", Heartbeat(worker="sp0", phase="playing", rss_mib=1023.0))
        pool.say("sp0", beat)
        pool.say("sp0", beat)
        alert = await scene.wait_for(Alert)
        assert isinstance(alert, Alert)
        assert alert.text.startswith("sp0 holds 1,025 MiB, more than 1,024")
        exited = await scene.wait_for(WorkerExited)
        assert isinstance(exited, WorkerExited)
        assert exited.expected
        await scene.wait_for(WorkerStarted)
        assert pool.sent == [("sp0", Stop())]
        assert not [event for event in scene.published if isinstance(event, WorkerBackoff)]


async def test_a_memory_limit_that_no_life_keeps_is_a_crash_loop_that_names_the_setting(
    ledger: Ledger,
) -> None:
    pool = FakePool()
    config = SupervisorConfig(memory_limit_gib=1.0, max_crashes=3)
    async with stage(pool, ledger, config) as scene:

        async def outgrow(after_s: float) -> None:
            await scene.wait_for(WorkerStarted)
            scene.clock.now += after_s
            pool.say("sp0", Heartbeat(worker="sp0", phase="playing", rss_mib=1025.0))
            await scene.wait_for(WorkerExited)

        for after_s in (20.0, 500.0, 700.0, 20.0, 500.0, 20.0):
            assert scene.given_up == [], "the third life was long enough to be of use"
            await outgrow(after_s)
        given_up = await scene.wait_for(WorkerGivenUp)
        assert isinstance(given_up, WorkerGivenUp)
        assert "supervisor.memory_limit_gib" in given_up.reason
        assert "1,025 MiB, more than 1,024" in given_up.reason
        assert scene.given_up == [("selfplay", ExitCode.CONFIG)]
        alert = ledger.state.alerts[-1]
        assert (alert.level, given_up.reason in alert.text) == ("error", True)
        scene.crew.restart("sp0")
        await outgrow(20.0)
        await scene.wait_for(WorkerStarted)
    assert len(pool.starts) == 8


def test_a_gap_in_which_nobody_ran_is_no_silence_of_the_worker() -> None:
    io = WorkerIO("sp0", "selfplay", commands_fd=-1, events_fd=-1)
    now = io._progress_at
    for _ in range(50):
        now += 1.0
        silent_s = io.silent_s(now)
    assert silent_s == pytest.approx(50.0)
    now += 3600.0
    assert io.silent_s(now) == pytest.approx(50.0)
    assert io.silent_s(now + 1.0) == pytest.approx(51.0)


def test_a_worker_may_be_silent_for_ten_of_its_usual_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("backend.workers.base.time", SimpleNamespace(monotonic=clock))
    io = WorkerIO("sp0", "selfplay", commands_fd=-1, events_fd=-1)
    io.set_phase("playing")
    assert io._patience_s() == io.startup_s, "it warms up"
    for step_s in (2.0, 2.0, 2.0, 200.0, 2.0, 2.0):
        clock.now += step_s
        io.progress()
    assert io._patience_s() == io.stall_s == SupervisorConfig().stall_s == 30.0
    for _ in range(MEASURED_STEPS):
        clock.now += 5.0
        io.progress()
    assert io._patience_s() == 50.0


def test_a_fact_that_waits_for_the_supervisor_is_no_silence_of_the_worker() -> None:
    io = WorkerIO("sp0", "selfplay", commands_fd=-1, events_fd=-1)
    teller = threading.Thread(target=io.log, args=("a fact",), daemon=True)
    now = io._progress_at
    with io._changed:
        teller.start()
        io._changed.wait_for(lambda: io._outbox, timeout=10)
    assert [io.silent_s(now + second) for second in range(1, 40)] == [0.0] * 39
    with io._changed:
        io._closed = True
        io._changed.notify_all()
    teller.join(10)
    assert io.silent_s(now + 40) == pytest.approx(1.0)


async def test_who_does_not_stop_is_terminated_then_killed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.crew.KILL_GRACE_S", 0.01)
    pool = FakePool(obeys_stop=False)
    config = SupervisorConfig(stop_grace_s=0.01)
    async with stage(pool, ledger, config) as scene:
        await scene.wait_for(WorkerStarted)
    assert pool.signals == [("sp0", signal.SIGTERM), ("sp0", signal.SIGKILL)]


async def test_one_whose_machine_is_gone_is_started_elsewhere_however_often(
    ledger: Ledger,
) -> None:
    """Neither that nor a cluster without room is its fault, so it is never given up."""
    pool = FakePool()
    pool.node = "far"
    async with stage(pool, ledger) as scene:
        for _ in range(QUICK.max_crashes + 1):
            started = await scene.wait_for(WorkerStarted)
            assert isinstance(started, WorkerStarted)
            assert started.node == "far"
            pool.lose("sp0", "node far does not answer")
            exited = await scene.wait_for(WorkerExited)
            assert isinstance(exited, WorkerExited)
            assert exited.reason.startswith("node far does not answer")
            pool.refusal = NoPlaceError("sp0: the cluster has no room for it")
        await scene.wait_for(WorkerStarted)
        assert not scene.given_up


async def test_without_a_place_it_is_tried_again_ever_more_rarely_and_no_alert_says_it_twice(
    ledger: Ledger,
) -> None:
    """The pool has said once for all of them that the cluster is gone."""
    pool = FakePool()
    patient = SupervisorConfig(backoff_s=0.001, backoff_max_s=0.004)
    async with stage(pool, ledger, patient) as scene:
        await scene.wait_for(WorkerStarted)
        pool.refusal = NoPlaceError("the cluster does not answer")
        pool.lose("sp0", "the relay ended", is_told=True)
        delays = []
        for _ in range(4):
            backoff = await scene.wait_for(WorkerBackoff)
            assert isinstance(backoff, WorkerBackoff)
            pool.refusal = NoPlaceError("the cluster does not answer")
            delays.append(backoff.delay_s)
        assert delays == [0.001, 0.002, 0.004, 0.004]
        pool.refusal = None
        await scene.wait_for(WorkerStarted)
        pool.lose("sp0", "no power")
        backoff = await scene.wait_for(WorkerBackoff)
        assert isinstance(backoff, WorkerBackoff)
        assert backoff.delay_s == 0.001
        assert not scene.given_up
    assert [alert.text for alert in ledger.state.alerts] == [
        "sp0 ended with 70: no power (exit status 70 (internal))"
    ]
