"""The UCI program's main thread: reads, answers at once, and hands work to a second thread.

    stdin ─► reader ─► inbox ─► Program ─► jobs ─► Desk (imports, network, search)
                         ▲                          │ `info` lines go out from there
                         └──────── done ◄───────────┘

So `isready`, `stop` and `quit` never wait for a search, and a search never waits for the interface.
When stdin ends the program does, whatever it is doing.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final, TextIO, assert_never

from backend.uci.desk import Desk, Search
from backend.uci.options import OptionError, Options, announcement, set_option
from backend.uci.protocol import (
    Debug,
    Go,
    IsReady,
    NewGame,
    PonderHit,
    ProtocolError,
    Quit,
    SetOption,
    SetPosition,
    Stop,
    Uci,
    parse,
)

LONGEST_LINE: Final = 1 << 16
"""Bytes; what is longer counts as several lines. A game of 1000 moves has a tenth of it."""
_PATIENCE_S: Final = 4.0
"""After so long without `readyok` the interface is told why."""
_FAREWELL_S: Final = 2.0
"""What a search gets to end in; an import or a compilation cannot be asked to."""


@dataclass(frozen=True)
class _Done:
    """A job of the second thread has ended."""

    job: Callable[..., Any]
    future: "Future[Any]"


class _End:
    """The interface is gone."""


class Program:
    """One conversation with one interface."""

    def __init__(self, *, version: str, options: Options | None = None) -> None:
        """`options` are the defaults that are announced."""
        self._version = version
        self._defaults = options or Options()
        self._options = self._defaults
        self._inbox: queue.SimpleQueue[str | _Done | _End] = queue.SimpleQueue()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="desk")
        self._pending: set[Future[Any]] = set()
        self._out: TextIO = sys.stdout
        self._writing = threading.Lock()
        self._desk = Desk(self._say)
        self._search: Search | None = None
        self._readies_owed = 0
        self._debug = False

    def run(self, stdin: int, stdout: TextIO) -> None:
        """Until `quit` or the end of the file descriptor `stdin`.

        The second thread may then still be loading or compiling: the process is to be ended.
        """
        self._out = stdout
        self._hand_over(self._desk.warm_up)
        threading.Thread(target=self._read, args=(stdin,), name="reader", daemon=True).start()
        try:
            while self._serve():
                pass
        finally:
            if self._search is not None:
                self._search.stop.set()
            self._worker.shutdown(wait=False, cancel_futures=True)
        wait(self._pending, _FAREWELL_S)

    def _serve(self) -> bool:
        """Deal with one thing that has happened; False at the end."""
        try:
            event = self._inbox.get(timeout=_PATIENCE_S if self._readies_owed else None)
        except queue.Empty:
            self._remark("getting ready; a first start compiles for half a minute")
            return True
        match event:
            case str():
                return self._obey(event)
            case _Done():
                self._finish(event)
                return True
            case _End():
                return False
            case _:
                assert_never(event)

    def _obey(self, line: str) -> bool:
        try:
            command = parse(line)
        except ProtocolError as error:
            self._remark(str(error))
            return True
        match command:
            case None:
                pass
            case Uci():
                self._say(
                    "\n".join(
                        (
                            f"id name Matrix0 {self._version}",
                            "id author the Matrix0 authors",
                            *announcement(self._defaults),
                            "uciok",
                        )
                    )
                )
            case IsReady():
                if self._search is not None:
                    self._say("readyok")
                else:
                    self._readies_owed += 1
                    self._hand_over(self._desk.get_ready, self._options)
            case NewGame():
                self._hand_over(self._desk.new_game)
            case SetPosition():
                self._hand_over(self._desk.set_position, command)
            case Go():
                self._go(command)
            case Stop():
                if self._search is not None:
                    self._search.stop.set()
            case PonderHit():
                if self._search is not None and self._search.hit is not None:
                    self._search.hit.set()
            case SetOption():
                try:
                    self._options = set_option(self._options, command.name, command.value)
                except OptionError as error:
                    self._remark(str(error))
            case Debug():
                self._debug = command.on
            case Quit():
                return False
            case _:
                assert_never(command)
        return True

    def _go(self, command: Go) -> None:
        if self._search is not None:
            self._remark("go: already thinking; stop comes first")
            return
        for remark in command.remarks:
            self._remark(remark)
        self._search = Search(
            go=command,
            options=self._options,
            stop=threading.Event(),
            hit=threading.Event() if command.ponder else None,
            began_s=time.monotonic(),
            debug=self._debug,
        )
        self._hand_over(self._desk.think, self._search)

    def _finish(self, done: _Done) -> None:
        """Answer for a job; a bug in it is raised here, in the outermost frame."""
        self._pending.discard(done.future)
        result = done.future.result()
        if done.job == self._desk.think:
            self._search = None
            self._say(result)
        elif done.job == self._desk.get_ready:
            self._readies_owed -= 1
            self._say("readyok")

    def _hand_over(self, job: Callable[..., Any], *arguments: Any) -> None:
        """Let the second thread do this after all that was handed over before."""
        future = self._worker.submit(job, *arguments)
        self._pending.add(future)
        future.add_done_callback(lambda done: self._inbox.put(_Done(job, done)))

    def _read(self, stdin: int) -> None:
        """Not by a buffered reader: one that still waits at the exit makes Python abort."""
        rest = b""
        while chunk := os.read(stdin, LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._inbox.put(line.decode("utf-8", "replace"))
        self._inbox.put(_End())

    def _remark(self, text: str) -> None:
        shown = text if text.isprintable() else ascii(text)
        self._say(f"info string {' '.join(shown[:300].split())}")

    def _say(self, text: str) -> None:
        """Write lines; called from both threads."""
        with self._writing:
            try:
                self._out.write(text + "\n")
                self._out.flush()
            except BrokenPipeError:
                # Nobody reads any more; what is still buffered must not fail again at the exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
                self._inbox.put(_End())
