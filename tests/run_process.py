"""`matrix0-tui --no-ui --json` as a process of its own: followed by its events, killed, restarted.

Imports nothing of the program. Events are the JSON objects it prints; the processes of a run are
those that have its directory on their command line, since workers live in sessions of their own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import psutil

from tests.child_lines import ChildLines

ROOT: Final = Path(__file__).resolve().parents[1]
LIMIT_S: Final = 240.0
"""No event is waited for longer than this; a machine that works may take minutes to load torch."""
GONE_S: Final = 5.0
"""After this time nothing of a killed run may be alive."""

SETTINGS: Final = (
    "device.kind=cpu",
    "model.channels=16",
    "model.blocks=1",
    "model.value_hidden=16",
    "search.simulations=2",
    "search.gumbel_considered=2",
    "selfplay.workers=1",
    "selfplay.games=8",
    "selfplay.max_plies=24",
    "replay.min_positions=1500",
    "replay.samples_per_position=4",
    "training.batch_size=32",
    "training.steps_per_cycle=40",
    "training.metrics_every=5",
    "evaluation.games=4",
    "evaluation.baseline_games=2",
    "evaluation.max_plies=20",
    "evaluation.gate_score=0",
    "supervisor.heartbeat_s=0.2",
    "supervisor.backoff_s=0.1",
    "supervisor.keep_checkpoints=2",
)
"""A cycle takes seconds, almost every candidate is promoted, old checkpoints leave the disk."""

Event = dict[str, Any]
"""As printed; fields that have their default are left out."""
Way = Literal["group", "everything"]
"""The supervisor's process group alone, or it and every worker at once."""


class RunProcess:
    """One start of a run. Use as a context manager: what is left of it at the end is killed."""

    def __init__(
        self,
        directory: Path,
        *words: str,
        hear: Callable[[Event], None],
        settings: Sequence[str] = SETTINGS,
    ) -> None:
        """`hear` is called with every event, in the thread that waits for one."""
        self.directory = directory
        self.events: list[Event] = []
        self.began = time.monotonic()
        self.recovered_s = 0.0
        """From the start to the first event, which says what was recovered."""
        self._hear = hear
        self._log = directory.with_name(f"{directory.name}.stderr")
        overrides = [word for setting in settings for word in ("--set", setting)]
        code = "from matrix0.cli import tui_main; tui_main()"
        command = [sys.executable, "-c", code, "--no-ui", "--json", "--run", str(directory)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--preset", "tiny", *overrides, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
            )
        self._lines = ChildLines(self.process)

    def __enter__(self) -> "RunProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in processes_of(self.directory):
            process.kill()
        self.process.kill()
        self.process.wait()
        self._lines.close()

    # Listening ------------------------------------------------------------------------------------

    def wait_for(self, kind: str, is_it: Callable[[Event], bool] = lambda _: True) -> Event:
        """The next event of a kind that fits; fails when the output ends or time is up."""
        deadline = time.monotonic() + LIMIT_S
        while (event := self._next(deadline)) is not None:
            if event["type"] == kind and is_it(event):
                return event
        last = [event["type"] for event in self.events[-8:]]
        raise AssertionError(f"no {kind} came; last {last}; {self._log.read_text()[-2000:]}")

    def listen(self, seconds: float) -> None:
        """Hears what comes in the next seconds."""
        deadline = time.monotonic() + seconds
        while self._next(deadline) is not None:
            pass

    def finish(self) -> int:
        """Hears everything to the end and returns the exit code."""
        self.listen(LIMIT_S)
        return self.process.wait(timeout=GONE_S)

    def _next(self, deadline: float) -> Event | None:
        line = self._lines.next(deadline)
        if line is None:
            return None
        event: Event = json.loads(line)
        if event["type"] == "Recovered":
            self.recovered_s = time.monotonic() - self.began
        self.events.append(event)
        self._hear(event)
        return event

    # Killing --------------------------------------------------------------------------------------

    def kill(self, way: Way) -> int:
        """SIGKILL; hears what had been said before, and returns how many processes outlived it.

        Outliving means: still alive after GONE_S.
        """
        deadline = time.monotonic() + GONE_S
        workers = self._workers() if way == "everything" else []
        for number in (signal.SIGSTOP, signal.SIGKILL):  # So that none sees another die and acts.
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.send_signal(number)
            os.killpg(self.process.pid, number)
        self.process.wait()
        while (alive := processes_of(self.directory)) and time.monotonic() < deadline:
            if way == "everything":  # Also what had been started and not yet announced.
                for process in alive:
                    process.kill()
            psutil.wait_procs(alive, timeout=deadline - time.monotonic())
        self.listen(LIMIT_S)
        return len(alive)

    def _workers(self) -> list[psutil.Process]:
        pids = [event["pid"] for event in self.events if event["type"] == "WorkerStarted"]
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]


def processes_of(directory: Path) -> list[psutil.Process]:
    """Every other living process with the run directory on its command line; a zombie has none."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(directory) in (process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]
