"""The Unix socket to the supervisor: snapshot, events, requests, reconnects. No widgets.

The client folds every event as it comes; a screen looks at `state` when it is ready to draw. So the
newest reading always wins and nothing queues up, however fast the supervisor talks.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, assert_never

import msgspec

from backend.commands import ClientCommand
from backend.errors import ExitCode, WorkerError
from backend.events import Event
from backend.fold import fold_all
from backend.state import RunState
from backend.wire import (
    PROTOCOL,
    READER_LIMIT,
    Happened,
    Hello,
    Reply,
    Request,
    ServerMessage,
    decode_server_message,
    encode,
)

LinkStatus = Literal["waiting", "connected", "lost", "died", "refused", "ended"]
"""waiting: no supervisor heard yet. died: its process is gone. refused: another protocol."""

READ_ONLY: Final = "this screen only watches (--read-only)"
REPLAYED: Final = "this is a replay"
BY: Final = f"a screen (process {os.getpid()})"
CONNECT_S: Final = 5.0
REPLY_S: Final = 30.0
FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 2.0
BLOCK_BYTES: Final = 16 * 1024
"""Taken at once: a hundred log lines, a millisecond of work."""
REST_S: Final = 0.002
"""Between two blocks: a flood must not freeze the keys, and 50,000 lines a second come through."""


@dataclass(frozen=True)
class LinkView:
    status: LinkStatus
    detail: str
    """What is waited for, or why the link is down; empty when connected."""
    read_only: bool = False
    """It only listens."""
    is_replay: bool = False
    """What is shown has happened long ago."""


class Link(Protocol):
    """What the screen needs of a supervisor."""

    @property
    def state(self) -> RunState: ...
    @property
    def view(self) -> LinkView: ...
    @property
    def version(self) -> int:
        """Grows whenever `state` or `view` changes."""
        ...

    async def run(self) -> None:
        """Keep the link up until the run ends or the task is cancelled."""
        ...

    async def request(self, command: ClientCommand) -> Reply: ...


class NoRun:
    """A link to nothing: the screen was opened to look at runs of the past."""

    def __init__(self) -> None:
        self.state = RunState()
        self.view = LinkView("ended", "no run is open", True)
        self.version = 0

    async def run(self) -> None:
        return

    async def request(self, command: ClientCommand) -> Reply:
        return Reply(id=0, refused=self.view.detail)


class Client:
    def __init__(
        self,
        socket_file: Path,
        *,
        supervisor_exit: Callable[[], int | None] = lambda: None,
        read_only: bool = False,
        first_delay_s: float = FIRST_DELAY_S,
        longest_delay_s: float = LONGEST_DELAY_S,
        reply_s: float = REPLY_S,
    ) -> None:
        """`socket_file` holds the path of the socket. `supervisor_exit` gives the exit status of a
        supervisor that our own process has started, None while it lives or if it is not ours. With
        `read_only` every order is refused here, before it is sent."""
        self.state = RunState()
        self.view = LinkView("waiting", "no socket yet", read_only)
        self.version = 0
        self._socket_file = socket_file
        self._supervisor_exit = supervisor_exit
        self._first_delay_s = first_delay_s
        self._longest_delay_s = longest_delay_s
        self._reply_s = reply_s
        self._writer: asyncio.StreamWriter | None = None
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._next_id = 0

    async def run(self) -> None:
        delay_s = self._first_delay_s
        while True:
            before = self.state
            try:
                await self._converse()
                problem = "the supervisor closed the connection"
            except (OSError, WorkerError, ValueError) as error:
                problem = str(error) or type(error).__name__
            if self.view.status == "refused":
                return
            if self.state.phase == "stopped":
                self._see("ended", self.state.stop_reason)
                return
            if self.state is not before:
                delay_s = self._first_delay_s
            self._see_down(problem)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, self._longest_delay_s)

    async def request(self, command: ClientCommand) -> Reply:
        """The supervisor's answer; a refusal of our own when it cannot be reached or is silent."""
        if self.view.read_only:
            return Reply(id=0, refused=READ_ONLY)
        if self._writer is None:
            return Reply(id=0, refused="not connected to the supervisor")
        self._next_id += 1
        number = self._next_id
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        try:
            async with asyncio.timeout(self._reply_s):
                self._writer.write(encode(Request(id=number, command=command, by=BY)))
                await self._writer.drain()
                return await future
        except TimeoutError:
            return Reply(id=number, refused=f"no answer within {self._reply_s:.0f} s")
        except OSError as error:
            return Reply(id=number, refused=f"the connection broke: {error}")
        finally:
            self._replies.pop(number, None)

    # One connection ------------------------------------------------------------------------------

    async def _converse(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await self._open()
        try:
            async with contextlib.aclosing(_blocks(reader)) as blocks:
                await self._attend(blocks, writer)
        finally:
            self._writer = None
            for future in self._replies.values():
                if not future.done():
                    future.set_exception(ConnectionError("the supervisor is gone"))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _attend(
        self, blocks: AsyncGenerator[list[bytes]], writer: asyncio.StreamWriter
    ) -> None:
        async with asyncio.timeout(CONNECT_S):
            async for lines in blocks:
                if lines:
                    break
            else:
                raise ConnectionError("the supervisor closed the connection before its first line")
        hello = self._greeting(lines[0])
        if hello is None:
            return
        self._writer = writer
        self.state = hello.state
        self._see("connected", "")
        seq = self._take(map(decode_server_message, lines[1:]), hello.seq)
        async for lines in blocks:
            seq = self._take(map(decode_server_message, lines), seq)
            if self.state.phase == "stopped":
                return

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            path = self._socket_file.read_text().strip()
        except FileNotFoundError:
            raise ConnectionError("no socket yet") from None
        return await asyncio.open_unix_connection(path)

    def _greeting(self, line: bytes) -> Hello | None:
        """The snapshot; None, and the link refused for good, if it speaks another protocol."""
        version = _protocol_of(line)
        if version is not None and version != PROTOCOL:
            text = f"the supervisor speaks protocol {version}, this screen {PROTOCOL}: "
            self._see("refused", text + "start both from the same version of Matrix0")
            return None
        message = decode_server_message(line)
        if not isinstance(message, Hello):
            raise WorkerError(f"the first line is not a greeting: {line[:80]!r}")
        return message

    def _take(self, messages: Iterable[ServerMessage], seq: int) -> int:
        """Folds events, answers requests; the number of the last event."""
        events: list[Event] = []
        for message in messages:
            match message:
                case Happened():
                    if message.seq > seq:
                        seq = message.seq
                        events.append(message.event)
                case Reply():
                    future = self._replies.get(message.id)
                    if future is not None and not future.done():
                        future.set_result(message)
                case Hello():
                    self.state, seq = message.state, message.seq
                    self.version += 1
                    events.clear()
                case _:
                    assert_never(message)
        if events:
            self.state = fold_all(self.state, events)
            self.version += 1
        return seq

    # What the screen is told ---------------------------------------------------------------------

    def _see(self, status: LinkStatus, detail: str) -> None:
        view = LinkView(status, detail, self.view.read_only)
        if view != self.view or status == "connected":
            self.view = view
            self.version += 1

    def _see_down(self, problem: str) -> None:
        code = self._supervisor_exit()
        pid = self.state.pid
        if code is not None:
            self._see("died", f"the supervisor ended with {describe_exit(code)}")
        elif pid and not _is_alive(pid):
            self._see("died", f"the supervisor (pid {pid}) is gone")
        elif pid:
            self._see("lost", problem)
        else:
            self._see("waiting", problem)


def describe_exit(code: int) -> str:
    """Exit status in words: `exit code 73 (locked)`, `signal 9`."""
    if code < 0:
        return f"signal {-code}"
    try:
        return f"exit code {code} ({ExitCode(code).name.lower().replace('_', ' ')})"
    except ValueError:
        return f"exit code {code}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _blocks(reader: asyncio.StreamReader) -> AsyncGenerator[list[bytes]]:
    """Lines as they come, a block and a rest in turns: in between, keys get their turn."""
    left = b""
    while block := await reader.read(BLOCK_BYTES):
        *lines, left = (left + block).split(b"\n")
        if len(left) > READER_LIMIT:
            raise WorkerError(f"a line of more than {READER_LIMIT} bytes: {left[:80]!r}")
        yield lines
        if lines:
            await asyncio.sleep(REST_S)


class _AnyHello(msgspec.Struct, tag="hello"):
    """Only the version: readable whatever else a later protocol says."""

    protocol: int


def _protocol_of(line: bytes) -> int | None:
    try:
        return msgspec.json.decode(line, type=_AnyHello).protocol
    except msgspec.MsgspecError:
        return None
