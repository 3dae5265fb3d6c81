"""Whoever is at the socket: the run goes on at its pace, and memory stays where it is."""

import asyncio
import contextlib
import gc
import os
import socket
import stat
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend import server as server_module
from backend.commands import ClientCommand, PauseRun
from backend.events import Heartbeat, LogLine
from backend.ledger import Ledger
from backend.peer import Pace, peer_uid, uid_of_xucred
from backend.rundir import RunDirectory
from backend.server import MAX_CLIENTS, Answer, Server, socket_path
from backend.wire import Request, encode
from tests.limits import PATIENCE_S, starved_s

STALL_S = 1.0
"""The event loop may be late by this, not counting what other work on the machine costs."""
MAX_GROWTH_MIB = 48
BEAT = Heartbeat(worker="sp0", phase="playing", rss_mib=1.0)


class Site:
    """A served run whose event loop is watched."""

    def __init__(self, ledger: Ledger, path: str) -> None:
        self.ledger = ledger
        self.path = path
        self.orders = 0
        self.longest_gap_s = 0.0
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def work(self) -> None:
        """Publishes as a run does, and measures how late it comes to it."""
        while True:
            began = time.monotonic() - starved_s()
            await asyncio.sleep(0.005)
            self.ledger.publish(BEAT)
            gap_s = time.monotonic() - starved_s() - began - 0.005
            self.longest_gap_s = max(self.longest_gap_s, gap_s)

    async def handle(self, _command: ClientCommand, _by: str) -> Answer:
        self.is_asked.set()
        await self.may_answer.wait()
        self.orders += 1
        return Answer("done " + "x" * 500)

    async def greeted(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self.path, limit=1 << 23)
        assert b'"hello"' in await asyncio.wait_for(reader.readline(), PATIENCE_S)
        return reader, writer


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Site]:
    run = RunDirectory(folder / "run")
    run.create()
    nothing: Any = None
    ledger = Ledger(nothing, nothing)
    for number in range(400):
        ledger.publish(LogLine(source="sp0", level="info", text=f"{number} " + "y" * 200))
    site = Site(ledger, str(socket_path(run)))
    server = Server(run, ledger, site.handle)
    async with asyncio.TaskGroup() as tasks:
        await server.start(tasks)
        work = tasks.create_task(site.work())
        try:
            yield site
        finally:
            work.cancel()
            await server.close()
            ledger.end()


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SLOW_CLIENT_S", 0.3)


async def test_socket_and_folder_are_ours_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        assert stat.S_IMODE(os.stat(site.path).st_mode) == 0o600
        folder = os.stat(Path(site.path).parent)
        assert (stat.S_IMODE(folder.st_mode), folder.st_uid) == (0o700, os.getuid())
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "sent",
    [
        b"x" * 200_000,
        b'{"type":"request","id":1,"command":' + b"[" * 60_000 + b"\n",
        b"\xff\xfe\x00\n",
        b'{"type":"hello","protocol":99}\n',
    ],
    ids=["endless line", "deep JSON", "binary", "another protocol"],
)
async def test_who_sends_no_request_is_cut_off(tmp_path: Path, sent: bytes) -> None:
    async with served(tmp_path) as site:
        reader, writer = await site.greeted()
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)  # To its end.
        writer.close()
        reader, writer = await site.greeted()  # Others are served as before.
        writer.write(encode(Request(7, PauseRun())))
        async with asyncio.timeout(PATIENCE_S):
            while b'"reply"' not in await reader.readline():
                pass
        writer.close()
        assert any("cut off" in line.text for line in site.ledger.state.log)
        assert site.longest_gap_s < STALL_S


