"""What becomes of a candidate under each gate, derived from the pairs of its match."""

from typing import Literal

import pytest

from backend.config import EvaluationConfig
from backend.evaluation.gate import decide, gate_test
from backend.events import MatchFinished

Pairs = tuple[int, int, int, int, int]
STRONGER: Pairs = (2, 10, 60, 80, 60)
WEAKER: Pairs = STRONGER[::-1]
AHEAD: Pairs = (4, 8, 14, 9, 5)
LEVEL: Pairs = (4, 8, 16, 8, 4)
BEHIND: Pairs = AHEAD[::-1]


def match(pairs: Pairs) -> MatchFinished:
    """A match with these pairs; the games are made up to fit."""
    games = 2 * sum(pairs)
    points = sum(n * k for k, n in enumerate(pairs)) / 2
    wins = int(points // 2)
    draws = round(2 * (points - wins))
    return MatchFinished(
        match="m1",
        candidate="step-00000100",
        opponent="step-00000050",
        wins=wins,
        draws=draws,
        losses=games - wins - draws,
        truncated=0,
        pairs=pairs,
        elo=35.0,
        elo_low=-5.0,
        elo_high=80.0,
        simulations=64,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("gate", "pairs", "verdict", "promotes", "said"),
    [
        ("sprt", STRONGER, "promoted", True, "proven stronger"),
        ("sprt", WEAKER, "rejected", False, "not stronger"),
        ("sprt", AHEAD, "inconclusive", True, "nothing proven, promoted all the same above 50.0%"),
        ("sprt", LEVEL, "inconclusive", False, "nothing proven, and not above 50.0%"),
        ("sprt", BEHIND, "inconclusive", False, "nothing proven, and not above 50.0%"),
        ("regression", STRONGER, "promoted", True, "no loss"),
        ("regression", WEAKER, "rejected", False, "a proven loss"),
        ("regression", BEHIND, "inconclusive", True, "no proven loss, promoted all the same"),
        ("none", WEAKER, "promoted", True, "there is no gate"),
    ],
)
def test_a_gate_says_what_is_proven_and_what_follows(
    gate: Literal["sprt", "regression", "none"],
    pairs: Pairs,
    verdict: str,
    promotes: bool,
    said: str,
) -> None:
    config = EvaluationConfig(gate=gate, gate_elo1=30.0, gate_score=0.5)
    decision = decide(match(pairs), config)
    assert (decision.verdict, decision.promotes) == (verdict, promotes)
    assert said in decision.reason
    for part in (f"{decision.score:.1%}", f"{2 * sum(pairs)} games", "step-00000050", "+35 [-5"):
        assert part in decision.reason
    assert (decision.llr is None) == (gate == "none")
    if gate == "sprt":
        assert "of -2.94 to +2.94 (+0 against +30 normalised Elo)" in decision.reason


def test_above_which_score_an_undecided_candidate_passes_is_a_setting() -> None:
    shares = {0.0: True, 0.5: True, 0.55: False, 1.0: False}
    for gate_score, promotes in shares.items():
        config = EvaluationConfig(gate_elo1=30.0, gate_score=gate_score)
        assert decide(match(AHEAD), config).promotes == promotes
    assert not decide(match((0, 0, 0, 0, 3)), EvaluationConfig(gate_score=1.0)).promotes


def test_a_regression_gate_mirrors_the_test_of_the_other() -> None:
    config = EvaluationConfig(gate="regression", gate_elo0=0.0, gate_elo1=30.0)
    regression, sprt = gate_test(config), gate_test(EvaluationConfig(gate_elo1=30.0))
    assert regression is not None
    assert sprt is not None
    assert (regression.elo0, regression.elo1) == (-30.0, 0.0)
    assert regression.llr(BEHIND) == pytest.approx(-sprt.llr(AHEAD))
    assert gate_test(EvaluationConfig(gate="none")) is None


def test_two_equal_networks_are_not_promoted_by_400_games() -> None:
    """A network without noise plays its own game twice: every pair is level."""
    decision = decide(match((0, 0, 200, 0, 0)), EvaluationConfig())
    assert (decision.verdict, decision.promotes) == ("inconclusive", False)
