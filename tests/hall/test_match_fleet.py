"""Halls die, speak twice and lie, and every game of a match counts once, as it was played."""

import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import psutil
import pytest
import torch

from backend import checkpoints
from backend.cluster.pool import RayPool
from backend.commands import WorkerCommand
from backend.errors import WorkerError
from backend.evaluation.club import Club
from backend.evaluation.fixture import Fixture
from backend.evaluation.match import MatchGame, play_match
from backend.evaluation.openings import openings_of
from backend.evaluation.playedgame import record_of
from backend.evaluation.players import GreedyPlayer, RandomPlayer
from backend.hall.fleet import MatchFleet
from backend.hall.words import Ended, Open, Seated, Seats, Sorry
from backend.pool import LocalPool, Placed, ProcessSpec
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.weights import arrays_of
from model.net import ChessNet
from tests.backend.cluster_head import LOCAL_AND_RAY, RayHead
from tests.backend.fakes.pool import FakePool
from tests.limits import PATIENCE_S

SETTINGS = (
    "model.channels=16",
    "model.blocks=2",
    "search.simulations=4",
    "evaluation.max_plies=40",
    "evaluation.parallel_games=8",
    "inference.backend=torch",
    "device.kind=cpu",
)
CONFIG = build_config("tiny", overrides=SETTINGS)
FIXTURE = Fixture(first="greedy", second="random", games=24, simulations=4, seed=1)
OPENINGS = openings_of(CONFIG.evaluation, 12, FIXTURE.seed)


class _ScriptedPool(FakePool):
    """Halls that play at once and say every game twice. `hall1` dies once, with its first game
    said and the rest of its pieces; `hall2` has `lie` in what it says."""

    def __init__(self, lie: str) -> None:
        super().__init__()
        self.has_died = False
        self._lie = lie
        self._names = ("greedy", "random")

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
        self.say(spec.worker, msgspec.json.encode(Open()))
        return placed

    async def send(self, worker: str, command: WorkerCommand | bytes) -> None:
        await super().send(worker, command)
        assert isinstance(command, bytes)
        seats = msgspec.json.decode(command, type=Seats)
        lies = worker == "hall2"
        if lies and self._lie == "sorry":
            self.say(worker, msgspec.json.encode(Sorry(reason="no such player here")))
            return
        names = ("Greedy 2", "random") if lies and self._lie == "names" else self._names
        self.say(worker, msgspec.json.encode(Seated(number=seats.number, names=names)))
        for game in _games(seats):
            record = record_of(game)
            if lies and self._lie == "result":
                record = msgspec.structs.replace(record, result=-record.result or 1)
            elif lies and self._lie == "moves":
                record = msgspec.structs.replace(record, moves=("e2e5", *record.moves[1:]))
            line = msgspec.json.encode(Ended(number=seats.number, game=record))
            self.say(worker, line)
            if worker == "hall1" and not self.has_died:
                self.has_died = True
                self.lose(worker, "no power")
                return
            self.say(worker, line)


def _games(seats: Seats) -> list[MatchGame]:
    openings = [OPENINGS[opening.number] for opening in seats.openings]
    played = play_match(
        GreedyPlayer(1), RandomPlayer(2), openings, max_plies=seats.max_plies, slots=4
    )
    assert played is not None
    for game in played:
        game.number = 2 * seats.openings[game.number // 2].number + game.number % 2
    return played


def _run(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    run.create()
    run.settle(CONFIG)
    return run


def _let_play(
    fleet: MatchFleet,
    fixture: Fixture = FIXTURE,
    played: Sequence[MatchGame] = (),
    stop_at: int = 99,
) -> list[MatchGame]:
    heard: list[MatchGame] = []

    def hear(finished: list[MatchGame]) -> None:
        heard[:] = finished

    deadline = time.monotonic() + 2 * PATIENCE_S

    def go_on() -> bool:
        assert time.monotonic() < deadline, f"{len(heard)} games in time"
        return len(heard) < stop_at

    fleet.play(fixture, CONFIG, OPENINGS, played=played, on_game=hear, on_step=go_on)
    return heard


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ("result", "is given up: a game of it is not what it says: "),
        ("moves", "is given up: a game of it is not what it says: it is none of the match"),
        ("names", "is given up: Greedy 2 and random play there, elsewhere greedy and random"),
        ("sorry", "is given up: no such player here"),
    ],
)
def test_games_of_dead_halls_are_played_again_those_of_liars_too_and_none_counts_twice(
    tmp_path: Path, lie: str, why: str
) -> None:
    pool, said = _ScriptedPool(lie), []
    fleet = MatchFleet(
        _run(tmp_path / "run"),
        pool,  # type: ignore[arg-type]
        halls=3,
        say=said.append,
    )
    try:
        games = _let_play(fleet)
        counts = Counter(game.number for game in games)
        assert counts == Counter(range(24))
        assert pool.has_died
        assert "lent again" in fleet.report
        (line,) = said
        assert line.startswith("hall2 is given up")
        assert why in line
        # A second match with what is there; eight games of it were played before.
        before = [game for game in games if game.number < 8]
        asked = len(pool.sent)
        again = _let_play(fleet, played=before)
        assert Counter(game.number for game in again) == Counter(range(24))
        lines = [line for _, line in pool.sent[asked:] if isinstance(line, bytes)]
        openings = [msgspec.json.decode(line, type=Seats).openings for line in lines]
        assert {one.number for some in openings for one in some} == set(range(4, 12))
    finally:
        fleet.close()


