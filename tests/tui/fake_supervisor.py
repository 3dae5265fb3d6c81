"""A supervisor's side of the socket: greets with a state, sends events, answers requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from backend.commands import ClientCommand
from backend.events import Event
from backend.fold import fold
from backend.state import RunState
from backend.wire import PROTOCOL, Happened, Hello, Reply, Request, decode_request, encode

Answer = Callable[[ClientCommand], Reply | None]
"""Reply with any id; None for silence."""


class FakeSupervisor:
    def __init__(self, run_dir: Path, socket: Path, state: RunState) -> None:
        self.run_dir = run_dir
        self.socket = socket
        self.state = state
        self.seq = 0
        self.protocol = PROTOCOL
        self.received: list[ClientCommand] = []
        self.answer: Answer = lambda command: Reply(id=0, text="done")
        self.connected = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.socket)
        (self.run_dir / "socket").write_text(f"{self.socket}\n")

    async def stop(self) -> None:
        """As if the process had died: connections break and the socket goes."""
        if self._server is None:
            return
        self._server.close()
        self.drop()
        await self._server.wait_closed()
        self._server = None
        self.socket.unlink(missing_ok=True)

    def drop(self) -> None:
        """Break all connections; the socket stays open for new ones."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self.connected.clear()

    def say(self, *events: Event) -> None:
        for event in events:
            self.seq += 1
            self.state = fold(self.state, event)
            self.raw(encode(Happened(seq=self.seq, event=event)))

    def raw(self, line: bytes) -> None:
        for writer in self._writers:
            writer.write(line)

    async def drained(self) -> None:
        """Until every client has taken most of what was sent."""
        for writer in tuple(self._writers):
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Hello(protocol=self.protocol, seq=self.seq, state=self.state)))
        self._writers.add(writer)
        self.connected.set()
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                request: Request = decode_request(line)
                self.received.append(request.command)
                reply = self.answer(request.command)
                if reply is not None:
                    answered = Reply(id=request.id, refused=reply.refused, text=reply.text)
                    writer.write(encode(answered))
        self._writers.discard(writer)
        writer.close()


@contextlib.asynccontextmanager
async def supervised(run_dir: Path, socket: Path, state: RunState) -> AsyncIterator[FakeSupervisor]:
    server = FakeSupervisor(run_dir, socket, state)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
