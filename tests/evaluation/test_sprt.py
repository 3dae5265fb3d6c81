"""The sequential test against published values, its symmetries, and its errors in simulation."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.evaluation.sprt import NORMALISED_ELO, Scale, Sprt

# Pentanomial counts with the LLR that fishtest printed: from the descriptions of pull requests of
# official-stockfish/Stockfish (the number stands beside each), <…> being normalised and {…}
# logistic Elo there.
FISHTEST = [
    (4194, "normalised", 0, 2, (371, 10263, 24989, 10642, 379), 2.95),
    (4194, "normalised", 0.5, 2.5, (47, 8181, 25234, 8575, 47), 2.94),
    (6616, "normalised", 0, 2, (2, 1925, 6607, 2176, 2), 2.94),
    (6616, "normalised", 0.5, 2.5, (5, 2968, 10474, 3253, 5), 2.96),
    (6036, "normalised", 0.5, 2.5, (1, 1098, 3954, 1346, 1), 2.94),
    (6036, "normalised", 0, 2, (0, 1236, 4490, 1474, 1), 2.94),
    (5712, "normalised", 0, 2, (831, 31795, 68460, 32448, 834), 2.93),
    (5712, "normalised", 0.5, 2.5, (307, 54901, 140959, 56230, 281), 2.95),
    (6285, "normalised", -1.75, 0.25, (289, 26459, 62934, 26379, 331), 2.94),
    (6285, "normalised", -1.75, 0.25, (118, 38575, 109888, 38432, 122), 2.95),
    (3209, "logistic", -0.25, 1.25, (253, 4282, 17604, 4431, 286), 2.94),
    (3209, "logistic", 0.25, 1.25, (58, 3302, 33130, 3518, 84), 2.97),
    (3331, "logistic", -0.25, 1.25, (115, 2196, 11328, 2317, 136), 2.94),
    (3098, "logistic", -0.25, 1.25, (491, 7345, 29693, 7670, 465), 2.96),
    (2951, "logistic", -0.5, 1.5, (59, 754, 2467, 865, 75), 2.95),
    (2920, "logistic", 0.25, 1.75, (328, 4564, 15580, 4789, 371), 2.98),
    (2971, "logistic", 0.25, 1.75, (11, 407, 3238, 513, 11), 2.93),
]
# The same from the tests of Disservin/fastchess, app/tests/sprt_test.cpp.
FASTCHESS = [
    (0, "normalised", 0, 2, (365, 16618, 36229, 16974, 390), 2.25),
    (0, "normalised", -1.75, 0.25, (127, 4883, 10712, 5150, 104), 3.01),
    (0, "logistic", 0.5, 2.5, (223, 9863, 21279, 10037, 246), -3.07),
    (0, "logistic", 0, 2, (871, 26175, 55983, 26678, 821), -4.98),
]

Pairs = tuple[int, int, int, int, int]
counts = st.tuples(*[st.integers(0, 60)] * 5).filter(any)
scales = st.sampled_from(["normalised", "logistic"])
bounds = st.tuples(st.floats(-100, 100), st.floats(0.5, 100))


@pytest.mark.parametrize(("number", "scale", "elo0", "elo1", "pairs", "llr"), FISHTEST + FASTCHESS)
def test_the_ratio_is_the_published_one(
    number: int, scale: Scale, elo0: float, elo1: float, pairs: Pairs, llr: float
) -> None:
    test = Sprt(elo0=elo0, elo1=elo1, scale=scale)
    assert test.llr(pairs) == pytest.approx(llr, abs=0.0051)


def test_the_bounds_are_those_of_wald() -> None:
    low, high = Sprt(alpha=0.05, beta=0.05).bounds
    assert (low, high) == pytest.approx((-2.94444, 2.94444), abs=1e-5)
    low, high = Sprt(alpha=0.01, beta=0.1).bounds
    assert (low, high) == pytest.approx((math.log(0.1 / 0.99), math.log(0.9 / 0.01)))
    test = Sprt(alpha=0.01, beta=0.1)
    assert [test.decide(llr) for llr in (low, low + 0.01, high - 0.01, high)] == [
        "elo0",
        "",
        "",
        "elo1",
    ]


@pytest.mark.parametrize("scale", ["normalised", "logistic"])
def test_before_the_first_pair_nothing_is_known(scale: Scale) -> None:
    assert Sprt(scale=scale).llr((0, 0, 0, 0, 0)) == 0.0


@given(counts, bounds, scales)
def test_swapping_the_players_mirrors_the_ratio(
    pairs: Pairs, ends: tuple[float, float], scale: Scale
) -> None:
    elo0, width = ends
    one = Sprt(elo0=elo0, elo1=elo0 + width, scale=scale)
    other = Sprt(elo0=-elo0 - width, elo1=-elo0, scale=scale)
    assert one.llr(pairs) == pytest.approx(-other.llr(pairs[::-1]), rel=1e-5, abs=1e-6)


@given(counts, bounds)
def test_a_won_pair_speaks_more_for_the_greater_score_than_a_lost_one(
    pairs: Pairs, ends: tuple[float, float]
) -> None:
    elo0, width = ends
    test = Sprt(elo0=elo0, elo1=elo0 + width, scale="logistic")
    lost, *others, won = pairs
    assert test.llr((lost + 1, *others, won)) < test.llr((lost, *others, won + 1))


def test_many_matches_are_tested_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    many = rng.multinomial(30, (0.1, 0.2, 0.4, 0.2, 0.1), size=7).astype(float)
    for scale in ("normalised", "logistic"):
        test = Sprt(elo1=40, scale=scale)
        single = [test.llr(tuple(map(int, pairs))) for pairs in many]
        assert test.llrs(many) == pytest.approx(single, abs=1e-7)


# Simulation ---------------------------------------------------------------------------------------


def _pairs_of(elo: float, draws: float = 0.4, bias: float = 0.08) -> np.ndarray:
    """Probabilities of the five kinds; an opening that suits White makes the games of a pair
    opposite. `elo` is logistic."""
    score = 1 / (1 + 10 ** (-elo / 400))
    drawn = draws * 4 * score * (1 - score)
    won = score - drawn / 2
    lost = 1 - won - drawn
    first = np.array([lost - bias, drawn, won + bias])
    second = np.array([lost + bias, drawn, won - bias])
    return np.convolve(first, second)


def _normalised(pairs: np.ndarray) -> float:
    shares = np.arange(5) / 4
    mean = (pairs * shares).sum()
    deviation = math.sqrt(2 * (pairs * (shares - mean) ** 2).sum())
    return float((mean - 0.5) / deviation * NORMALISED_ELO)


def _with_normalised(elo: float) -> np.ndarray:
    """The pairs whose normalised Elo is `elo`, by halving."""
    low, high = -300.0, 300.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _normalised(_pairs_of(middle)) < elo else (low, middle)
    return _pairs_of(low)


def _share_accepting(
    test: Sprt, truth: np.ndarray, wanted: str, *, matches: int, every: int, seed: int
) -> float:
    """Of `matches` simulated ones without a cap, tested every few pairs."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((matches, 5))
    accepted = 0
    while len(counts):
        counts += rng.multinomial(every, truth, size=len(counts))
        llr = test.llrs(counts)
        low, high = test.bounds
        accepted += int((llr >= high).sum() if wanted == "elo1" else (llr <= low).sum())
        counts = counts[(low < llr) & (llr < high)]
    return accepted / matches


