"""Joint ratings of pools whose players' strengths are known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.evaluation.rating import elo_of_score
from backend.evaluation.standings import Contestant, Pairing, Standing, Standings, rate

RANDOM = Contestant("random")
NAMES = tuple(Contestant(f"step-{k}", "24 simulations") for k in range(4))
TRUTH = dict(zip((RANDOM, *NAMES), (0.0, 150.0, 200.0, 420.0, 480.0), strict=True))
NU = 1.0
"""A third of the games between equals is drawn."""
WHITE_ELO = 30.0
MET = ((1, 0), (2, 1), (3, 2), (4, 3), (2, 0), (3, 1))


def chances(elo: float) -> list[float]:
    """Of White's loss, draw and win: the score is logistic, the draws are Davidson's."""
    score = 1 / (1 + 10 ** (-elo / 400))
    low, high = 0.0, score
    for _ in range(60):
        won = (low + high) / 2
        drawn = 2 * (score - won)
        lost = 1 - won - drawn
        too_many = lost <= 0 or drawn > NU * math.sqrt(won * lost)
        low, high = (won, high) if too_many else (low, won)
    return [lost, drawn, won]


def simulated(num_pairs: int, seed: int) -> list[Pairing]:
    rng = np.random.default_rng(seed)
    players = list(TRUTH)

    pairings = []
    for one, other in MET:
        lead = TRUTH[players[one]] - TRUTH[players[other]]
        as_white = chances(lead + WHITE_ELO)
        as_black = chances(-lead + WHITE_ELO)[::-1]
        results = rng.multinomial(num_pairs, np.outer(as_white, as_black).ravel())
        pairings.append(Pairing(players[one], players[other], results.tolist()))
    return pairings


def by_player(standings: Standings) -> dict[Contestant, Standing]:
    return {row.player: row for row in standings.rows}


def test_known_ratings_lie_within_the_intervals_about_95_times_of_100() -> None:
    inside = []
    for seed in range(5):
        found = by_player(rate(simulated(60, seed), RANDOM, resamples=200, seed=seed))
        inside += [found[p].low <= TRUTH[p] <= found[p].high for p in NAMES]
    assert sum(inside) >= 16, f"{sum(inside)} of {len(inside)}"


def test_many_games_recover_ratings_advantage_and_draws() -> None:
    standings = rate(simulated(20_000, 1), RANDOM)
    for row in standings.rows:
        assert row.elo == pytest.approx(TRUTH[row.player], abs=6)
        assert row.low <= row.elo <= row.high
        assert row.high - row.low < 20
    assert standings.white_elo == pytest.approx(WHITE_ELO, abs=3)
    assert standings.draw_frac == pytest.approx(NU / (2 + NU), abs=0.01)
    assert [row.player for row in standings.rows] == sorted(TRUTH, key=lambda p: -TRUTH[p])
    games = {row.player: row.games for row in standings.rows}
    assert games[RANDOM] == 2 * 2 * 20_000
    assert [row.los for row in standings.rows] == [1.0, 1.0, 1.0, 1.0, None]


def test_a_single_match_is_rated_near_its_own_elo() -> None:
    # 70 wins, 20 draws and 10 losses with each colour, paired at random: a score of 0.8.
    pairs = [[1, 2, 7], [2, 4, 14], [7, 14, 49]]
    results = [n for row in pairs for n in row]
    (strong, weak) = rate([Pairing(NAMES[0], NAMES[1], results)], NAMES[1]).rows
    assert (weak.elo, weak.low, weak.high, weak.los) == (0.0, 0.0, 0.0, None)
    assert strong.elo == pytest.approx(elo_of_score(0.8), abs=4)
    assert strong.los == 1.0


@pytest.mark.parametrize("wins", [1, 100])
def test_a_clean_sweep_stays_finite_and_honest(wins: int) -> None:
    (strong, weak) = rate([Pairing(NAMES[0], RANDOM, [0] * 8 + [wins])], RANDOM).rows
    assert strong.player == NAMES[0]
    assert weak.elo == 0
    assert 0 < strong.elo < 1500
    assert strong.low < strong.elo
    if wins == 1:
        assert strong.low <= 0, "one won pair proves nothing"
    else:
        assert strong.low > 400


def test_drawn_games_alone_rate_everybody_alike() -> None:
    (one, other) = rate([Pairing(NAMES[0], NAMES[1], [0, 0, 0, 0, 50, 0, 0, 0, 0])], NAMES[0]).rows
    assert one.elo == pytest.approx(0, abs=1e-6)
    assert other.elo == pytest.approx(0, abs=1e-6)


few_kinds = st.integers(0, 30).map(lambda n: max(0, n - 15) ** 2)
results = st.lists(few_kinds, min_size=9, max_size=9).filter(any)


@settings(max_examples=15)
@given(results)
def test_it_does_not_matter_who_is_called_the_player(results: list[int]) -> None:
    seen_by_other = [
        results[3 * (2 - black) + 2 - white] for white in range(3) for black in range(3)
    ]
    one = by_player(rate([Pairing(NAMES[0], NAMES[1], results)], NAMES[0], resamples=20))
    other = by_player(rate([Pairing(NAMES[1], NAMES[0], seen_by_other)], NAMES[0], resamples=20))
    assert one == other
    swapped = by_player(rate([Pairing(NAMES[1], NAMES[0], results)], NAMES[0], resamples=20))
    assert swapped[NAMES[1]].elo == pytest.approx(-one[NAMES[1]].elo, abs=1e-4)


def test_matches_of_the_same_two_are_added_up_and_budgets_kept_apart() -> None:
    level = [0, 0, 0, 0, 10, 0, 0, 0, 0]
    deep = NAMES[0]._replace(budget="800 simulations")
    standings = rate(
        [
            Pairing(NAMES[0], RANDOM, level),
            Pairing(RANDOM, NAMES[0], level),
            Pairing(deep, RANDOM, [0] * 8 + [10]),
        ],
        RANDOM,
    )
    found = by_player(standings)
    assert found[NAMES[0]].games == 40
    assert found[deep].elo > found[NAMES[0]].elo + 100


def test_who_is_not_linked_to_the_anchor_is_named_and_not_rated() -> None:
    level = [0, 0, 0, 0, 10, 0, 0, 0, 0]
    standings = rate([Pairing(NAMES[0], RANDOM, level), Pairing(NAMES[2], NAMES[1], level)], RANDOM)
    assert {row.player for row in standings.rows} == {NAMES[0], RANDOM}
    assert standings.unlinked == (NAMES[1], NAMES[2])
    with pytest.raises(ValueError, match="played nobody"):
        rate([Pairing(NAMES[2], NAMES[1], level)], RANDOM)
