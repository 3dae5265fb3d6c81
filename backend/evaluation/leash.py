"""The process of an engine of others: what it is given, what it may use, and how it ends.

    own process group    killed as a whole, with what left the group but is still a descendant
    few variables        of our environment; no secret of the user's shell
    memory, files, CPU   limited on Linux, CPU anew for each move
    stdout               counted: so much about a move, so much in a line, then it is killed
    stderr               cleaned, to a file of limited length

It runs with the user's rights all the same: this keeps accidents small, and is no sandbox.
"""

import asyncio
import contextlib
import os
import re
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import chess.engine
import psutil

from backend.limits_config import LIMITS, LimitsConfig
from backend.text import clean

MAX_OUTPUT: Final = 16 << 20
"""Bytes an engine may say about one move."""
MAX_LINE: Final = 1 << 20
"""Bytes without the end of a line."""
MAX_FILES: Final = 256
CPU_MARGIN_S: Final = 60

_TRIPPED: Final = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError),
    *(asyncio.InvalidStateError, chess.engine.EngineError),
)
"""What python-chess raises over lines that are no protocol: a quote without an end, no number."""

_PASSED_ON: Final = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "LD_LIBRARY_PATH"),
    *("DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"),
)
_UNFIT_FOR_A_NAME: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, kw_only=True)
class Leash:
    """What an engine is held by."""

    limits: LimitsConfig = LIMITS
    logs: Path | None = None
    """Directory for its stderr; None throws that away."""

    def popen_arguments(self) -> dict[str, Any]:
        """For `chess.engine`'s ways to start a process."""
        return {"stderr": -1, "setpgrp": True, "env": environment()}

    def log_of(self, word: str) -> Path | None:
        """logs/engine-stockfish.log"""
        name = _UNFIT_FOR_A_NAME.sub("-", Path(word.partition(":")[0]).name.lower())[:48]
        return None if self.logs is None else self.logs / f"engine-{name}.log"

    def protocol(self, word: str, kind: str, started: list[int]) -> "type[Uci | XBoard]":
        """The protocol, as a class to be made for each process. It adds the process to `started`:
        who cannot begin a talk with it has to `kill` it."""
        leash = self
        base = XBoard if kind == "xboard" else Uci

        class Leashed(base):  # type: ignore[valid-type, misc]  # mypy wants one base, known before.
            def connection_made(self, transport: Any) -> None:
                self.log = CappedLog(leash.log_of(word), leash.limits.engine_log_kib << 10)
                started.append(transport.get_pid())
                limit_process(transport.get_pid(), leash.limits)
                super().connection_made(transport)

        return Leashed


def environment() -> dict[str, str]:
    """The variables that an engine gets."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def limit_process(pid: int, limits: LimitsConfig) -> None:
    """Memory and files of a process, on Linux. Its address space is free: drivers of graphics
    cards reserve hundreds of GiB of it; what counts is what can be written."""
    if sys.platform != "linux":
        return
    wanted = {resource.RLIMIT_NOFILE: MAX_FILES, resource.RLIMIT_CORE: 0}
    if limits.engine_memory_gib:
        wanted[resource.RLIMIT_DATA] = round(limits.engine_memory_gib * 2**30)
    for kind, most in wanted.items():
        with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
            _, hard = resource.prlimit(pid, kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(pid, kind, (most, most))


def allow_cpu(pid: int, seconds: float) -> None:
    """From now on so many seconds on every core, on Linux; then the system ends it."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
        used = psutil.Process(pid).cpu_times()
        most = used.user + used.system + seconds * (os.cpu_count() or 1) + CPU_MARGIN_S
        _, hard = resource.prlimit(pid, resource.RLIMIT_CPU)
        resource.prlimit(pid, resource.RLIMIT_CPU, (round(most), hard))


def kill(pid: int) -> None:
    """Ends a process at once, its group, and its descendants in other groups."""
    descendants: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        descendants = psutil.Process(pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for process in descendants:
        with contextlib.suppress(psutil.Error):
            process.kill()


class CappedLog:
    """Appends cleaned text to a file, up to a length; a link is not followed."""

    def __init__(self, path: Path | None, most: int) -> None:
        self._path = path
        self._left = most if path is not None else 0

    def add(self, data: bytes) -> None:
        if self._left <= 0 or self._path is None:
            return
        text = data[: self._left].decode("utf-8", "replace").replace("\r", "")
        self._left -= len(data)
        if self._left <= 0:
            text += "\n(the rest is not kept)\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError):  # A log that cannot be written ends no match.
            fd = os.open(self._path, flags, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(clean(text, len(text)).encode())


class Metered(chess.engine.Protocol):
    """Kills its engine when it says too much."""

    log: CappedLog
    said = 0
    """Bytes since it was last asked; set it to 0 then."""
    has_flooded = False
    _in_line = 0

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        self.said += len(data)
        newline = data.rfind(b"\n")
        if fd == 1:
            self._in_line = len(data) - newline - 1 + (self._in_line if newline < 0 else 0)
        if self.said > MAX_OUTPUT or self._in_line > MAX_LINE:
            if not self.has_flooded:
                self.has_flooded = True
                assert self.transport is not None
                kill(self.transport.get_pid())
        elif fd == 2:
            self.log.add(data)
        else:
            try:
                super().pipe_data_received(fd, data)
            except _TRIPPED:  # The event loop would print it, with the engine's words, and go on.
                assert self.transport is not None
                kill(self.transport.get_pid())


class Uci(Metered, chess.engine.UciProtocol):
    pass


class XBoard(Metered, chess.engine.XBoardProtocol):
    pass
