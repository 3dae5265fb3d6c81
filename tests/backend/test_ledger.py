"""A screen that does not keep up: it costs a bounded memory, no fact and no time of the run."""

import asyncio
import time
from pathlib import Path

import pytest

from backend.disk import NoRoomError
from backend.events import Alert, Event, Heartbeat, LogLine, TrainingStep
from backend.ledger import MAX_LINES, MAX_TELEMETRY, MAX_WAITING, Ledger, Listener
from backend.rundir import RunDirectory
from backend.server import Answer, Server
from backend.store.journal import Journal
from backend.store.store import Store
from backend.wire import Happened

BEAT = Heartbeat(worker="sp0", phase="playing")
FACT = Alert(level="info", text="a fact")


def offered(listener: Listener, events: list[Event], times: int) -> None:
    seq = 0
    for _ in range(times):
        for event in events:
            seq += 1
            listener.offer(Happened(seq, event))


async def waiting(listener: Listener) -> list[Happened]:
    listener.end()
    found = []
    while (happened := await listener.next()) is not None:
        found.append(happened)
    return found


@pytest.mark.parametrize("beats", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
async def test_of_readings_for_a_client_that_never_reads_few_wait_and_no_fact_is_lost(
    beats: int,
) -> None:
    listener = Listener()
    offered(listener, [BEAT], beats)
    offered(listener, [FACT], 100)
    found = await waiting(listener)
    assert [type(happened.event) for happened in found] == [Heartbeat] * MAX_TELEMETRY + [
        Alert
    ] * 100
    assert listener.dropped == beats - MAX_TELEMETRY
    assert not listener.is_cut_off


async def test_log_lines_that_a_client_does_not_read_are_dropped_and_told_in_their_place() -> None:
    listener = Listener()
    line = LogLine(source="sp0", level="info", text="a line")
    offered(listener, [line], MAX_LINES + 70)
    listener.offer(Happened(MAX_LINES + 71, FACT))
    for seq in range(MAX_LINES + 72, MAX_LINES + 75):
        listener.offer(Happened(seq, line))
    found = [await listener.next() for _ in range(MAX_LINES + 3)]
    events = [happened.event for happened in found if happened is not None]
    assert [happened.seq for happened in found if happened is not None] == [
        *range(1, MAX_LINES + 1),
        MAX_LINES + 70,
        MAX_LINES + 71,
        MAX_LINES + 74,
    ]
    notes = [event.text for event in events if isinstance(event, LogLine) and event != line]
    assert [text[:17] for text in notes] == ["70 log lines not ", "3 log lines not s"]
    assert events[MAX_LINES + 1] == FACT
    listener.offer(Happened(MAX_LINES + 75, line))
    last = await listener.next()
    assert last is not None
    assert last.event == line


async def test_one_that_leaves_too_many_facts_lying_is_cut_off_once_and_holds_no_more() -> None:
    listener = Listener()
    offered(listener, [FACT], MAX_WAITING + 1000)
    assert listener.is_cut_off
    assert listener._queue.qsize() <= MAX_WAITING + 1
    assert len(await waiting(listener)) == MAX_WAITING


async def test_a_frozen_client_of_the_socket_is_cut_off_and_costs_the_run_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.server.SLOW_CLIENT_S", 0.2)
    run = RunDirectory(tmp_path / "run")
    run.create()
    store, journal = await Store.open(run.database), Journal(run.journal)
    ledger = Ledger(store, journal)

    async def refuse(*_: object) -> Answer:
        return Answer(refused="no")

    server = Server(run, ledger, refuse)
    async with asyncio.TaskGroup() as tasks:
        await server.start(tasks)
        path = run.socket_file.read_text().strip()
        reader, writer = await asyncio.open_unix_connection(path, limit=64)
        await reader.readexactly(1)  # The hello; and nothing ever after.
        slowest = 0.0
        async with asyncio.timeout(30):
            while ledger._listeners:
                start_s = time.monotonic()
                for _ in range(50):
                    ledger.publish(LogLine(source="run", level="info", text="x" * 500))
                slowest = max(slowest, time.monotonic() - start_s)
                await asyncio.sleep(0)
        writer.close()
        ledger.end()
        await server.close()
    print(f"slowest fifty facts: {1000 * slowest:.1f} ms")
    await store.close()
    journal.close()


async def test_a_flush_that_waits_for_room_loses_nothing_when_it_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever flushes meanwhile, as before a checkpoint is recorded, waits for them too."""
    store = await Store.open(tmp_path / "m.db")
    journal = Journal(tmp_path / "j.jsonl")
    ledger = Ledger(store, journal)
    write, full = store.log, asyncio.Event()

    async def no_room(points: object, facts: object) -> None:
        full.set()
        raise NoRoomError("the disk is full")

    try:
        monkeypatch.setattr(store, "log", no_room)
        ledger.publish(TrainingStep(step=7, metrics={"policy_loss": 2.5}))
        first = asyncio.create_task(ledger.flush())
        await full.wait()
        second = asyncio.create_task(ledger.flush())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        monkeypatch.setattr(store, "log", write)
        await second
        assert await store.curves() == [("policy_loss", ((7.0, 2.5),), 1, 7)]
    finally:
        await store.close()
        journal.close()
