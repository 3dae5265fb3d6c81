"""Labellers die and speak twice, and every position is answered once, by its own lines."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import chess
import chess.engine
import msgspec
import psutil
import pytest

from backend.cluster.pool import RayPool
from backend.commands import WorkerCommand
from backend.config import Config
from backend.errors import ConfigError
from backend.evaluation.engines import EngineSpec, parse_engine
from backend.evaluation.leash import Leash
from backend.pool import LocalPool, Placed, ProcessSpec
from backend.rundir import RunDirectory
from backend.teacher.engine import RefusedPosition, TeachingEngine
from backend.teacher.fleet import TeachingFleet
from backend.teacher.scoring import Line
from backend.teacher.words import Answer, Answered, Hello, Piece, Sorry
from tests.backend.cluster_head import LOCAL_AND_RAY, RayHead
from tests.backend.fakes.pool import FakePool
from tests.limits import PATIENCE_S

ENGINE = Path(__file__).with_name("teaching_engine.py")
NUMBERS = range(1, 101)
SPEC = EngineSpec(
    word="right-hand",
    command=("right-hand",),
    protocol="uci",
    limit=chess.engine.Limit(nodes=1),
    options={},
)


class _ScriptedPool(FakePool):
    """Labellers that answer twice; the first one dies with what it has when it gets its second
    piece, the third has another engine."""

    def __init__(self) -> None:
        super().__init__()
        self.has_died = False
        self.reason = ""

    async def __aenter__(self) -> "_ScriptedPool":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    async def start(self, spec: ProcessSpec) -> Placed:
        placed = await super().start(spec)
        version = "another" if spec.worker == "labeller2" else "Right Hand 3"
        hello = Hello(version=version, tells_wdl=False)
        self.say(
            spec.worker, msgspec.json.encode(Sorry(reason=self.reason) if self.reason else hello)
        )
        return placed

    async def send(self, worker: str, command: WorkerCommand | bytes) -> None:
        await super().send(worker, command)
        assert isinstance(command, bytes)
        assert worker != "labeller2"
        piece = msgspec.json.decode(command, type=Piece)
        if worker == "labeller0" and not self.has_died:
            held = [line for name, line in self.sent if name == worker]
            if len(held) == 2:
                self.has_died = True
                self.lose(worker, "no power")
            return
        answers = tuple(_answer(fen) for fen in piece.fens)
        line = msgspec.json.encode(Answered(number=piece.number, answers=answers, lost=0))
        self.say(worker, line)
        self.say(worker, line)


def _answer(fen: str) -> Answer:
    number = int(fen.split()[-1])
    if number == 50:
        return Answer(refused="a bad position")
    return Answer(lines=(Line(move=1, cp=number),))


def _board(number: int) -> chess.Board:
    return chess.Board(f"4k3/8/8/8/8/8/4P3/4K3 w - - 0 {number}", chess960=True)


def _run(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    run.create()
    run.settle(Config())
    return run


def test_pieces_of_a_lost_labeller_are_answered_by_others_and_nothing_twice(
    tmp_path: Path,
) -> None:
    pool, said = _ScriptedPool(), []
    fleet = TeachingFleet(
        SPEC,
        labellers=3,
        multipv=1,
        run=_run(tmp_path / "run"),
        pool=pool,  # type: ignore[arg-type]
        say=said.append,
    )
    try:
        assert (fleet.version, fleet.values) == ("Right Hand 3", "sf16")
        asked = {number: fleet.ask(_board(number)) for number in NUMBERS}
        with pytest.raises(RefusedPosition, match="a bad position"):
            asked.pop(50).result(PATIENCE_S)
        found = {number: future.result(PATIENCE_S)[0].cp for number, future in asked.items()}
        assert found == {number: number for number in NUMBERS if number != 50}
        assert pool.has_died
        assert fleet.num_lost == 2
        assert said == ["labeller2 is given up: its engine is another, another one"]
    finally:
        fleet.close()


def test_an_engine_that_starts_nowhere_is_an_error(tmp_path: Path) -> None:
    pool = _ScriptedPool()
    pool.reason = "no engine 'right-hand' is installed"
    with pytest.raises(ConfigError, match="'right-hand': no engine 'right-hand' is installed"):
        TeachingFleet(
            SPEC,
            labellers=2,
            multipv=1,
            run=_run(tmp_path / "run"),
            pool=pool,  # type: ignore[arg-type]
            say=lambda _: None,
        )


@contextmanager
def _engine(tmp_path: Path) -> Iterator[EngineSpec]:
    path = tmp_path / "right-hand"
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {ENGINE} {tmp_path / 'asked'} slow:\n")
    path.chmod(0o700)
    yield parse_engine(f"{path}:nodes=1")


@pytest.mark.slow
@LOCAL_AND_RAY
def test_labellers_that_are_killed_are_replaced_and_answer_as_one_engine_does(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    pool: LocalPool | RayPool
    if kind == "local":
        run, pool = _run(tmp_path / "run"), LocalPool()
    else:
        head: RayHead = request.getfixturevalue("ray_head")
        run = head.prepared_run(tmp_path / "run")
        pool = RayPool(run, lambda seen: None, lambda level, text: None)
    with _engine(tmp_path) as spec:
        fleet = TeachingFleet(spec, labellers=2, multipv=3, run=run, pool=pool, say=lambda _: None)
        try:
            asked = {number: fleet.ask(_board(number)) for number in range(1, 61)}
            asked[10].result(PATIENCE_S)
            _kill_a_labeller(tmp_path)
            found = {number: future.result(PATIENCE_S) for number, future in asked.items()}
        finally:
            fleet.close()
        assert not _labellers(tmp_path)
        here = TeachingEngine(spec, processes=1, multipv=3, leash=Leash())
        try:
            assert here.version == fleet.version
            for number in (1, 30, 60):
                assert found[number] == here.ask(_board(number)).result(PATIENCE_S)
        finally:
            here.close()


def _labellers(tmp_path: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or ()
        if "labeller" in words and any(str(tmp_path) in word for word in words):
            found.append(process)
    return found


def _kill_a_labeller(tmp_path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := _labellers(tmp_path)):
        assert time.monotonic() < deadline
    found[0].send_signal(signal.SIGKILL)
