"""The part every worker shares: orders in, events out, a heartbeat, an end that leaves no orphan.

A role is one module `backend/workers/<role>.py` with `main(io, run, config) -> None`; it returns
when it has obeyed `Stop`, and raises to fail. It knows neither pipes nor signals:

    for command in io.poll(): ...          # between two steps; also says "I am getting on"
    io.set_phase("training")               # shown on screen; each phase has its own deadline
    io.emit(CheckpointSaved(...))          # a fact: returns once the supervisor's pipe has it
    io.emit(TrainingStep(...))             # telemetry: never blocks, dropped and counted when slow

`backend/workers/frame.py` makes a process of it. Stdout carries events, so file descriptor 1 is
turned into stderr: a stray print reaches the log.
"""

import os
import queue
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import psutil
from msgspec.structs import replace

from backend.cardload import UNKNOWN, CardLoad
from backend.clock import wall
from backend.commands import Stop, WorkerCommand
from backend.disk import NoRoomError, volume_of, writing_to
from backend.errors import ExitCode, RunDirectoryError, WorkerError
from backend.events import TELEMETRY, Event, Heartbeat, Level, LogLine, Role, WorkerReady
from backend.supervision import BLINK_S, PATIENT_PHASES
from backend.text import clean
from backend.wire import MAX_LINE_BYTES, decode_worker_command, encode

MAX_TELEMETRY: Final = 256
"""Readings that may wait for a slow supervisor; the oldest goes first."""
ORPHAN_GRACE_S: Final = 1.0
"""Time between the supervisor's death (end of stdin) and our own."""
ROOM_RETRY_S: Final = 1.0
"""Between two tries to write on a full disk."""
SETTLING_POLLS: Final = 3
"""So many polls of a phase are taken as its warm-up, with the long deadline."""
MEASURED_STEPS: Final = 64
"""The last ones of a phase, whose median tells how long a step may take."""

_T = TypeVar("_T")
DeviceMemory = Callable[[], tuple[float | None, float | None]]
"""Memory that tensors hold and its limit, MiB; None where the device cannot tell."""


class WorkerDevice(Protocol):
    """What is told of a device; `backend.device` itself loads torch, and this module must not."""

    @property
    def kind(self) -> str: ...
    @property
    def reason(self) -> str: ...
    def memory_mib(self) -> tuple[float | None, float | None]: ...
    def load(self) -> CardLoad: ...


class _Outgoing:
    """A line on its way to the supervisor; compared by identity."""

    def __init__(self, line: bytes, *, is_fact: bool) -> None:
        self.line = line
        self.is_fact = is_fact
        self.is_written = False


