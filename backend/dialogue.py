"""A connection to the supervisor of a run for a command that asks and goes. It blocks.

The screen's end of the same socket, which lasts and comes back, is `tui/client.py`.
"""

import os
import socket
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from backend.commands import ClientCommand
from backend.errors import RunDirectoryError, WorkerError
from backend.events import Event
from backend.fold import fold
from backend.rundir import RunDirectory
from backend.wire import (
    PROTOCOL,
    Happened,
    Hello,
    Reply,
    Request,
    ServerMessage,
    decode_server_message,
    encode,
)

ANSWER_S: Final = 30.0


class Dialogue:
    """Use as a context manager. Raises RunDirectoryError when the supervisor cannot be asked."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._requests = 0
        self._by = f"the command line (process {os.getpid()})"
        self._waiting: deque[Event] = deque()
        """Heard while an answer was waited for."""
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(ANSWER_S)
        try:
            self._link.connect(_socket_of(run))
            self._lines = self._link.makefile("rwb")
            hello = self._read()
            if not isinstance(hello, Hello) or hello.protocol != PROTOCOL:
                raise WorkerError("it is of another version of Matrix0")
        except (OSError, WorkerError) as error:
            self._link.close()
            raise self._broken(error) from error
        self.state = hello.state
        """Of the run, as of the last thing that was heard."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._link.close()

    def ask(self, command: ClientCommand) -> Reply:
        """The answer to an order."""
        self._requests += 1
        try:
            self._lines.write(encode(Request(id=self._requests, command=command, by=self._by)))
            self._lines.flush()
            while (message := self._read()) is not None:
                if isinstance(message, Reply):
                    return message
                self._waiting += self._heard(message)
        except (OSError, WorkerError) as error:
            raise self._broken(error) from error
        raise RunDirectoryError(f"{self._run.path}: its supervisor has ended")

    def events(self) -> Iterator[Event]:
        """What happens from the last order on, however long that takes; ends with the run."""
        self._link.settimeout(None)
        yield from self._waiting
        self._waiting.clear()
        try:
            while (message := self._read()) is not None:
                yield from self._heard(message)
        except (OSError, WorkerError) as error:
            raise self._broken(error) from error

    def _read(self) -> ServerMessage | None:
        line = self._lines.readline()
        return decode_server_message(line) if line else None

    def _heard(self, message: ServerMessage) -> tuple[Event, ...]:
        if not isinstance(message, Happened):
            return ()
        self.state = fold(self.state, message.event)
        return (message.event,)

    def _broken(self, error: Exception) -> RunDirectoryError:
        return RunDirectoryError(f"{self._run.path}: its supervisor cannot be asked: {error}")


def _socket_of(run: RunDirectory) -> str:
    try:
        return run.socket_file.read_text().strip()
    except FileNotFoundError:
        raise ConnectionError("it takes no orders yet, or no more") from None
