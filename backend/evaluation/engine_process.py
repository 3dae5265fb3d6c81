"""One process of an engine of others on its leash: asked, watched, and started again when lost.

ask ─► an answer in time                 the process goes on
    ─► crash, hang, flood, no protocol   it is killed, children too; the next `ask` starts anew
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import chess.engine

from backend.evaluation.engines import EngineSpec
from backend.evaluation.leash import Leash, Metered, allow_cpu, kill
from backend.text import clean

CRASH: Final = "engine-crash"
HANG: Final = "engine-hang"
FLOOD: Final = "engine-flood"
NO_MOVE: Final = "no-legal-move"
OVERTIME: Final = "time-forfeit"
START: Final = "engine-start"

HANG_S: Final = 60.0
"""An engine without a time limit is silent for good after this."""
MARGIN_S: Final = 1.0
"""By which an answer may be late: other processes share the machine."""
START_S: Final = 20.0
KILL_S: Final = 0.5
"""In which what was killed is gone; a stray child may hold its pipes open, then they are closed."""
CLOSED_S: Final = 5.0
STARTING_ERRORS: Final = (chess.engine.EngineError, OSError, TimeoutError)
"""What `start` raises when the engine does not start, or lacks an option it was given."""

T = TypeVar("T")

# python-chess tells of every odd line; the reason of a failure says what came of it.
logging.getLogger("chess.engine").setLevel(logging.CRITICAL)


class EngineFailed(Exception):
    """The engine gave no answer; it will be started anew. The text is one of the reasons above."""


class EngineProcess:
    """One process of an engine, started when it is first asked, and again when it was lost."""

    def __init__(self, spec: EngineSpec, leash: Leash) -> None:
        self._spec = spec
        self._leash = leash
        self._engine: chess.engine.SimpleEngine | None = None

    def start(self) -> str:
        """Start it if it does not run; returns what it calls itself. One of STARTING_ERRORS."""
        if self._engine is None:
            started: list[int] = []
            kind = self._leash.protocol(self._spec.word, self._spec.protocol, started)
            try:
                engine = chess.engine.SimpleEngine.popen(
                    kind,
                    list(self._spec.command),
                    timeout=START_S,
                    **self._leash.popen_arguments(),
                )
            except STARTING_ERRORS:
                for pid in started:
                    kill(pid)
                raise
            self._engine = engine
            try:
                engine.configure(self._spec.options)
            except chess.engine.EngineError:
                self.end()
                raise
        return clean(self._engine.id.get("name", self._spec.word), 80)

    def has_option(self, name: str) -> bool:
        """Whether the engine that runs offers an option."""
        return self._engine is not None and name in self._engine.options

    def ask(self, question: Callable[[chess.engine.SimpleEngine], T], hang_s: float = HANG_S) -> T:
        """The answer to `question`, within the limit in time or, without one, within `hang_s`.

        EngineFailed with the reason when there is none.
        """
        try:
            self.start()
        except STARTING_ERRORS as error:
            self.end()
            raise EngineFailed(START) from error
        engine = self._engine
        assert engine is not None
        meter = engine.protocol
        assert isinstance(meter, Metered)
        meter.said = 0
        allowed_s = self._spec.limit.time
        patience_s = hang_s if allowed_s is None else allowed_s + MARGIN_S
        allow_cpu(engine.transport.get_pid(), patience_s)
        with _watch(engine, patience_s) as hung:
            try:
                return question(engine)
            except (chess.engine.EngineError, TimeoutError) as error:
                reason = CRASH if isinstance(error, chess.engine.EngineTerminatedError) else NO_MOVE
                reason = FLOOD if meter.has_flooded else reason
                if hung.is_set():
                    reason = HANG if allowed_s is None else OVERTIME
                self.end()
                raise EngineFailed(reason) from error

    def end(self) -> None:
        """Kill it, its children too."""
        engine, self._engine = self._engine, None
        if engine is not None:
            kill(engine.transport.get_pid())
            protocol = engine.protocol
            # Its exit is collected by the loop it was started in; a second waiter would confuse it.
            gone = threading.Event()
            with contextlib.suppress(RuntimeError):  # The loop has ended, and the engine before it.
                tell = protocol.returncode.add_done_callback
                protocol.loop.call_soon_threadsafe(tell, lambda _: gone.set())
                if not gone.wait(KILL_S):
                    protocol.loop.call_soon_threadsafe(engine.transport.close)
                    gone.wait(CLOSED_S)
            engine.close()


@contextlib.contextmanager
def _watch(engine: chess.engine.SimpleEngine, seconds: float) -> Iterator[threading.Event]:
    """Kills the engine after `seconds`; the event tells that it was so."""
    hung = threading.Event()

    def ring() -> None:
        hung.set()
        kill(engine.transport.get_pid())

    timer = threading.Timer(seconds, ring)
    timer.start()
    try:
        yield hung
    finally:
        timer.cancel()
