"""Which games of a match count, in whatever order they end."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.evaluation.match import MatchGame, play_match, score_of
from backend.evaluation.openings import random_openings
from backend.evaluation.players import GreedyPlayer, RandomPlayer
from backend.evaluation.record import facts_of, results_of
from backend.evaluation.sprt import Sprt
from backend.evaluation.trial import Trial

TEST = Sprt(elo0=0, elo1=100)


def games(points: list[float]) -> list[MatchGame]:
    """Finished games with these points for the candidate, two to an opening."""
    made = []
    for number, won in enumerate(points):
        as_white = number % 2 == 0
        result = round(2 * won - 1) * (1 if as_white else -1)
        made.append(
            MatchGame(number=number, opening=[], candidate_is_white=as_white, result=result)
        )
    return made


def test_a_pair_counts_once_it_and_all_before_it_are_complete() -> None:
    first, second, third, fourth, fifth, sixth = games([1, 1, 0.5, 0, 1, 0.5])
    trial = Trial(None)
    finished: list[MatchGame] = []
    counted = []
    for game in (third, fourth, first, fifth, second, sixth):
        finished.append(game)
        trial.hear(finished)
        counted.append(sum(trial.pairs))
    assert counted == [0, 0, 0, 0, 2, 3]
    assert trial.counted == [first, second, third, fourth, fifth, sixth]
    assert trial.pairs == (0, 1, 0, 1, 1)
    assert (trial.llr, trial.decision) == (None, "")


points = st.lists(st.sampled_from([0, 0.5, 1]), min_size=1, max_size=40).map(lambda p: p + p)


@settings(max_examples=30)
@given(points, st.randoms(use_true_random=False))
def test_what_is_decided_does_not_depend_on_which_games_end_first(
    points: list[float], rng: random.Random
) -> None:
    in_order, shuffled = games(points), games(points)
    rng.shuffle(shuffled)
    one, other = Trial(TEST), Trial(TEST)
    for number in range(1, len(points) + 1):
        one.hear(in_order[:number])
        other.hear(shuffled[:number])
    assert one.decision == other.decision
    assert one.pairs == other.pairs
    assert [game.number for game in one.counted] == [game.number for game in other.counted]
    assert sum(one.pairs) == len(one.counted) // 2


def test_a_decision_ends_the_counting() -> None:
    trial = Trial(TEST)
    finished = games([1, 0.5] * 60 + [0, 0] * 100)
    trial.hear(finished)
    assert trial.decision == "elo1"
    assert trial.llr is not None
    assert trial.llr >= TEST.bounds.high
    assert 4 < sum(trial.pairs) < 60
    assert TEST.llr(trial.pairs) == trial.llr
    before = trial.pairs
    trial.hear([*finished, *games([1, 1])])
    assert trial.pairs == before


def test_a_match_ends_when_its_test_is_decided() -> None:
    trial = Trial(Sprt(elo0=0, elo1=150))
    played = play_match(
        GreedyPlayer(1),
        RandomPlayer(2),
        random_openings(40, 4, seed=3),
        max_plies=120,
        slots=6,
        on_game=trial.hear,
        on_step=lambda: not trial.decision,
    )
    assert played is None
    assert trial.decision == "elo1"
    assert [game.number for game in trial.counted] == list(range(2 * sum(trial.pairs)))
    assert len(trial.counted) < 80
    facts = facts_of(trial.counted)
    assert facts["pairs"] == score_of(trial.counted).pairs == trial.pairs


def test_results_tell_what_each_colour_brought() -> None:
    made = games([1, 1, 1, 0, 0, 1, 0.5, 0.5, 0, 0.5])
    results = results_of(made)
    assert results == (0, 1, 1, 0, 1, 0, 1, 0, 1)
    pairs = [sum(n for k, n in enumerate(results) if sum(divmod(k, 3)) == s) for s in range(5)]
    assert tuple(pairs) == score_of(made).pairs
    assert sum(results_of(made[1:])) == 4, "half a pair does not count"
