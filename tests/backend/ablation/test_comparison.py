"""Findings of several repetitions put together."""

import pytest

from backend.ablation.arms import arms_of
from backend.ablation.comparison import compare
from backend.ablation.results import AnyFinding, ArmsMatch, HeldOut

ARMS = arms_of([], ["a:", "b:"])


def held_out(arm: str, seed: int, policy_loss: float) -> HeldOut:
    return HeldOut(
        arm=arm,
        seed=seed,
        budget="9 steps",
        step=9,
        seconds=1.0,
        positions=100,
        policy_loss=policy_loss,
        value_loss=1.0,
        top1=0.3,
        top5=0.6,
    )


def match(seed: int, wins: int, draws: int, losses: int, pairs: tuple[int, ...]) -> ArmsMatch:
    assert len(pairs) == 5
    return ArmsMatch(
        arm="b",
        seed=seed,
        budget="9 steps",
        against="a",
        games=4,
        simulations=8,
        wins=wins,
        draws=draws,
        losses=losses,
        truncated=0,
        pairs=(pairs[0], pairs[1], pairs[2], pairs[3], pairs[4]),
    )


def test_pairs_by_seed_show_what_the_spread_over_seeds_hides() -> None:
    findings: list[AnyFinding] = []
    for seed, level in enumerate((2.0, 2.4, 2.8)):
        findings += [held_out("a", seed, level), held_out("b", seed, level - 0.02 - 0.001 * seed)]
    first, second = compare(findings, ARMS, seeds=3)
    assert first.differences == {}
    own = second.measures["policy_loss"]
    assert own.mean == pytest.approx(2.379)
    assert own.margin is not None
    assert own.margin > 0.9
    difference = second.differences["policy_loss"]
    assert difference.mean == pytest.approx(-0.021)
    assert difference.is_clear


def test_only_repetitions_that_both_have_count_in_a_difference() -> None:
    findings = [held_out("a", 0, 2.0), held_out("b", 0, 2.5), held_out("a", 1, 9.0)]
    first, second = compare(findings, ARMS, seeds=2)
    assert len(first.measures["policy_loss"].values) == 2
    assert second.differences["policy_loss"].values == (0.5,)
    assert len(compare(findings, ARMS, seeds=1)[0].measures["policy_loss"].values) == 1


def test_games_of_all_repetitions_are_added_up() -> None:
    findings = [held_out("a", 0, 2.0), held_out("b", 0, 2.5)]
    findings_with_games: list[AnyFinding] = [
        *findings,
        match(0, 2, 1, 1, (0, 1, 0, 0, 1)),
        match(1, 0, 4, 0, (0, 0, 2, 0, 0)),
    ]
    encounter = compare(findings_with_games, ARMS, seeds=2, games=4, simulations=8)[1].encounter
    assert encounter is not None
    assert (encounter.wins, encounter.draws, encounter.losses) == (2, 5, 1)
    assert encounter.score.values == (0.625, 0.5)
    assert encounter.elo.low < 0 < encounter.elo.elo < encounter.elo.high
