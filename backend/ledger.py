"""What has happened, in order: folded into the run's state, told to listeners, written down.

`publish` is for what may be lost with the process (or is found again in files); `commit` is for
what must not be: journal, then database, then everybody hears of it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from backend.clock import wall
from backend.curves import Curve, with_curves
from backend.events import (
    TELEMETRY,
    Alert,
    Event,
    EventBase,
    Level,
    LogLine,
    TrainingStep,
)
from backend.fold import fold
from backend.patience import Patience
from backend.state import RunState
from backend.store.journal import Fact, Journal
from backend.store.store import Store
from backend.text import clean, cleaned
from backend.wire import Happened

_Recorded = TypeVar("_Recorded", bound=EventBase)

FLUSH_S: Final = 2.0
"""Curve points and log rows are written together this often."""
MAX_TELEMETRY: Final = 256
"""Readings that wait for one listener; more are dropped and counted."""
MAX_LINES: Final = 2_000
"""Events that wait for one listener; more log lines are dropped and counted. The disk has them."""
MAX_WAITING: Final = 20_000
"""Facts that wait for one listener; then it is cut off, and may come back for a new snapshot."""


class Listener:
    """One reader of the events from now on."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Happened | None] = asyncio.Queue()
        self.dropped = 0
        self.is_cut_off = False
        self._lines_dropped = 0
        """Log lines since this was last told; `_last` is the newest of them."""
        self._last: Happened | None = None

    def offer(self, happened: Happened) -> None:
        if self.is_cut_off:
            return
        waiting, kind = self._queue.qsize(), type(happened.event)
        if kind in TELEMETRY and waiting >= MAX_TELEMETRY:
            self.dropped += 1
        elif kind is LogLine and waiting >= MAX_LINES:
            self._lines_dropped += 1
            self._last = happened
        elif waiting >= MAX_WAITING:
            self.is_cut_off = True
            self.end()
        else:
            if (note := self._note()) is not None:
                self._queue.put_nowait(note)
            self._queue.put_nowait(happened)

    def end(self) -> None:
        """Nothing more will come."""
        self._queue.put_nowait(None)

    async def next(self) -> Happened | None:
        """The next event; None at the end."""
        if self._queue.empty() and (note := self._note()) is not None:
            return note
        return await self._queue.get()

    def _note(self) -> Happened | None:
        """In the place of log lines that were dropped: how many."""
        if self._last is None:
            return None
        text = f"{self._lines_dropped:,} log lines not sent: this screen did not keep up"
        note = LogLine(at=self._last.event.at, source="server", level="warning", text=text)
        happened, self._last, self._lines_dropped = Happened(self._last.seq, note), None, 0
        return happened


class Ledger:
    """The only place where the run's state changes. Used from one event loop."""

    def __init__(
        self, store: Store, journal: Journal, *, clock: Callable[[], float] = wall
    ) -> None:
        self.store = store
        self.state = RunState()
        self.seq = 0
        self._journal = journal
        self._clock = clock
        self._listeners: set[Listener] = set()
        self._points: list[TrainingStep] = []
        self._facts: list[Event] = []
        self._committing = asyncio.Lock()
        self._flushing = asyncio.Lock()
        self.patience = Patience(self.alert)
        """With a full disk, for whoever writes on behalf of the run."""

    def now(self) -> float:
        """Wall clock, for display and records only."""
        return self._clock()

    def recorded(self, kind: type[_Recorded]) -> list[_Recorded]:
        """Events of a kind that the journal held when it was opened, in their order."""
        facts = (entry.fact for entry in self._journal.reading.entries)
        return [fact for fact in facts if isinstance(fact, kind)]

    def remember(self, events: Sequence[Event]) -> None:
        """Folds events of earlier starts into the state; nobody is told, nothing is written."""
        for event in events:
            self.state = fold(self.state, event)

    def recall(self, curves: Iterable[Curve]) -> None:
        """The same for the readings of the trainer, which are too many to be told one by one."""
        self.state = with_curves(self.state, curves)

    def publish(self, event: Event) -> None:
        """Stamps an event, folds it and tells the listeners. It reaches the log table later."""
        event = cleaned(event)
        if not event.at:
            event = replace(event, at=self._clock())
        self.seq += 1
        self.state = fold(self.state, event)
        if isinstance(event, TrainingStep):
            self._points.append(event)
        elif type(event) not in TELEMETRY:
            self._facts.append(event)
        happened = Happened(self.seq, event)
        for listener in tuple(self._listeners):
            listener.offer(happened)

    async def commit(self, *facts: Fact, announce: bool = True) -> None:
        """Journals facts durably and makes their rows; then events among them are published."""
        now = self._clock()
        stamped = [
            replace(fact, at=now) if isinstance(fact, EventBase) and not fact.at else fact
            for fact in map(cleaned, facts)
        ]
        async with self._committing:
            entries = [(getattr(fact, "at", now), fact) for fact in stamped]
            await self.patience.until_there_is_room(
                lambda: asyncio.to_thread(self._journal.append, entries)
            )
            await self.patience.until_there_is_room(lambda: self.store.record_all(stamped))
        if announce:
            for fact in stamped:
                if isinstance(fact, EventBase):
                    self.publish(fact)

    def alert(self, level: Level, text: str) -> None:
        self.publish(Alert(level=level, text=clean(text)))

    def log(self, source: str, text: str, level: Level = "info") -> None:
        self.publish(LogLine(source=source, level=level, text=clean(text)))

    def listen(self) -> Listener:
        """A listener that hears everything after the present `state` and `seq`."""
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def end(self) -> None:
        """Tells every listener that nothing more will come."""
        for listener in self._listeners:
            listener.end()

    async def flush(self) -> None:
        """Writes what was published since the last flush in one transaction.

        It lies ready until it is written: who is broken off while the disk is full loses nothing,
        and a second flush ends only when the first one's readings are there.
        """
        if self._points or self._facts or self._flushing.locked():
            await self.patience.until_there_is_room(lambda: asyncio.shield(self._write_ready()))
        if self.store.is_sealing_due:
            await self.patience.until_there_is_room(self.store.seal)

    async def _write_ready(self) -> None:
        async with self._flushing:
            points, facts = list(self._points), list(self._facts)
            if points or facts:
                await self.store.log(points, facts)
                del self._points[: len(points)], self._facts[: len(facts)]

    async def keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()
