"""The run's front door for screens: a private Unix socket that tells the state and takes orders.

    server: Hello(state, seq)            first line: everything so far
    server: Happened(seq, event) …       from then on
    client: Request(id, command)         at any time; answered by Reply(id, refused | text)

A client that does not keep up is cut off; it may come back for a new snapshot. One that sends no
requests, or lines too long or too deep, is cut off too; one that sends many has to wait. Whatever
clients do costs the run so much memory and no more: MAX_CLIENTS times the buffers of one.
"""

import asyncio
import hashlib
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from backend.commands import ClientCommand
from backend.commit import commit_file
from backend.errors import RunDirectoryError, WorkerError
from backend.ledger import Ledger, Listener
from backend.peer import Pace, peer_uid
from backend.rundir import RunDirectory
from backend.text import clean
from backend.wire import PROTOCOL, Hello, Reply, ServerMessage, decode_request, encode

REQUEST_LIMIT: Final = 64 * 1024
SLOW_CLIENT_S: Final = 5.0
"""A client that takes nothing for so long is cut off."""
MAX_CLIENTS: Final = 16
"""Further ones are turned away."""
BURST: Final = 64
REQUESTS_PER_S: Final = 20.0
"""What a client asks beyond BURST is answered at this pace."""
COMPLAINTS_PER_S: Final = 0.2
"""Log lines about clients, after the first eight."""

MAX_NAME: Final = 80
"""Characters of a client's name that are kept."""

Handle = Callable[[ClientCommand, str], Awaitable["Answer"]]
"""Of an order and of who gives it."""


class Answer:
    """What came of a request."""

    def __init__(self, text: str = "", *, refused: str = "") -> None:
        self.text = text
        self.refused = refused


def socket_folder() -> Path:
    """A private folder with a short path: socket names are limited to about 100 bytes."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and len(runtime) < 40 and os.path.isdir(runtime):
        return Path(runtime) / "matrix0"
    return Path(f"/tmp/matrix0-{os.getuid()}")


def socket_path(run: RunDirectory) -> Path:
    """The same for the same run directory, different for others."""
    digest = hashlib.sha256(os.fsencode(run.path.resolve())).hexdigest()[:16]
    return socket_folder() / f"{digest}.sock"


class Server:
    """Serves one run until its ledger ends. `start` it in a task group, `close` it last."""

    def __init__(self, run: RunDirectory, ledger: Ledger, handle: Handle) -> None:
        self._run = run
        self._ledger = ledger
        self._handle = handle
        self._path = socket_path(run)
        self._server: asyncio.Server | None = None
        self._num_clients = 0
        self._complaints = Pace(8, COMPLAINTS_PER_S)

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Listens from now on. The run's lock is ours, so a socket that is there is a leftover."""
        prepare_folder(self._path.parent)
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old_mask = os.umask(0o177)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(old_mask)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.create_task(self._serve(reader, writer, tasks))

        self._server = await asyncio.start_unix_server(
            connected, sock=listening, limit=REQUEST_LIMIT
        )
        commit_file(self._run.socket_file, f"{self._path}\n".encode())

    async def close(self) -> None:
        """Takes no more clients; those that are there end with the ledger."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            self._run.socket_file.unlink(missing_ok=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tasks: asyncio.TaskGroup
    ) -> None:
        refused = ""
        if not _is_our_user(writer):
            refused = "it is of another user"
        elif self._num_clients >= MAX_CLIENTS:
            refused = f"{self._num_clients} are connected"
        if refused:
            self._complain(f"a client was turned away: {refused}")
            writer.transport.abort()
            return
        self._num_clients += 1
        listener = self._ledger.listen()
        try:
            writer.write(
                encode(Hello(protocol=PROTOCOL, seq=self._ledger.seq, state=self._ledger.state))
            )
            async with asyncio.TaskGroup() as both:
                hearing = both.create_task(self._hear(reader, writer, listener, tasks))
                await self._tell(writer, listener)
                hearing.cancel()
            await _closed(writer)
        finally:
            self._num_clients -= 1
            self._ledger.leave(listener)
            writer.transport.abort()

    async def _carry_out(self, command: ClientCommand, by: str) -> Answer:
        return await self._handle(command, by)

    def _complain(self, text: str) -> None:
        """Tells of a client in the log, not more often than somebody would read it."""
        if self._complaints.has_room():
            self._ledger.log("server", text, "warning")

    async def _tell(self, writer: asyncio.StreamWriter, listener: Listener) -> None:
        """Sends events until the end of the run or of the client."""
        while await _drained(writer) and (happened := await listener.next()) is not None:
            writer.write(encode(happened))
        if listener.is_cut_off:
            self._complain("a client did not keep up and was cut off")

    async def _hear(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        listener: Listener,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Takes orders until the client goes; an order that was begun is carried through."""
        pace = Pace(BURST, REQUESTS_PER_S)
        try:
            while line := await reader.readline():
                request = decode_request(line)
                await asyncio.sleep(pace.wait_s())
                by = clean(request.by, MAX_NAME) or "a client"
                order = tasks.create_task(self._carry_out(request.command, by))
                answer = await asyncio.shield(order)
                reply: ServerMessage = Reply(request.id, answer.refused, answer.text)
                writer.write(encode(reply))
                if not await _drained(writer):
                    break
        except (WorkerError, ValueError) as error:
            self._complain(f"a client was cut off: {error}")
        except ConnectionError:
            pass  # It went away; so do we.
        listener.end()


async def _drained(writer: asyncio.StreamWriter) -> bool:
    """Whether the client has taken what was written, or is about to."""
    try:
        async with asyncio.timeout(SLOW_CLIENT_S):
            await writer.drain()
    except (ConnectionError, TimeoutError):
        return False
    return True


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Lets the last lines out, for a while."""
    writer.close()
    try:
        async with asyncio.timeout(SLOW_CLIENT_S):
            await writer.wait_closed()
    except (ConnectionError, TimeoutError):
        return


def _is_our_user(writer: asyncio.StreamWriter) -> bool:
    """Whether the peer runs as we do. Where the system does not say, folder and socket modes do."""
    uid = peer_uid(writer.get_extra_info("socket"))
    return uid == os.getuid() or (uid is None and sys.platform != "linux")


def prepare_folder(folder: Path) -> None:
    """Makes the folder; raises RunDirectoryError when it is not ours alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = os.lstat(folder)
    is_private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if not is_private or status.st_uid != os.getuid():
        raise RunDirectoryError(
            f"{folder}: must be a directory of yours with mode 700, since it holds control sockets"
        )
