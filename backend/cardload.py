"""How busy an NVIDIA card is and what it draws, as `nvidia-smi` says; a thread of its own asks.

torch tells the same only with another package beside it. A child that hangs, as they do when a
driver does, holds up nobody: what is old is not known.
"""

import math
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = "nvidia-smi"
PERIOD_S: Final = 10.0
"""Between two questions: each costs a tenth of a second of a processor."""
ANSWER_S: Final = 5.0
"""A child that has not answered by then is killed."""
STALE_S: Final = 30.0
"""What was said longer ago says nothing of now."""


@dataclass(frozen=True, slots=True)
class CardLoad:
    busy_frac: float | None = None
    """Share of the last moments in which it computed, 0 to 1; None where nobody tells."""
    watts: float | None = None


UNKNOWN: Final = CardLoad()


class CardWatch:
    """What was last said of one card. Nothing is asked before somebody wants to know."""

    def __init__(self, card: Callable[[], str]) -> None:
        """`card` names it as `nvidia-smi --id` takes it."""
        self._card = card
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._newest = UNKNOWN
        self._asked_at = -math.inf

    def newest(self) -> CardLoad:
        """At once; UNKNOWN before the first answer and where there is no nvidia-smi."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="card", daemon=True)
                self._thread.start()
            fresh = time.monotonic() - self._asked_at <= STALE_S
            return self._newest if fresh else UNKNOWN

    def _watch(self) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            return
        card = self._card()
        while True:
            asked_at, load = time.monotonic(), ask(program, card)
            with self._lock:
                self._asked_at, self._newest = asked_at, load
            time.sleep(PERIOD_S)


def ask(program: str, card: str) -> CardLoad:
    """One question; UNKNOWN where the answer is none."""
    query = "--query-gpu=utilization.gpu,power.draw"
    try:
        done = subprocess.run(
            [program, f"--id={card}", query, "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    fields = done.stdout[:200].decode("ascii", "replace").strip().split(",")
    if len(fields) != 2:
        return UNKNOWN
    busy_pct, watts = (_number(field) for field in fields)
    return CardLoad(None if busy_pct is None else min(1.0, busy_pct / 100), watts)


def _number(text: str) -> float | None:
    """None for `[N/A]` and whatever else is no reading."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
