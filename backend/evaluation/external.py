"""An engine of others as a player: some of its processes serve all boards.

    boards 0 1 2 3 …  ─►  a free process  ─►  move        crash, hang, flood, illegal move
                                          ─►  forfeit     that game is lost; the process is replaced

Nothing an engine does ends the match: whatever it says instead of a legal move within its time
loses the game it was asked about, with the reason. Its own opinion of the rules is never asked.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import chess
import chess.engine

from backend.errors import ConfigError
from backend.evaluation.engines import EngineSpec
from backend.evaluation.leash import Leash, Metered, allow_cpu, kill
from backend.evaluation.players import Forfeit
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
"""By which a move may be late: other processes share the machine."""
START_S: Final = 20.0
KILL_S: Final = 0.5
"""In which what was killed is gone; a stray child may hold its pipes open, then they are closed."""
CLOSED_S: Final = 5.0
NO_LOG: Final = Leash()

_WANTED: Final = chess.engine.INFO_BASIC | chess.engine.INFO_SCORE

# python-chess tells of every odd line; the forfeit says what came of it.
logging.getLogger("chess.engine").setLevel(logging.CRITICAL)


class ExternalPlayer:
    """Plays by the processes of one engine; to be closed."""

    def __init__(
        self,
        spec: EngineSpec,
        *,
        processes: int,
        hang_s: float = HANG_S,
        leash: Leash = NO_LOG,
    ) -> None:
        """ConfigError when the engine does not start, or lacks an option it was given."""
        self.spec = spec
        self._hang_s = hang_s
        self._free: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._processes = [_Process(spec, leash) for _ in range(processes)]
        for process in self._processes:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="engine")
        self._games: dict[int, int] = {}
        self._num_games = 0
        self._comments: dict[int, str] = {}
        self._values: dict[int, float | None] = {}
        try:
            self.version = self._processes[0].start()
        except (chess.engine.EngineError, OSError, TimeoutError) as error:
            self.close()
            raise ConfigError(f"engine {spec.word!r}: {clean(str(error), 300)}") from error
        self.name = f"{self.version} ({spec.budget})"

    def start(self, slot: int, board: chess.Board) -> None:
        self._num_games += 1
        self._games[slot] = self._num_games
        self._comments.pop(slot, None)
        self._values.pop(slot, None)

    def think(
        self, slots: Sequence[int], boards: Sequence[chess.Board]
    ) -> list[chess.Move | Forfeit]:
        return list(self._threads.map(self._move, slots, boards))

    def played(self, slot: int, move: chess.Move) -> None:
        pass

    def comment(self, slot: int) -> str:
        return self._comments.get(slot, "")

    def value(self, slot: int) -> float | None:
        return self._values.get(slot)

    def close(self) -> None:
        """End all processes; they are killed if they do not obey."""
        self._threads.shutdown()
        for process in self._processes:
            process.end()

    def _move(self, slot: int, board: chess.Board) -> chess.Move | Forfeit:
        process = self._free.get()
        try:
            answer = process.move(board, self._games[slot], self._hang_s)
        finally:
            self._free.put(process)
        self._comments[slot], self._values[slot] = answer.comment, answer.value
        return answer.move


class _Answer(NamedTuple):
    """A legal move, or why there is none."""

    move: chess.Move | Forfeit
    comment: str = ""
    value: float | None = None


class _Process:
    """One process of an engine, started again when it was lost."""

    def __init__(self, spec: EngineSpec, leash: Leash) -> None:
        self._spec = spec
        self._leash = leash
        self._engine: chess.engine.SimpleEngine | None = None

    def start(self) -> str:
        """Start it if it does not run; returns what it calls itself."""
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
            except (chess.engine.EngineError, OSError, TimeoutError):
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

    def move(self, board: chess.Board, game: int, hang_s: float) -> _Answer:
        """Let it think about the position."""
        try:
            self.start()
        except (chess.engine.EngineError, OSError, TimeoutError):
            self.end()
            return _Answer(Forfeit(START))
        engine = self._engine
        assert engine is not None
        meter = engine.protocol
        assert isinstance(meter, Metered)
        meter.said = 0
        allowed_s = self._spec.limit.time
        patience_s = hang_s if allowed_s is None else allowed_s + MARGIN_S
        allow_cpu(engine.transport.get_pid(), patience_s)
        began = time.monotonic()
        with _watch(engine, patience_s) as hung:
            try:
                found = engine.play(board, self._spec.limit, game=game, info=_WANTED)
            except (chess.engine.EngineError, TimeoutError) as error:
                reason = CRASH if isinstance(error, chess.engine.EngineTerminatedError) else NO_MOVE
                reason = FLOOD if meter.has_flooded else reason
                if hung.is_set():
                    reason = HANG if allowed_s is None else OVERTIME
                self.end()
                return _Answer(Forfeit(reason))
        seconds = time.monotonic() - began
        if found.move is None or not board.is_legal(found.move):
            self.end()
            return _Answer(Forfeit(NO_MOVE))
        return _Answer(
            found.move, _comment(found.info, board.turn, seconds), _value(found.info, board)
        )

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


def _value(info: chess.engine.InfoDict, board: chess.Board) -> float | None:
    """The mover's expected score, -1 to 1, from centipawns as Stockfish converts them."""
    score = info.get("score")
    if score is None:
        return None
    return 2 * score.pov(board.turn).wdl(model="sf", ply=board.ply()).expectation() - 1


def _comment(info: chess.engine.InfoDict, turn: chess.Color, seconds: float) -> str:
    """'+0.35/12 1,004 nodes 0.021 s': score for the mover in pawns, depth, nodes, time."""
    parts = []
    score = info.get("score")
    if score is not None:
        pov = score.pov(turn)
        mate = pov.mate()
        pawns = pov.score()
        said = f"#{mate:+d}" if mate is not None else f"{(pawns or 0) / 100:+.2f}"
        parts.append(f"{said}/{info.get('depth', 0)}")
    if "nodes" in info:
        parts.append(f"{info['nodes']:,} nodes")
    return " ".join([*parts, f"{seconds:.3f} s"])