TRUTHS: dict[str, Callable[[float], np.ndarray]] = {
    "normalised": _with_normalised,
    "logistic": _pairs_of,
}


@pytest.mark.parametrize("scale", ["normalised", "logistic"])
@pytest.mark.parametrize(("truth", "wrong"), [("elo0", "elo1"), ("elo1", "elo0")])
def test_it_errs_about_as_seldom_as_promised(scale: Scale, truth: str, wrong: str) -> None:
    test = Sprt(elo1=80, scale=scale)
    pairs = TRUTHS[scale](getattr(test, truth))
    errors = _share_accepting(test, pairs, wrong, matches=300, every=4, seed=5)
    assert errors <= 0.05 + 2.33 * math.sqrt(0.05 * 0.95 / 300)


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["normalised", "logistic"])
@pytest.mark.parametrize(("truth", "wrong"), [("elo0", "elo1"), ("elo1", "elo0")])
def test_it_errs_as_seldom_as_promised_in_thousands_of_matches(
    scale: Scale, truth: str, wrong: str
) -> None:
    test = Sprt(elo1=30, alpha=0.05, beta=0.1, scale=scale)
    promised = test.alpha if truth == "elo0" else test.beta
    pairs = TRUTHS[scale](getattr(test, truth))
    errors = _share_accepting(test, pairs, wrong, matches=2500, every=4, seed=6)
    assert promised / 4 < errors <= promised + 1.64 * math.sqrt(promised * (1 - promised) / 2500)
