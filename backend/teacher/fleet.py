"""A teacher of many engine processes, on this machine or on a cluster's: it answers as one does.

Positions asked go out in pieces to labellers, helpers of a fleet (`backend/cluster/fleet.py`).
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import chess
import msgspec

from backend.cluster.fleet import AHEAD, LEASE_S, Fleet, Helper, Pool
from backend.errors import ConfigError
from backend.evaluation.engines import EngineSpec
from backend.pool import ProcessSpec
from backend.processes import child_command, child_environment
from backend.rundir import RunDirectory
from backend.teacher.engine import SHOW_WDL, RefusedPosition
from backend.teacher.scoring import WIN_RATE_MODEL
from backend.teacher.scoring import Line as EngineLine
from backend.teacher.words import MAX_POSITIONS, Answered, Hello, Piece, Said, Sorry

PER_LABELLER: Final = AHEAD * MAX_POSITIONS
"""Positions to ask at a time."""

Answering = Future[list[EngineLine]]


class _Question(NamedTuple):
    fen: str
    answer: Answering


class TeachingFleet(Fleet[list[_Question]]):
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
        move_s = spec.limit.time or 0.0
        super().__init__(
            [_labeller(f"labeller{n}", spec, multipv, run) for n in range(labellers)],
            pool,
            say=say,
            lease_s=max(lease_s, 4 * PER_LABELLER * move_s),
        )
        self.why = "no labeller could be started"
        self.spec = spec
        self._questions: deque[_Question] = deque()
        self._hello: Future[Hello] = Future()
        """What the first one said."""
        self._lost_processes: Counter[str] = Counter()
        """Engines replaced, by labeller."""
        self.begin()
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
        return self._lost_processes.total() + self.leases.num_again

    def ask(self, board: chess.Board) -> Answering:
        """Its lines, best first; the future raises RefusedPosition. See `TeachingEngine.ask`."""
        question = _Question(board.fen(shredder=True), Future())
        self._questions.append(question)
        self.wake()
        return question.answer

    # In the thread --------------------------------------------------------------------------------

    def fresh_work(self) -> list[_Question] | None:
        few = min(MAX_POSITIONS, len(self._questions))
        return [self._questions.popleft() for _ in range(few)] or None

    def orders(self, number: int, work: list[_Question]) -> Sequence[bytes]:
        piece = Piece(number=number, fens=tuple(question.fen for question in work))
        return [msgspec.json.encode(piece) + b"\n"]

    def listen(self, helper: Helper, line: bytes) -> None:
        said = msgspec.json.decode(line, type=Said)
        match said:
            case Hello():
                if not self._hello.done():
                    self._hello.set_result(said)
                if said != self._hello.result():
                    self.give_up(helper, f"its engine is {said.version}, another one")
                    self.kill(helper)
                    return
                helper.is_up = True
            case Sorry():
                self.give_up(helper, said.reason)
            case Answered():
                self.renew(helper)
                before = self._lost_processes[helper.name]
                self._lost_processes[helper.name] = max(before, said.lost)
                questions = self.leases.done(said.number)
                for question, answer in zip(questions or (), said.answers, strict=False):
                    if answer.refused:
                        question.answer.set_exception(RefusedPosition(answer.refused))
                    else:
                        question.answer.set_result(list(answer.lines))

    def abandon(self) -> None:
        if not self._hello.done():
            self._hello.set_exception(ConfigError(f"engine {self.spec.word!r}: {self.why}"))
        left = [question for work in self.leases.drain() for question in work]
        while self._questions:
            left.append(self._questions.popleft())
        for question in left:
            question.answer.set_exception(RefusedPosition(self.why))


def _labeller(name: str, spec: EngineSpec, multipv: int, run: RunDirectory) -> ProcessSpec:
    words = ("labeller", "--run", str(run.path), "--engine", spec.word, "--multipv", str(multipv))
    return ProcessSpec(
        worker=name,
        argv=tuple(child_command(*words)),
        environment=child_environment(),
        log=run.log_file(name),
    )