def test_a_match_at_which_nobody_can_play_is_an_error(tmp_path: Path) -> None:
    pool = _ScriptedPool("")

    async def refuse(worker: str, command: WorkerCommand | bytes) -> None:
        pool.say(worker, msgspec.json.encode(Sorry(reason="engine 'x' is not here")))

    pool.send = refuse  # type: ignore[method-assign]
    fleet = MatchFleet(
        _run(tmp_path / "run"),
        pool,  # type: ignore[arg-type]
        halls=2,
        say=lambda _: None,
    )
    try:
        with pytest.raises(WorkerError, match="no hall is left to play in: engine 'x' is not"):
            _let_play(fleet)
        with pytest.raises(WorkerError, match="no hall is left"):  # At once, the next time.
            _let_play(fleet)
    finally:
        fleet.close()


def test_a_match_broken_off_is_not_lent_again(tmp_path: Path) -> None:
    pool = _ScriptedPool("")
    fleet = MatchFleet(
        _run(tmp_path / "run"),
        pool,  # type: ignore[arg-type]
        halls=1,
        say=lambda _: None,
    )
    try:
        some = _let_play(fleet, stop_at=1)
        assert 1 <= len(some) < 24
        again = _let_play(fleet, played=some)
        assert Counter(game.number for game in again) == Counter(range(24))
    finally:
        fleet.close()


@pytest.mark.slow
@LOCAL_AND_RAY
def test_networks_play_the_same_games_in_halls_of_which_one_is_killed_as_in_one_process(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    pool: LocalPool | RayPool
    if kind == "local":
        run, pool = _run(tmp_path / "local-halls"), LocalPool()
    else:
        head: RayHead = request.getfixturevalue("ray_head")
        run = head.prepared_run(tmp_path / "ray-halls", *SETTINGS)
        pool = RayPool(run, lambda seen: None, lambda level, text: None, head.address)
    first, second = _networks(run)
    fixture = Fixture(first=first, second=second, games=24, simulations=4, seed=1)
    fleet = MatchFleet(run, pool, halls=2, say=lambda _: None)
    heard: list[MatchGame] = []
    killed: list[int] = []

    def hear(finished: list[MatchGame]) -> None:
        heard[:] = finished
        if not killed and (found := _halls(run)):
            killed.append(found[-1].pid)
            found[-1].send_signal(signal.SIGKILL)

    try:
        deadline = time.monotonic() + 4 * PATIENCE_S
        names = fleet.play(
            fixture,
            CONFIG,
            OPENINGS,
            played=(),
            on_game=hear,
            on_step=lambda: time.monotonic() < deadline,
        )
    finally:
        fleet.close()
    assert names == (first, second)
    assert killed
    assert not _halls(run)
    club = Club(CONFIG, run.checkpoints, slots=8, say=lambda _: None)
    alone, log = club.play(fixture, tmp_path, lambda finished: None)
    log.remove()
    assert sorted(map(_facts, heard)) == sorted(map(_facts, alone))


def _facts(game: MatchGame) -> tuple[int, str, int, str]:
    assert game.result is not None
    moves = " ".join(move.uci() for move in game.board.move_stack)
    return game.number, moves, game.result, game.termination


def _networks(run: RunDirectory) -> tuple[str, str]:
    """Two that differ, by their seeds."""
    names = []
    for step in (1, 2):
        torch.manual_seed(step)
        arrays = arrays_of(ChessNet(CONFIG.model))
        parts = {"model": arrays, "ema": arrays, "optimizer": arrays}
        path = checkpoints.save(run.checkpoints, step=step, model=CONFIG.model, parts=parts)
        names.append(path.name)
    return names[0], names[1]


def _halls(run: RunDirectory) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or ()
        if "hall" in words and any(run.name in word for word in words):
            found.append(process)
    return found
