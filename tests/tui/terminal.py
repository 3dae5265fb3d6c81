"""The screen as a process of its own, in a pseudo-terminal: what it writes, and keys for it."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from tests.limits import PATIENCE_S


class Terminal:
    """Use as a context manager: what still runs at its end is killed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (120, 40),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", size[1], size[0], 0, 0))
        known = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **known, **(environment or {})},
            # A terminal of its own, that hangs up when ours is closed.
            preexec_fn=_own_terminal,
        )
        os.close(theirs)
        self._written = bytearray()
        self._changed = threading.Condition()
        self._is_open = True
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_S)
        if self._is_open:
            os.close(self._ours)

    @property
    def written(self) -> bytes:
        """All so far."""
        with self._changed:
            return bytes(self._written)

    def wait_for_more(self) -> None:
        """Until it writes, or half a second has passed."""
        with self._changed:
            self._changed.wait(0.5)

    def wait_for(self, text: str, after: int = 0) -> None:
        """Until the text has been written, beyond the first `after` bytes, in one piece."""
        wanted = text.encode()
        deadline = time.monotonic() + PATIENCE_S
        with self._changed:
            while self._written.find(wanted, after) < 0:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"never wrote {text!r}; last: {self._written[-2000:]!r}")
                self._changed.wait(min(left_s, 0.5))

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def hang_up(self) -> None:
        """As if the window had been closed or the line had been cut."""
        self.process.send_signal(signal.SIGHUP)
        self._is_open = False
        os.close(self._ours)

    def _read(self) -> None:
        with suppress(OSError):  # Linux says so when the other end was closed.
            while part := os.read(self._ours, 1 << 16):
                with self._changed:
                    self._written += part
                    self._changed.notify_all()


def _own_terminal() -> None:
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # As under nohup: the screen ends all the same.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