class WorkerIO:
    """The worker's end of both pipes. Any thread may emit; one thread polls."""

    def __init__(self, worker: str, role: Role, *, commands_fd: int, events_fd: int) -> None:
        self.worker = worker
        self.role = role
        self.heartbeat_s = 1.0
        self.stall_s = 30.0
        self.startup_s = 300.0
        self.device_memory: DeviceMemory | None = None
        """Known once the role is `ready`; called from the heartbeat thread."""
        self.device_load: Callable[[], CardLoad] | None = None
        """The same."""
        self._commands_fd = commands_fd
        self._events_fd = events_fd
        self._commands: queue.SimpleQueue[WorkerCommand] = queue.SimpleQueue()
        self._outbox: deque[_Outgoing] = deque()
        self._telemetry_waiting = 0
        self._facts_waiting = 0
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        self._beat_now = threading.Event()
        self._phase = "starting"
        self._detail = ""
        self._polls = 0
        self._steps_s: deque[float] = deque(maxlen=MEASURED_STEPS)
        self._progress_at = self._looked_at = time.monotonic()
        """The second: when the heart last looked."""

    @classmethod
    def on_standard_streams(cls, worker: str, role: Role) -> "WorkerIO":
        """Takes stdin and stdout for itself; after this fd 0 is empty and fd 1 is stderr."""
        commands_fd, events_fd = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        return cls(worker, role, commands_fd=commands_fd, events_fd=events_fd)

    def start(self) -> None:
        """Starts reading, writing and beating, each in a daemon thread."""
        for target in (self._read_commands, self._write_events, self._beat):
            threading.Thread(target=target, name=target.__name__, daemon=True).start()

    # Orders ---------------------------------------------------------------------------------------

    def poll(self) -> list[WorkerCommand]:
        """The orders that have come since; call it between two steps: it counts as progress."""
        self.progress()
        commands = []
        while True:
            try:
                commands.append(self._commands.get_nowait())
            except queue.Empty:
                return commands

    def wait(self, timeout: float) -> WorkerCommand | None:
        """The next order, or None after `timeout` seconds."""
        self.progress()
        try:
            return self._commands.get(timeout=timeout)
        except queue.Empty:
            return None
        finally:
            self.progress()

    def until_there_is_room(self, path: Path, write: Callable[[], _T]) -> _T:
        """What `write`, which writes to `path`, returns; on a full disk it is tried again.

        Orders wait meanwhile. RunDirectoryError when one of them is to stop.
        """
        waiting: list[WorkerCommand] = []
        phase, detail = self._phase, self._detail
        try:
            while True:
                try:
                    with writing_to(path):
                        return write()
                except NoRoomError as error:
                    self.set_phase("waiting", f"for room on {volume_of(path.parent)}")
                    command = self.wait(ROOM_RETRY_S)
                    if command is not None:
                        waiting.append(command)
                    if Stop() in waiting:
                        raise RunDirectoryError(
                            f"stopped while the disk was full: {error}"
                        ) from error
        finally:
            self.set_phase(phase, detail)
            for command in waiting:
                self.order(command)

    def order(self, command: WorkerCommand) -> None:
        """Puts an order into the queue from within; safe in a signal handler."""
        self._commands.put(command)

    def _read_commands(self) -> None:
        rest = b""
        while chunk := self._read_chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                try:
                    self.order(decode_worker_command(line))
                except WorkerError as error:
                    self.log(str(error), "error")
        # The supervisor is gone: finish what takes no time, then go, whatever the main thread does.
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.order(Stop())
        time.sleep(ORPHAN_GRACE_S)
        os._exit(ExitCode.INTERNAL)

    def _read_chunk(self) -> bytes:
        try:
            return os.read(self._commands_fd, 65536)
        except OSError:
            return b""

    # Events ---------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Sends an event, stamped with the time. A fact blocks until written, telemetry never does.

        Raises WorkerError when the line would be longer than the protocol allows.
        """
        if not event.at:
            event = replace(event, at=wall())
        line = encode(event)
        if len(line) > MAX_LINE_BYTES:
            raise WorkerError(f"{type(event).__name__} of {len(line)} bytes is too long to send")
        if type(event) in TELEMETRY:
            self._offer(line)
        else:
            self._deliver(line)

    def ready(self, device: WorkerDevice) -> None:
        """The libraries are loaded; says what the worker runs on, and watches its memory."""
        self.device_memory, self.device_load = device.memory_mib, device.load
        self.emit(
            WorkerReady(
                worker=self.worker,
                role=self.role,
                pid=os.getpid(),
                device=device.kind,
                reason=device.reason,
            )
        )

    def _offer(self, line: bytes) -> None:
        with self._changed:
            if self._closed:
                return
            if self._telemetry_waiting >= MAX_TELEMETRY:
                self._outbox.remove(next(out for out in self._outbox if not out.is_fact))
                self._telemetry_waiting -= 1
                self._dropped += 1
            self._outbox.append(_Outgoing(line, is_fact=False))
            self._telemetry_waiting += 1
            self._changed.notify_all()

    def _deliver(self, line: bytes) -> None:
        """Returns once written, or when nobody will read it any more: files are the truth."""
        with self._changed:
            out = _Outgoing(line, is_fact=True)
            self._outbox.append(out)
            self._facts_waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or out.is_written)
            self._facts_waiting -= 1

    def _write_events(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or bool(self._outbox))
                if self._closed:
                    return
                out = self._outbox.popleft()
                if not out.is_fact:
                    self._telemetry_waiting -= 1
                dropped, self._dropped = self._dropped, 0
            line = out.line
            if dropped:
                text = f"{dropped} readings were dropped: the supervisor did not keep up"
                line = encode(self._log_line("warning", text)) + line
            try:
                while line:
                    line = line[os.write(self._events_fd, line) :]
            except OSError as error:
                print(f"the supervisor does not listen any more: {error}", file=sys.stderr)
                with self._changed:
                    self._closed = True
                    self._changed.notify_all()
                return
            with self._changed:
                out.is_written = True
                self._changed.notify_all()

    def _log_line(self, level: Level, text: str) -> LogLine:
        return LogLine(at=wall(), source=self.worker, level=level, text=clean(text))

    def log(self, text: str, level: Level = "info") -> None:
        """A line in the run's log, cleaned."""
        self.emit(self._log_line(level, text))

    # Signs of life --------------------------------------------------------------------------------

    def set_phase(self, phase: str, detail: str = "") -> None:
        """Says what is being done now; `detail` says why it waits. Sent at once when it changed."""
        self.progress()
        if (phase, detail) == (self._phase, self._detail):
            return
        if phase != self._phase:
            self._polls = 0
            self._steps_s.clear()
        self._phase, self._detail = phase, detail
        self._beat_now.set()

    def progress(self) -> None:
        """The main thread is getting on. A heartbeat without this is no sign of life."""
        now = time.monotonic()
        self._polls += 1
        if self._polls > SETTLING_POLLS:
            self._steps_s.append(now - self._progress_at)
        self._progress_at = now

    def _patience_s(self) -> float:
        """How long the main thread may be silent: ten times a usual step, or `stall_s`."""
        if self._phase in PATIENT_PHASES or self._polls <= SETTLING_POLLS:
            return max(self.startup_s, self.stall_s)
        steps_s = list(self._steps_s)
        return max(self.stall_s, 10 * statistics.median(steps_s) if steps_s else 0.0)

    def silent_s(self, now: float) -> float:
        """Since the main thread last got on. Time in which not even we ran is nobody's silence.

        Nor is the time in which a fact waits for the supervisor, which may wait for a disk.
        """
        if self._facts_waiting:
            self._progress_at = now
        gap_s = now - self._looked_at
        if gap_s > BLINK_S + self.heartbeat_s:  # A laptop slept, or we were stopped.
            self._progress_at += gap_s
        self._looked_at = now
        return now - self._progress_at

    def _beat(self) -> None:
        process = psutil.Process()
        told = False
        while not self._closed:
            silent_s = self.silent_s(time.monotonic())
            is_stuck = silent_s > self._patience_s()
            if not (is_stuck and told):
                self._send_beat(process, silent_s if is_stuck else 0.0)
            told = is_stuck
            self._beat_now.wait(self.heartbeat_s)
            self._beat_now.clear()

    def _send_beat(self, process: psutil.Process, stuck_s: float) -> None:
        used, limit = self.device_memory() if self.device_memory else (None, None)
        load = self.device_load() if self.device_load else UNKNOWN
        beat = Heartbeat(
            worker=self.worker,
            phase=self._phase,
            detail=clean(self._detail, 200),
            rss_mib=process.memory_info().rss / 2**20,
            device_mib=used,
            device_limit_mib=limit,
            device_busy_frac=load.busy_frac,
            device_watts=load.watts,
            stuck_s=stuck_s,
        )
        self.emit(beat)
