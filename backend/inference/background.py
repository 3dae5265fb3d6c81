"""Networks made ready in a thread while another one plays."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Ready = TypeVar("Ready")


class InBackground(Generic[Ready]):
    """Prepares what is asked for by name, one at a time; of several that wait, the newest."""

    def __init__(self, prepare: Callable[[str], Ready]) -> None:
        """`prepare` is called in the one thread of this object, never twice at once."""
        self._prepare = prepare
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare")
        self._asked = ""
        self._running: tuple[str, Future[Ready]] | None = None

    def ask(self, name: str) -> None:
        """Prepare this one next; one that was asked for and not begun is forgotten."""
        self._asked = name
        if self._running is None:
            self._begin()

    @property
    def preparing(self) -> str:
        """The name of what is being prepared; empty when nothing is."""
        return self._running[0] if self._running else ""

    def poll(self) -> tuple[str, Ready] | None:
        """What has become ready since, once. Raises what its preparation raised."""
        if self._running is None or not self._running[1].done():
            return None
        name, future = self._running
        self._running = None
        if self._asked:
            self._begin()
        return name, future.result()

    def _begin(self) -> None:
        name, self._asked = self._asked, ""
        self._running = name, self._thread.submit(self._prepare, name)
