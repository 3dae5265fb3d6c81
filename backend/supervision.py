"""When a dead worker is started again, when a silent one is hung. Pure: time is passed in."""

from dataclasses import dataclass
from random import Random
from typing import Final

from backend.config import SupervisorConfig
from backend.errors import ExitCode

CRASH_WINDOW_S: Final = 600.0
"""Abnormal exits longer ago than this are forgiven."""
RECYCLE_AFTER_S: Final = 10.0
"""A worker younger than this is not started again for the memory it holds."""
PATIENT_PHASES: Final = frozenset({"starting", "loading", "tuning", "compiling", "saving"})
"""Phases that may take long: they have `startup_s` instead of `stall_s`."""
BLINK_S: Final = 5.0
"""When we ourselves did not run for so long (a laptop slept), nobody else is called hung."""


@dataclass(frozen=True)
class Restart:
    """Start it again after a while."""

    delay_s: float
    crashes: int
    """Abnormal exits in the window, this one included."""


@dataclass(frozen=True)
class GiveUp:
    """Do not start it again."""

    reason: str


class RestartPolicy:
    """Decides for one worker. Counts every abnormal exit, however long it had lived."""

    def __init__(self, config: SupervisorConfig, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._crashes: list[float] = []
        self._outgrown = 0
        """Lives in a row that soon held more memory than is allowed."""

    def forgive(self) -> None:
        """Forgets what was so far: a person has seen to it."""
        self._crashes.clear()
        self._outgrown = 0

    def outgrew(self, lived_s: float, held: str) -> GiveUp | None:
        """After a life that was ended for what it held, `lived_s` after its start; None: go on.

        What leaks takes its time. Who is soon too big each time will be it again.
        """
        self._outgrown = self._outgrown + 1 if lived_s < CRASH_WINDOW_S else 0
        if self._outgrown < self._config.max_crashes:
            return None
        return GiveUp(
            f"its last {self._outgrown} lives each outgrew supervisor.memory_limit_gib within "
            f"{CRASH_WINDOW_S / 60:.0f} minutes ({held}): raise that setting, or give it less to "
            "hold"
        )

    def exited(self, code: int, now: float) -> Restart | GiveUp:
        """What to do after an exit that nobody asked for; `code` is negative for a signal."""
        if code == ExitCode.CONFIG:
            return GiveUp("its configuration cannot work; starting it again would not help")
        self._crashes = [t for t in self._crashes if now - t < CRASH_WINDOW_S] + [now]
        count = len(self._crashes)
        if count >= self._config.max_crashes:
            return GiveUp(f"{count} abnormal exits within {CRASH_WINDOW_S / 60:.0f} minutes")
        delay = min(self._config.backoff_max_s, self._config.backoff_s * 2.0 ** (count - 1))
        return Restart(delay * self._rng.uniform(0.75, 1.0), count)


def describe_exit(code: int, rss_mib: float = 0.0, *, by_us: bool = False) -> str:
    """An exit status in words; `rss_mib`: memory at the last sign of life, 0 where not known."""
    if code == -9 and not by_us:
        held = f" (it held {rss_mib:,.0f} MiB)" if rss_mib else ""
        return f"killed by signal 9 without our asking: probably out of memory{held}"
    if code < 0:
        return f"killed by signal {-code}"
    known = {int(c): c.name.lower().replace("_", " ") for c in ExitCode}
    return f"exit status {code} ({known[code]})" if code in known else f"exit status {code}"


class Pulse:
    """The last sign of life of one worker."""

    def __init__(self, config: SupervisorConfig, now: float) -> None:
        self._config = config
        self._beat_at = now
        self.phase = "starting"

    def beat(self, phase: str, now: float) -> None:
        self.phase = phase
        self._beat_at = now

    def forgive(self, now: float) -> None:
        """Starts the deadline anew: the clock ran on while nobody could have beaten."""
        self._beat_at = now

    @property
    def deadline_s(self) -> float:
        patient = self.phase in PATIENT_PHASES
        stall_s = self._config.stall_s
        return max(self._config.startup_s, stall_s) if patient else stall_s

    def silent_s(self, now: float) -> float:
        return now - self._beat_at

    def is_stalled(self, now: float) -> bool:
        return self.silent_s(now) > self.deadline_s