async def test_who_sends_byte_by_byte_is_heard_and_disturbs_nobody(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        reader, writer = await site.greeted()
        for byte in encode(Request(7, PauseRun())):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        async with asyncio.timeout(PATIENCE_S):
            while b'"reply"' not in await reader.readline():
                pass
        assert site.orders == 1
        writer.close()
        assert site.longest_gap_s < STALL_S


@pytest.mark.slow
async def test_who_never_reads_costs_no_memory_and_no_time(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        before = _memory_mib()
        links = [_connected(site.path) for _ in range(MAX_CLIENTS)]
        await asyncio.sleep(0.05)
        for number in range(30_000):
            site.ledger.publish(LogLine(source="sp0", level="info", text="z" * 100))
            if number % 1000 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.8)
        assert _memory_mib() - before < MAX_GROWTH_MIB
        assert site.longest_gap_s < 2 * STALL_S
        for link in links:
            link.close()
        await asyncio.sleep(0.1)
        _reader, writer = await site.greeted()
        writer.close()


@pytest.mark.slow
async def test_who_asks_without_end_and_never_reads_waits(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        before = _memory_mib()
        _reader, writer = await site.greeted()
        lines = encode(Request(7, PauseRun())) * 1000
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(1.5):
                while True:
                    writer.write(lines)
                    await writer.drain()
        writer.close()
        assert site.orders <= server_module.BURST + 2.5 * server_module.REQUESTS_PER_S
        assert _memory_mib() - before < MAX_GROWTH_MIB
        assert site.longest_gap_s < STALL_S


async def test_a_thousand_connections_leave_room_for_one(tmp_path: Path) -> None:
    async with served(tmp_path) as site:
        before = _memory_mib()
        links = []
        for number in range(1000):
            with contextlib.suppress(BlockingIOError, ConnectionError):
                links.append(_connected(site.path))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
            if len(links) > 200:
                links.pop(0).close()
        await asyncio.sleep(0.1)
        assert _memory_mib() - before < MAX_GROWTH_MIB
        assert site.longest_gap_s < STALL_S
        complaints = [line for line in site.ledger.state.log if line.source == "server"]
        assert 1 <= len(complaints) < 20
        for link in links:
            link.close()
        await asyncio.sleep(0.2)
        _reader, writer = await site.greeted()
        writer.close()


async def test_an_order_is_carried_through_though_its_client_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as site:
        is_gone = asyncio.Event()
        monkeypatch.setattr(site.ledger, "leave", lambda _: is_gone.set())
        site.may_answer.clear()
        _reader, writer = await site.greeted()
        writer.write(encode(Request(7, PauseRun())))
        async with asyncio.timeout(PATIENCE_S):
            await site.is_asked.wait()
            writer.transport.abort()
            await is_gone.wait()
        assert site.orders == 0
        site.may_answer.set()
    assert site.orders == 1


async def test_another_user_is_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(tmp_path) as site:
        monkeypatch.setattr(server_module, "peer_uid", lambda _: os.getuid() + 1)
        reader, writer = await asyncio.open_unix_connection(site.path)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert "another user" in site.ledger.state.log[-1].text


def test_the_peer_of_a_socket_pair_is_us() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_uid(one) == os.getuid()
    assert uid_of_xucred(struct.pack("=IIh2x16I", 0, 501, 1, *range(16))) == 501
    assert uid_of_xucred(struct.pack("=IIh2x16I", 7, 501, 1, *range(16))) is None


def test_a_pace_lets_a_burst_pass_and_then_spreads() -> None:
    now = [0.0]
    pace = Pace(3, 2.0, clock=lambda: now[0])
    assert [pace.wait_s() for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    now[0] = 100.0
    assert [pace.wait_s() for _ in range(4)] == [0, 0, 0, 0.5]


def test_who_may_not_wait_takes_nothing_and_is_heard_again_soon() -> None:
    now = [0.0]
    pace = Pace(2, 0.5, clock=lambda: now[0])
    assert [pace.has_room() for _ in range(1000)] == [True, True] + [False] * 998
    now[0] = 2.0
    assert [pace.has_room() for _ in range(2)] == [True, False]


def _connected(path: str) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.setblocking(False)
    link.connect(path)
    return link


def _memory_mib() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 2**20
