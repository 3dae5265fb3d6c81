"""A teacher of many engine processes, on this machine or on a cluster's: it answers as one does.

    positions asked ─► pieces ─► lent to labellers ─► answers, in any order ─► each counts once
                         ▲── the labeller died, its node was lost, or its time is over

Labellers are workers of a pool (`backend/pool.py`). Those that end are started again, with growing
delays, unless they do so again and again without an answer. A thread of its own serves them.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import chess
import msgspec

from backend.cluster.leases import Leases
from backend.cluster.pool import RayPool
from backend.errors import ConfigError, NoPlaceError, WorkerError
from backend.evaluation.engines import EngineSpec
from backend.pool import Exited, Line, LocalPool, Lost, ProcessSpec, WorkerPool
from backend.processes import child_command, child_environment
from backend.rundir import RunDirectory
from backend.teacher.engine import SHOW_WDL, RefusedPosition
from backend.teacher.scoring import WIN_RATE_MODEL
from backend.teacher.scoring import Line as EngineLine
from backend.teacher.words import MAX_POSITIONS, Answered, Hello, Piece, Said, Sorry

LEASE_S: Final = 120.0
"""A labeller that says nothing for so long has its pieces taken by others."""
AHEAD: Final = 2
"""Pieces that a labeller may have, so that it need not wait for the next one."""
MAX_FAILURES: Final = 5
"""In a row, without an answer between: then a labeller is given up."""
MAX_DELAY_S: Final = 30.0
TICK_S: Final = 1.0

Pool = LocalPool | RayPool
Answering = Future[list[EngineLine]]


class _Question(NamedTuple):
    fen: str
    answer: Answering


@dataclass(eq=False)
class _Labeller:
    name: str
    is_up: bool = False
    """Whether its engine has started."""
    is_given_up: bool = False
    failures: int = 0
    lost_processes: int = 0
    end: asyncio.Queue[Exited | Lost] = field(default_factory=asyncio.Queue)


class TeachingFleet:
    """What `TeachingEngine` is to `Labelling`; to be closed."""

    def __init__(
        self,
        spec: EngineSpec,
        *,
        labellers: int,
        multipv: int,
        run: RunDirectory,
        pool: Pool,
        say: Callable[[str], None],
        lease_s: float = LEASE_S,
    ) -> None:
        """ConfigError when the engine starts nowhere. `say` is told of labellers given up."""
        self.spec = spec
        self._multipv = multipv
        self._run = run
        self._pool = pool
        self._say = say
        move_s = spec.limit.time or 0.0
        self._leases = Leases[list[_Question]](max(lease_s, 4 * AHEAD * MAX_POSITIONS * move_s))
        self._questions: deque[_Question] = deque()
        self._labellers = {f"labeller{n}": _Labeller(f"labeller{n}") for n in range(labellers)}
        self._hello: Future[Hello] = Future()
        """What the first one said."""
        self._why = "no labeller could be started"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._handing_out = asyncio.Lock()
        self._thread = threading.Thread(target=self._serve, name="fleet", daemon=True)
        self._thread.start()
        try:
            hello = self._hello.result()
        except ConfigError:
            self.close()
            raise
        self.version = hello.version
        self.values = SHOW_WDL if hello.tells_wdl else WIN_RATE_MODEL

    @property
    def num_lost(self) -> int:
        """Engine processes that were replaced, and pieces that were lent again."""
        replaced = sum(labeller.lost_processes for labeller in self._labellers.values())
        return replaced + self._leases.num_again

    def ask(self, board: chess.Board) -> Answering:
        """Its lines, best first; the future raises RefusedPosition. See `TeachingEngine.ask`."""
        question = _Question(board.fen(shredder=True), Future())
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._take(question), self._loop)
        return question.answer

    def close(self) -> None:
        """Ends all labellers."""
        if self._thread.is_alive() and self._loop is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    # In the thread --------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        finally:
            if not self._hello.done():
                self._hello.set_exception(ConfigError(f"engine {self.spec.word!r}: {self._why}"))
            self._refuse_all()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with self._pool as pool, asyncio.TaskGroup() as tasks:
            keepers = [
                tasks.create_task(self._keep(pool, labeller))
                for labeller in self._labellers.values()
            ]
            others = [tasks.create_task(self._hear(pool)), tasks.create_task(self._tick(pool))]
            await self._over.wait()
            for task in (*keepers, *others):
                task.cancel()

    async def _keep(self, pool: WorkerPool, labeller: _Labeller) -> None:
        """Starts it, and again when it has ended, until it is given up."""
        words = ("labeller", "--run", str(self._run.path), "--engine", self.spec.word)
        spec = ProcessSpec(
            worker=labeller.name,
            argv=tuple(child_command(*words, "--multipv", str(self._multipv))),
            environment=child_environment(),
            log=self._run.log_file(labeller.name),
        )
        while not labeller.is_given_up:
            try:
                await pool.start(spec)
                end = await labeller.end.get()
                if isinstance(end, Exited):
                    labeller.failures += 1
                    self._why = f"{labeller.name} ended ({end.code}); {spec.log} says why"
            except NoPlaceError as error:
                if self._why != str(error):
                    self._say(f"{error}; it is tried again")
                self._why = str(error)
            except WorkerError as error:
                labeller.failures += 1
                self._why = str(error)
            if labeller.failures >= MAX_FAILURES:
                self._give_up(labeller, self._why)
            else:
                await asyncio.sleep(min(MAX_DELAY_S, 2.0**labeller.failures - 0.5))

    async def _hear(self, pool: WorkerPool) -> None:
        async for happened in pool.events():
            labeller = self._labellers[happened.worker]
            match happened:
                case Line():
                    self._listen(pool, labeller, happened.data)
                case Exited() | Lost():
                    labeller.is_up = False
                    self._leases.lose(labeller.name)
                    labeller.end.put_nowait(happened)
            await self._hand_out(pool)

    async def _tick(self, pool: WorkerPool) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._leases.expire(time.monotonic()):
                await self._hand_out(pool)

    def _listen(self, pool: WorkerPool, labeller: _Labeller, line: bytes) -> None:
        try:
            said = msgspec.json.decode(line, type=Said)
        except msgspec.MsgspecError:
            pool.signal(labeller.name, 9)  # It is broken; the next one may not be.
            return
        match said:
            case Hello():
                if not self._hello.done():
                    self._hello.set_result(said)
                if said != self._hello.result():
                    self._give_up(labeller, f"its engine is {said.version}, another one")
                    pool.signal(labeller.name, 9)
                    return
                labeller.is_up = True
            case Sorry():
                self._give_up(labeller, said.reason)
            case Answered():
                labeller.failures = 0
                labeller.lost_processes = max(labeller.lost_processes, said.lost)
                self._leases.renew(labeller.name, time.monotonic())
                questions = self._leases.done(said.number)
                for question, answer in zip(questions or (), said.answers, strict=False):
                    if answer.refused:
                        question.answer.set_exception(RefusedPosition(answer.refused))
                    else:
                        question.answer.set_result(list(answer.lines))

    async def _take(self, question: _Question) -> None:
        self._questions.append(question)
        if all(labeller.is_given_up for labeller in self._labellers.values()):
            self._refuse_all()
        else:
            await self._hand_out(self._pool)

    async def _hand_out(self, pool: WorkerPool) -> None:
        """Gives pieces to whoever has room."""
        async with self._handing_out:
            for labeller in self._labellers.values():
                while labeller.is_up and self._leases.held_by(labeller.name) < AHEAD:
                    piece = self._piece_for(labeller.name)
                    if piece is None:
                        return
                    try:
                        await pool.send(labeller.name, msgspec.json.encode(piece) + b"\n")
                    except WorkerError:
                        labeller.is_up = False  # Its end is on the way.
                        self._leases.lose(labeller.name)

    def _piece_for(self, name: str) -> Piece | None:
        now = time.monotonic()
        lent = self._leases.lend_waiting(name, now)
        if lent is None:
            if not self._questions:
                return None
            few = min(MAX_POSITIONS, len(self._questions))
            work = [self._questions.popleft() for _ in range(few)]
            lent = self._leases.lend(work, name, now), work
        number, work = lent
        return Piece(number=number, fens=tuple(question.fen for question in work))

    def _give_up(self, labeller: _Labeller, why: str) -> None:
        if labeller.is_given_up:
            return
        labeller.is_given_up = True
        labeller.is_up = False
        self._leases.lose(labeller.name)
        self._why = why
        if not all(other.is_given_up for other in self._labellers.values()):
            self._say(f"{labeller.name} is given up: {why}")
        elif self._hello.done():
            self._refuse_all()
        else:
            self._hello.set_exception(ConfigError(f"engine {self.spec.word!r}: {why}"))

    def _refuse_all(self) -> None:
        """Nobody is left to answer."""
        lent = [question for work in self._leases.drain() for question in work]
        for question in (*lent, *self._questions):
            question.answer.set_exception(RefusedPosition(self._why))
        self._questions.clear()
