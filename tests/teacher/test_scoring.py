"""A soft policy from an engine's lines, and its value: seen by the mover, mates in order."""

import math

import pytest

from backend.teacher.scoring import Line, soft_policy, wdl_of


def test_moves_differ_by_their_expected_scores_over_the_temperature() -> None:
    lines = [Line(1, wdl=(600, 300, 100)), Line(2, wdl=(500, 400, 100)), Line(3, wdl=(0, 200, 800))]
    first, second, third = soft_policy(lines, ply=20, temperature=0.1)
    assert first + second + third == pytest.approx(1)
    assert math.log(first / second) == pytest.approx((0.75 - 0.7) / 0.1)
    assert math.log(first / third) == pytest.approx((0.75 - 0.1) / 0.1)


def test_the_engines_own_choice_is_never_behind_a_line_it_looked_at_less() -> None:
    first, second = soft_policy([Line(1, cp=10), Line(2, cp=90)], ply=20, temperature=0.05)
    assert first == second == pytest.approx(0.5)


def test_a_short_mate_is_preferred_and_a_long_one_counts_as_a_won_line() -> None:
    lines = [Line(1, mate=1), Line(2, mate=4), Line(3, mate=30), Line(4, wdl=(1000, 0, 0))]
    weights = soft_policy(lines, ply=20, temperature=0.05)
    assert [weight / weights[3] for weight in weights] == pytest.approx([20, 5, 1, 1])


def test_who_must_lose_prefers_to_lose_late() -> None:
    later, sooner = soft_policy([Line(1, mate=-10), Line(2, mate=-1)], ply=20, temperature=0.05)
    assert later / sooner == pytest.approx(10)
    draws, lost = soft_policy([Line(1, cp=0), Line(2, mate=-9)], ply=20, temperature=0.05)
    assert draws > 0.99
    assert lost > 0


@pytest.mark.parametrize(
    ("line", "wdl"),
    [
        (Line(1, mate=3), (1, 0, 0)),
        (Line(1, mate=-3), (0, 0, 1)),
        (Line(1, cp=150, wdl=(700, 250, 50)), (0.7, 0.25, 0.05)),
    ],
)
def test_win_draw_and_loss_are_the_movers(line: Line, wdl: tuple[float, ...]) -> None:
    assert wdl_of(line, ply=40) == pytest.approx(wdl)


def test_without_its_own_a_model_makes_win_draw_and_loss_of_centipawns() -> None:
    ahead, behind = wdl_of(Line(1, cp=100), ply=64), wdl_of(Line(1, cp=-100), ply=64)
    assert ahead == behind[::-1]
    assert ahead[0] == pytest.approx(0.5, abs=0.02), "a pawn is half a win, as Stockfish 16 has it"
    assert sum(ahead) == pytest.approx(1)
