"""How far a long command is, and that it ends in order when it is interrupted."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from backend.text import clean
from matrix0.commands.options import echo

if TYPE_CHECKING:
    from rich.progress import Progress

REPORT_EVERY_S: Final = 5.0
"""Seconds between two lines of progress."""


class Meter:
    """How far it is: a bar on a terminal, a line now and then elsewhere; both beside the output."""

    def __init__(self) -> None:
        self._due = time.monotonic() + REPORT_EVERY_S
        self._bar: Progress | None = None

    def __enter__(self) -> "Meter":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TimeRemainingColumn(),
                TextColumn("{task.fields[readings]}", markup=False),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._bar.add_task("", total=1.0, readings="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, what: str, share: float | None, readings: str) -> None:
        """`share` is 0 to 1, or None where nobody knows the whole."""
        if self._bar is not None:
            total = None if share is None else 1.0
            task = self._bar.task_ids[0]
            self._bar.update(
                task,
                description=clean(what),
                total=total,
                completed=share or 0.0,
                readings=readings,
            )
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + REPORT_EVERY_S
            part = "" if share is None else f" {share:.0%}"
            echo(f"  {clean(what)}{part}: {readings}", err=True)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM came: what is at work then ends in order."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
