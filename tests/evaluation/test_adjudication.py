"""Games that end early: only when both sides agree, or tables know."""

from collections.abc import Sequence
from pathlib import Path

import chess
import pytest

from backend.errors import ConfigError
from backend.evaluation import adjudication
from backend.evaluation.adjudication import Adjudicator
from backend.evaluation.config import AdjudicationConfig
from backend.evaluation.match import play_match
from backend.evaluation.openings import random_openings
from backend.evaluation.players import RandomPlayer
from backend.evaluation.referee import Verdict
from tests.selfplay.test_adjudication import TABLES

RESIGN = AdjudicationConfig(resign_score=0.9, resign_moves=2)
DRAW = AdjudicationConfig(draw_score=0.05, draw_moves=2, draw_after_plies=10)


class Sure(RandomPlayer):
    """Expects the same score in every position."""

    def __init__(self, seed: int, expected: float | None) -> None:
        super().__init__(seed)
        self.expected = expected

    def value(self, slot: int) -> float | None:
        return self.expected


@pytest.mark.parametrize(
    ("config", "values", "expected"),
    [
        (RESIGN, [0.95, 0.91, 0.9, 0.99], Verdict(1, adjudication.RESIGNED)),
        (RESIGN, [0.2, -0.95, -0.91, -0.9, -0.99], Verdict(-1, adjudication.RESIGNED)),
        (RESIGN, [0.95, 0.91, 0.9, 0.89], None),
        (RESIGN, [0.95, 0.91, 0.9], None),
        (RESIGN, [0.95, None, 0.95, 0.95], None),
        (AdjudicationConfig(), [0.999] * 50, None),
        (AdjudicationConfig(), [0.0] * 50, None),
    ],
)
def test_a_game_is_resigned_when_both_sides_have_seen_it_for_long(
    config: AdjudicationConfig, values: Sequence[float | None], expected: Verdict | None
) -> None:
    assert Adjudicator(config).judge(chess.Board(), values) == expected


def test_a_draw_is_agreed_only_in_an_old_game() -> None:
    judge = Adjudicator(DRAW).judge
    board = chess.Board()
    values: list[float | None] = []
    for uci in ["g1f3", "g8f6", "f3g1", "f6g8"] * 3:
        assert judge(board, values) is None or len(values) >= 10
        board.push_uci(uci)
        values.append(0.04 if len(values) % 2 else -0.05)
    assert judge(board, values) == Verdict(0, adjudication.DRAWN)
    assert judge(board, [*values, 0.2]) is None


def test_one_side_alone_ends_nothing_and_the_view_is_the_movers() -> None:
    openings = random_openings(3, 2, seed=1)

    def terminations(first: float | None, second: float | None) -> set[tuple[str, float]]:
        games = play_match(
            Sure(1, first),
            Sure(2, second),
            openings,
            max_plies=30,
            slots=4,
            adjudicator=Adjudicator(RESIGN),
        )
        assert games is not None
        return {(game.termination, game.candidate_points) for game in games}

    assert terminations(0.95, -0.95) == {(adjudication.RESIGNED, 1.0)}
    assert terminations(-0.95, 0.95) == {(adjudication.RESIGNED, 0.0)}
    for other in (0.95, None, 0.0):
        assert adjudication.RESIGNED not in {name for name, _ in terminations(0.95, other)}


def test_tables_end_a_game_at_once() -> None:
    config = AdjudicationConfig(syzygy_path=str(TABLES))
    judge = Adjudicator(config).judge
    won = chess.Board("8/8/8/8/8/2k5/8/K2Q4 b - - 0 1")
    assert judge(won, []) == Verdict(1, adjudication.TABLEBASE)
    won.halfmove_clock = 3
    assert judge(won, []) is None, "the fifty moves are not known to it"


def test_tables_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="syzygy_path"):
        Adjudicator(AdjudicationConfig(syzygy_path=str(tmp_path)))


@pytest.mark.parametrize(
    "setting",
    [{"resign_score": 1.0}, {"draw_score": -0.1}, {"resign_moves": 0}, {"syzygy_men": 8}],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        AdjudicationConfig(**setting)  # type: ignore[arg-type]
