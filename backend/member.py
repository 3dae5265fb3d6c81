"""What a crew knows of each of its workers, from one life to the next."""

import asyncio

from backend.pool import WorkerSpec
from backend.supervision import Pulse, RestartPolicy


class Member:
    """One worker, its present life and what is wanted of it."""

    def __init__(self, spec: WorkerSpec, policy: RestartPolicy, pulse: Pulse) -> None:
        self.spec = spec
        self.policy = policy
        self.pulse = pulse
        self.exit: asyncio.Future[int] | None = None
        """Set while a process runs."""
        self.is_ready = False
        self.is_given_up = False
        self.is_leaving = False
        """It shall end for good, and is asked to."""
        self.is_recycled = False
        """It shall end and be started again, and is asked to."""
        self.outgrown: tuple[float, str] | None = None
        """Recycled for the memory it held: how long it had lived, and what it held, in words."""
        self.wake = asyncio.Event()
        """Ends its rest between two lives."""
        self.is_lost = False
        """It was not its fault: its machine is gone, or none has room for it."""
        self.is_told = False
        """An alert has said so for all."""
        self.losses = 0
        """Tries in a row that found no place."""
        self.cause = ""
        """Why it will have ended, as far as we know."""
        self.condemned_at: float | None = None
        self.rss_mib = 0.0
        """At the last sign of life."""
        self.started_at = 0.0

    @property
    def is_alive(self) -> bool:
        return self.exit is not None and not self.exit.done()
