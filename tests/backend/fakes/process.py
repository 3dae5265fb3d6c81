"""A supervisor with fake workers as a child process, driven by its events."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import psutil

from backend.commands import ClientCommand
from backend.events import Event, EventBase, WorkerStarted
from backend.wire import (
    Happened,
    Hello,
    Reply,
    Request,
    ServerMessage,
    decode_event,
    decode_server_message,
    encode,
)
from tests.child_lines import ChildLines
from tests.limits import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]
SUPERVISOR = Path(__file__).with_name("supervisor.py")

CONFIG = """
[selfplay]
workers = 1
[replay]
min_positions = 8
[training]
steps_per_cycle = 20
[evaluation]
games = 4
baseline_games = 2
[supervisor]
heartbeat_s = 0.1
backoff_s = 0.05
"""

E = TypeVar("E", bound=EventBase)


def prepare(directory: Path, config: str = CONFIG) -> Path:
    """A run directory with settings, as if it had been made before."""
    directory.mkdir(parents=True)
    (directory / "config.toml").write_text(config, encoding="utf-8")
    return directory


class SupervisorProcess:
    """Use as a context manager: whatever still runs at its end is killed."""

    def __init__(self, directory: Path, *words: str) -> None:
        self.directory = directory
        self.seen: list[Event] = []
        self.workers: list[psutil.Process] = []
        self.process = subprocess.Popen(
            [sys.executable, str(SUPERVISOR), str(directory), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self._lines = ChildLines(self.process)

    def __enter__(self) -> "SupervisorProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._lines.close()
        assert self.process.stderr is not None
        self.process.stderr.close()
        for worker in self.workers:
            if worker.is_running():
                worker.kill()

    def wait_for(self, kind: type[E], is_it: Callable[[E], bool] = lambda _: True) -> E:
        """The next event of a kind that fits; fails when the output ends or time is up."""
        deadline = time.monotonic() + PATIENCE_S
        while (event := self._next(deadline)) is not None:
            if isinstance(event, kind) and is_it(event):
                return event
        raise AssertionError(f"no {kind.__name__} came; {self.errors()}; last: {self.seen[-8:]}")

    def finish(self) -> int:
        """Reads to the end and returns the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._next(deadline) is not None:
            pass
        return self.process.wait(timeout=PATIENCE_S)

    def _next(self, deadline: float) -> Event | None:
        line = self._lines.next(deadline)
        if line is None:
            return None
        event = decode_event(line)
        self.seen.append(event)
        if isinstance(event, WorkerStarted):
            self.workers.append(psutil.Process(event.pid))
        return event

    def errors(self) -> str:
        """What it wrote to stderr, once it has ended."""
        if self.process.poll() is None:
            return "it still runs"
        assert self.process.stderr is not None
        return f"exit {self.process.returncode}: {self.process.stderr.read().decode()[-2000:]}"

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]

    def kill(self) -> None:
        """SIGKILL to the supervisor alone, as the kernel's memory killer would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pid_of(self, worker: str) -> int:
        """The newest process of a worker."""
        return [e.pid for e in self.of(WorkerStarted) if e.worker == worker][-1]


class Client:
    """A screen's end of the socket, blocking."""

    def __init__(self, directory: Path) -> None:
        path = (directory / "socket").read_text().strip()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")
        self._requests = 0
        hello = self.read()
        assert isinstance(hello, Hello)
        self.hello = hello
        self.seen: list[Happened] = []

    def read(self) -> ServerMessage:
        return decode_server_message(self._file.readline())

    def ask(self, command: ClientCommand) -> Reply:
        """Sends an order and returns the answer to it."""
        self._requests += 1
        self._socket.sendall(encode(Request(self._requests, command)))
        while True:
            message = self.read()
            if isinstance(message, Reply):
                assert message.id == self._requests
                return message
            assert isinstance(message, Happened)
            self.seen.append(message)

    def wait_for(self, kind: type[E], is_it: Callable[[E], bool] = lambda _: True) -> E:
        """The next event of a kind that fits; fails when time is up, whatever else is said."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            message = self.read()
            if isinstance(message, Happened):
                self.seen.append(message)
                if isinstance(message.event, kind) and is_it(message.event):
                    return message.event
        raise AssertionError(f"no {kind.__name__} came; last: {self.seen[-8:]}")

    def is_at_end(self) -> bool:
        """Reads what is left; True when the server has closed."""
        while self._file.readline():
            pass
        return True

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def client(directory: Path) -> Iterator[Client]:
    connected = Client(directory)
    try:
        yield connected
    finally:
        connected.close()
