"""The evaluator plays what it is told, and no more than the gate's test needs."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from backend.commands import PlayMatch, Stop, WorkerCommand
from backend.evaluation.gate import gate_test
from backend.evaluation.verify import verify_pgn
from backend.events import Event, MatchFinished, MatchProgress, MatchStarted
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.workers.evaluator import main
from tests.backend.cluster_head import NEEDS_RAY, RayHead

SETTINGS = (
    "device.kind=cpu",
    "evaluation.gate_elo1=150",
    "evaluation.max_plies=120",
    "evaluation.parallel_games=6",
)
CONFIG = build_config("tiny", overrides=SETTINGS)


T = TypeVar("T")


class Desk:
    """Stands in for the pipes: hands out orders, keeps what is said."""

    def __init__(self, *orders: WorkerCommand) -> None:
        self.worker = "evaluator"
        self.said: list[Event] = []
        self.logged: list[str] = []
        self._orders = [*orders, Stop()]

    def emit(self, event: Event) -> None:
        self.said.append(event)

    def ready(self, device: object) -> None: ...

    def log(self, text: str, level: str = "info") -> None:
        self.logged.append(text)

    def set_phase(self, phase: str, detail: str = "") -> None: ...

    def poll(self) -> list[WorkerCommand]:
        return []

    def wait(self, timeout: float) -> WorkerCommand | None:
        return self._orders.pop(0)

    def until_there_is_room(self, path: Path, write: Callable[[], T]) -> T:
        return write()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.said if isinstance(event, kind)]


def order(*, decides: bool, games: int = 80) -> PlayMatch:
    return PlayMatch(
        match="m",
        candidate="greedy",
        opponent="random",
        games=games,
        simulations=1,
        seed=5,
        decides=decides,
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


def test_a_match_that_decides_ends_with_its_test_and_keeps_the_pairs_that_decided(
    run: RunDirectory,
) -> None:
    desk = Desk(order(decides=True))
    main(desk, run, CONFIG)  # type: ignore[arg-type]
    (started,) = desk.of(MatchStarted)
    assert (started.games, started.llr_low, started.llr_high) == (
        80,
        pytest.approx(-2.944, abs=1e-3),
        pytest.approx(2.944, abs=1e-3),
    )
    progress = desk.of(MatchProgress)
    (finished,) = desk.of(MatchFinished)
    test = gate_test(CONFIG.evaluation)
    assert test is not None
    assert [p.llr for p in progress] == [test.llr(p.pairs) for p in progress]
    assert [test.decide(p.llr) for p in progress].count("elo1") == 1
    assert progress[-1].pairs == finished.pairs
    games = finished.wins + finished.draws + finished.losses
    assert games == 2 * sum(finished.pairs) <= progress[-1].played < 80
    assert sum(finished.results) == sum(finished.pairs)
    pgn = (run.games / finished.pgn).read_text()
    assert pgn.count('[Event "') == games


def test_a_match_that_decides_nothing_is_played_whole(run: RunDirectory) -> None:
    desk = Desk(order(decides=False, games=12))
    main(desk, run, CONFIG)  # type: ignore[arg-type]
    (started,) = desk.of(MatchStarted)
    assert (started.llr_low, started.llr_high) == (None, None)
    (finished,) = desk.of(MatchFinished)
    assert sum(finished.pairs) == 6
    assert (finished.candidate_budget, finished.opponent_budget) == ("", "")
    assert {p.llr for p in desk.of(MatchProgress)} == {None}


@pytest.mark.slow
@NEEDS_RAY
def test_a_match_that_decides_is_played_here_and_on_the_cluster_and_ends_with_its_test(
    tmp_path: Path, ray_head: RayHead
) -> None:
    run = ray_head.prepared_run(tmp_path / "run", *SETTINGS, "cluster.num_evaluation=1")
    desk = Desk(order(decides=True))
    main(desk, run, run.read_config())  # type: ignore[arg-type]
    (finished,) = desk.of(MatchFinished)
    test = gate_test(CONFIG.evaluation)
    assert test is not None
    assert test.decide(test.llr(finished.pairs)) == "elo1"
    games = finished.wins + finished.draws + finished.losses
    assert games == 2 * sum(finished.pairs) < 80
    found = verify_pgn(run.games / finished.pgn)
    assert (found.games, found.faults) == (games, [])
    (line,) = desk.logged
    assert line.startswith("match m: games: ")
    assert " in hall-here" in line
    for name in ("hall-here", "relay"):  # It asked for a place on the cluster, too.
        assert run.log_file(name).exists()
