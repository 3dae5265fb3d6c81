"""Soft resignation shrinks and never decides; hard resignation is calibrated, its signs right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.config import SelfPlayConfig
from backend.errors import ReplayError
from backend.replay.admission import admit
from backend.replay.records import (
    BLACK_WON,
    DRAW,
    FULL_SEARCH,
    MIN_RESIGN_VALUE,
    RESIGNED,
    WHITE_WON,
    GameRecord,
    result_targets,
)
from backend.selfplay.budget import Budgets
from backend.selfplay.resign import Resignation, decided
from model.rules import Outcome
from tests.backend.replay.games import game_of, write
from tests.selfplay.setups import check_by_replay, play, self_play

SOFT = SelfPlayConfig(soft_resign_value=0.8, soft_resign_plies=3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_game_is_decided_once_the_last_searches_of_both_sides_agree(sign: int) -> None:
    values = [sign * v for v in (0.0, 0.9, 0.95, 1.0)]
    assert decided(values[:3], SOFT) == 0
    assert decided(values, SOFT) == pytest.approx(0.25)  # (0.9 - 0.8) / 0.2, squared
    assert decided([*values, sign * 1.0, sign * 1.0], SOFT) == 1
    assert decided([*values, -sign * 1.0], SOFT) == 0
    assert decided(values, replace(SOFT, soft_resign_value=0.0)) == 0
    assert decided(values[-2:], SOFT) == 0


def test_the_more_a_game_is_decided_the_less_it_is_searched_and_weighs() -> None:
    config = replace(SOFT, soft_resign_simulations=8, soft_resign_weight=0.1, cheap_simulations=30)
    budgets, rng = Budgets(config, 64), np.random.default_rng(0)
    drawn = [budgets.draw(rng, decided=d) for d in (0.0, 0.5, 1.0)]
    assert [budget.simulations for budget in drawn] == [64, 36, 8]
    assert [budget.weight for budget in drawn] == pytest.approx([1, 0.55, 0.1])
    cheap = Budgets(replace(config, full_search_frac=0.0), 64).draw(rng, decided=1.0)
    assert cheap.simulations == 8
    assert Budgets(config, 4).draw(rng, decided=1.0).simulations == 4


def test_a_softly_resigned_game_goes_on_to_its_end_and_weighs_less() -> None:
    run = self_play(
        seed=3, simulations=12, max_plies=120, soft_resign_value=0.3, soft_resign_simulations=4
    )
    records = play(run, 14)
    softened = mated = 0
    for record in records:
        assert record.outcome != RESIGNED
        weights = [sample.value_weight for sample in record.samples]
        assert weights == [sample.policy_weight for sample in record.samples]
        assert all(0.1 - 1e-9 <= weight <= 1 for weight in weights)
        check_by_replay(record)
        softened += min(weights) < 0.9
        mated += record.outcome == Outcome.CHECKMATE
    assert softened > 2
    assert mated > 0


def _resignation(false_frac: float = 0.05, plies: int = 2) -> Resignation:
    return Resignation(SelfPlayConfig(resign_false_frac=false_frac, resign_plies=plies))


def _observe(resignation: Resignation, white: float, black: float, result: int) -> None:
    """A game in which White always expected `white` for itself, Black `black`; Black moved last."""
    resignation.observe([white, -black] * 4, black_moved=True, result=result)


def test_nobody_resigns_before_there_is_evidence_and_every_game_is_played_through() -> None:
    resignation, rng = _resignation(), np.random.default_rng(0)
    for _ in range(17):
        _observe(resignation, 0.9, -0.9, WHITE_WON)
    assert resignation.threshold is None
    assert not resignation.resigns([-1.0] * 9, black_moves=False)
    assert all(resignation.plays_through(rng) for _ in range(100))
    _observe(resignation, 0.9, -0.9, WHITE_WON)
    assert resignation.threshold == 0.9
    assert resignation.false_frac == 0
    through = np.mean([resignation.plays_through(rng) for _ in range(2000)])
    assert through == pytest.approx(0.2, abs=0.04)


def test_each_side_resigns_by_its_own_last_values_only() -> None:
    resignation = _resignation()
    for _ in range(18):
        _observe(resignation, 0.9, -0.9, WHITE_WON)
    assert resignation.resigns([0.0, -0.95, 0.0, -0.95], black_moves=False)
    assert not resignation.resigns([0.0, -0.95, 0.0, -0.95], black_moves=True)
    assert resignation.resigns([0.0, 0.95, 0.0, 0.95], black_moves=True)
    assert not resignation.resigns([0.0, 0.95, 0.0, 0.95], black_moves=False)
    assert not resignation.resigns([-0.8, 0.0, -0.95], black_moves=False), "only once sure"
    assert not resignation.resigns([-0.95], black_moves=False)


def test_a_side_that_drew_or_won_from_there_raises_the_threshold() -> None:
    resignation = _resignation()
    for _ in range(40):
        _observe(resignation, 0.97, -0.97, WHITE_WON)
    for _ in range(40):
        _observe(resignation, -0.7, 0.7, DRAW)
    assert resignation.threshold == 0.97
    for _ in range(10):
        _observe(resignation, 0.2, -0.97, BLACK_WON)
    assert resignation.threshold is None, "a fifth of them are wrong now"


def test_the_rate_of_false_positives_keeps_to_the_target_in_games_to_come() -> None:
    rng = np.random.default_rng(4)

    def side() -> tuple[float, int]:
        """How sure of losing White ever was, and the result: the surer, the oftener it loses."""
        trough = -rng.random()
        return trough, BLACK_WON if rng.random() < abs(trough) else DRAW

    resignation = _resignation(false_frac=0.1)
    for _ in range(1500):
        trough, result = side()
        _observe(resignation, trough, -trough, result)
    assert resignation.threshold is not None
    later = [
        result
        for trough, result in (side() for _ in range(4000))
        if trough <= -resignation.threshold
    ]
    assert len(later) > 200
    assert np.mean([result != BLACK_WON for result in later]) < 0.13


def test_nobody_resigns_a_game_that_is_not_called_lost() -> None:
    resignation = _resignation(false_frac=0.3)
    for _ in range(50):
        _observe(resignation, 0.4, -0.4, WHITE_WON)
    assert resignation.threshold is None
    _observe(resignation, MIN_RESIGN_VALUE, -MIN_RESIGN_VALUE, WHITE_WON)
    _observe(resignation, MIN_RESIGN_VALUE, -MIN_RESIGN_VALUE, WHITE_WON)
    assert resignation.threshold == MIN_RESIGN_VALUE


def _with_resignations() -> list[GameRecord]:
    """Games with resignations from the first replacement on: the evidence is given beforehand."""
    run = self_play(
        seed=3,
        games=8,
        max_plies=120,
        resign_false_frac=0.6,
        resign_plies=2,
        resign_playthrough_frac=0.3,
    )
    for _ in range(200):
        run.resignation.observe([0.55, 0.55] * 4, black_moved=True, result=WHITE_WON)
    records = play(run, 40)
    assert run.tally.games == len(records)
    assert run.tally.resigned == sum(record.outcome == RESIGNED for record in records)
    return records


def test_resigned_games_are_lost_by_the_side_to_move_and_others_keep_their_real_results(
    tmp_path: Path,
) -> None:
    records = _with_resignations()
    resigned = [record for record in records if record.outcome == RESIGNED]
    assert {record.result for record in resigned} == {WHITE_WON, BLACK_WON}
    for record in resigned:
        board = check_by_replay(record)
        assert record.result == (BLACK_WON if board.turn else WHITE_WON)
        targets = result_targets(record)
        assert targets.wdl[-1].tolist() == [1, 0, 0], "who moved last has won"
        assert targets.wdl[-2].tolist() == [0, 0, 1]
    admitted = admit(write(tmp_path, records))
    assert [game.outcome for game in admitted.games] == [record.outcome for record in records]
    assert '[Termination "resignation"]' in admitted.pgn
    played_on = [r for r in records if r.outcome == Outcome.CHECKMATE]
    assert any(
        sample.root_wdl is not None and sample.root_wdl[2] - sample.root_wdl[0] >= MIN_RESIGN_VALUE
        for record in played_on
        for sample in record.samples
    ), "some games were played through although somebody would have resigned"


def _resigned(result: int, hope: float) -> GameRecord:
    """White is to move after two plies and gives up; its only search saw `hope` for it."""
    game = game_of("e2e4 e7e5", RESIGNED, result)
    root = np.array([(1 + hope) / 2, 0, (1 - hope) / 2], np.float32)
    return replace(game, samples=[replace(game.samples[0], root_wdl=root), game.samples[1]])


def test_the_referee_takes_a_resignation_only_from_a_side_that_had_given_up(tmp_path: Path) -> None:
    assert admit(write(tmp_path, [_resigned(BLACK_WON, -0.6)])).black_wins == 1
    for game, message in (
        (_resigned(WHITE_WON, -0.6), "stored result 1-0"),
        (_resigned(DRAW, -0.6), "stored result 1/2-1/2"),
        (_resigned(BLACK_WON, -0.4), "whose last search does not say that it loses"),
        (replace(_resigned(BLACK_WON, -0.6), samples=[]), "whose last search does not say"),
    ):
        with pytest.raises(ReplayError, match=message):
            admit(write(tmp_path, [game]))


def test_a_finished_game_cannot_be_resigned(tmp_path: Path) -> None:
    mated = game_of("f2f3 e7e5 g2g4 d8h4", RESIGNED, BLACK_WON, kind=FULL_SEARCH)
    with pytest.raises(ReplayError, match="stored as resignation, the board says checkmate"):
        admit(write(tmp_path, [mated]))
