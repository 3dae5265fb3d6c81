"""The engine process as a screen sees it: orders go in, answers come back, nothing ever waits.

Started when the first order is given, and again with the next one after it has died.
"""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from backend.errors import WorkerError
from backend.logfile import open_log
from backend.play.wire import MAX_LINE_BYTES, Answer, Failed, Order, decode_answer, encode
from backend.processes import child_command, child_environment

END_S: Final = 3.0
"""What the process gets to end in after its stdin was closed."""


class EngineProcess:
    """One at a time; to be closed."""

    def __init__(self, log: Path | None, command: Sequence[str] | None = None) -> None:
        """`log` takes what the process writes on stderr; None throws it away."""
        self._log = log
        self._command = list(command or child_command("think"))
        self._process: asyncio.subprocess.Process | None = None
        self._unsent: Order | None = None
        self._wanted = asyncio.Event()

    def send(self, order: Order) -> None:
        """Hand over an order; the process is started if there is none."""
        process = self._process
        stdin = None if process is None else process.stdin
        if process is None or process.returncode is not None or stdin is None or stdin.is_closing():
            self._unsent = order
            self._wanted.set()
        else:
            stdin.write(encode(order))

    async def run(self, hear: Callable[[Answer], None]) -> None:
        """Serve until cancelled; the process then still lives, until `close`."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._serve(hear)
            await self.close()

    async def close(self) -> None:
        """End the process: ask, wait, kill."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _serve(self, hear: Callable[[Answer], None]) -> None:
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(open_log(self._log)) if self._log else subprocess.DEVNULL
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    limit=MAX_LINE_BYTES,
                    env=child_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                hear(Failed(0, f"the engine process cannot be started: {error}"))
                return
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        if self._unsent is not None:
            process.stdin.write(encode(self._unsent))
            self._unsent = None
            self._wanted.clear()
        try:
            async for line in process.stdout:
                hear(decode_answer(line))
        except (ValueError, WorkerError) as error:
            hear(Failed(0, f"the engine process was ended: {error}"))
            return
        code = await process.wait()
        log_words = f"; its log is {self._log}" if self._log else ""
        hear(Failed(0, f"the engine process has ended (exit {code}){log_words}"))
