"""The lines that a child process prints, as they come, with a limit to the waiting."""

import queue
import subprocess
import threading
import time


class ChildLines:
    """Reads the standard output of `process` in a thread of its own; owns that pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._pipe = process.stdout
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def next(self, deadline: float) -> bytes | None:
        """The next whole line; None at the end, or when time.monotonic() passes the deadline."""
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if line is None or not line.endswith(b"\n"):  # The end, or a line cut by a kill.
            self._lines.put(None)
            return None
        return line

    def close(self) -> None:
        """Waits for the reader, which ends with the process."""
        self._reader.join()
        self._pipe.close()

    def _read(self) -> None:
        for line in self._pipe:
            self._lines.put(line)
        self._lines.put(None)
