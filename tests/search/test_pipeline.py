"""Groups that take turns with the network play as each would alone, and at the same time."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import GameRecord
from backend.search.evaluator import Evaluate, Request, uniform
from backend.search.pipeline import Pipeline
from backend.selfplay.games import SelfPlay
from model.rules import start_position
from tests.fake_evaluators import Answer, Positions, Table, material, scattered
from tests.limits import PATIENCE_S


def _group(seed: int, evaluate: Evaluate = material) -> SelfPlay:
    return SelfPlay(
        SelfPlayConfig(games=4, max_plies=24, opening_plies=6),
        SearchConfig(simulations=6),
        evaluate,
        orientation="mover",
        seed=seed,
    )


def _texts(records: list[GameRecord]) -> list[tuple[list[int], int]]:
    return [(record.moves, record.outcome) for record in records]


@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_groups_play_the_games_that_each_plays_alone(num_threads: int) -> None:
    seeds = (3, 4, 5)
    alone: list[GameRecord] = []
    groups = [_group(seed) for seed in seeds]
    for _ in range(300):
        for group in groups:
            alone.extend(group.step())
    together: list[GameRecord] = []
    with Pipeline([_group(seed) for seed in seeds], num_threads) as pipeline:
        for _ in range(301 * len(seeds)):
            together.extend(pipeline.step(material))
    assert len(alone) > 20
    assert _texts(together)[: len(alone)] == _texts(alone)


def test_another_network_takes_over_between_two_turns() -> None:
    groups = [_group(1), _group(2)]
    judged: list[str] = []

    def new(positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
        judged.append("new")
        return scattered(1)(positions, move_index, num_moves)

    def change() -> None:
        for group in groups:
            group.use(new, step=1)

    with Pipeline(groups, 2) as pipeline:
        for _ in range(400):
            pipeline.step(material)
        ended = pipeline.restart(change)
        assert all(record.samples for record in ended)
        for _ in range(40):
            pipeline.step(new)
    assert judged == ["new"] * 40
    assert all(group.tally.positions > 0 for group in groups)


@dataclass
class _Recorder:
    """A group of one position that says when its turn begins and ends."""

    in_turn: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def select(self) -> Request:
        return Request(
            start_position()[None], np.zeros((1, 224), np.int16), np.full(1, 20, np.int16)
        )

    def answer(self, logits: np.ndarray, wdl: np.ndarray) -> list[str]:
        self.in_turn.set()
        assert self.may_end.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return ["ended"]


def test_the_network_judges_one_group_while_another_is_searched() -> None:
    first, second = _Recorder(), _Recorder()

    def evaluate(positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
        if first.in_turn.is_set():
            first.may_end.set()  # The first group is in its turn right now.
        return uniform(positions, move_index, num_moves)

    second.may_end.set()
    with Pipeline([first, second], 1) as pipeline:
        assert pipeline.step(evaluate) == ()
        assert first.in_turn.wait(PATIENCE_S)
        assert not first.may_end.is_set()
        assert pipeline.step(evaluate) == ()
        assert pipeline.step(evaluate) == ["ended"]


@pytest.mark.parametrize("num_threads", [0, 2])
def test_an_error_of_a_turn_reaches_the_caller(num_threads: int) -> None:
    group = _Recorder(error=ValueError("broken turn"))
    group.may_end.set()

    def two_steps() -> None:
        for _ in range(2):
            pipeline.step(uniform)

    with Pipeline([group], num_threads) as pipeline, pytest.raises(ValueError, match="broken turn"):
        two_steps()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("search")]
