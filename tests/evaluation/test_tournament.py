"""Tournaments and the ladder: who meets whom, and what comes of it."""

import chess
import pytest

from backend.evaluation.ladder import MAX_PROBES, Rung, place, rungs
from backend.evaluation.match import MatchGame, MatchScore, score_of
from backend.evaluation.rating import elo_of_pairs
from backend.evaluation.tournament import Played, cross_table, schedule


def _game(number: int, result: int) -> MatchGame:
    return MatchGame(
        number=number,
        opening=[],
        candidate_is_white=number % 2 == 0,
        board=chess.Board(),
        result=result,
        termination="checkmate" if result else "stalemate",
    )


def test_everybody_meets_everybody_or_one_meets_all() -> None:
    assert schedule("abc", "round-robin") == [("a", "b"), ("a", "c"), ("b", "c")]
    assert schedule("abc", "gauntlet") == [("a", "b"), ("a", "c")]
    for players in (["a"], ["a", "b", "a"]):
        with pytest.raises(ValueError, match="each named once"):
            schedule(players, "round-robin")


def test_the_cross_table_counts_each_game_for_both_sides() -> None:
    # a beats b twice; a and c draw once, c wins once; b and c share.
    pairings = [
        Played(first="a", second="b", games=[_game(0, 1), _game(1, -1)]),
        Played(first="a", second="c", games=[_game(0, 0), _game(1, 1)]),
        Played(first="b", second="c", games=[_game(0, 1), _game(1, 1)]),
    ]
    rows = cross_table(["a", "b", "c"], pairings)
    assert [row[:3] for row in rows] == [["c", "2.5", "4"], ["a", "2.5", "4"], ["b", "1", "4"]]
    table = {(row[0], rows[k][0]): cell for row in rows for k, cell in enumerate(row[3:])}
    assert table["a", "a"] == "·"
    assert (table["a", "b"], table["b", "a"]) == ("+2 =0 -0", "+0 =0 -2")
    assert (table["a", "c"], table["c", "a"]) == ("+0 =1 -1", "+1 =1 -0")
    assert (table["b", "c"], table["c", "b"]) == ("+1 =0 -1", "+1 =0 -1")
    assert sum(float(row[1]) for row in rows) == 6


def _score(share: float) -> MatchScore:
    wins = round(20 * share)
    pairs = [0, 0, 0, 0, 0]
    pairs[4], pairs[0] = wins // 2, (20 - wins) // 2
    pairs[2] = wins % 2
    return MatchScore(
        wins=wins,
        draws=0,
        losses=20 - wins,
        truncated=0,
        pairs=(pairs[0], pairs[1], pairs[2], pairs[3], pairs[4]),
        elo=elo_of_pairs(pairs),
    )


@pytest.mark.parametrize("strength", [*range(12), 11.5])
def test_a_player_is_placed_beside_its_equal_by_few_probes(strength: float) -> None:
    ladder = rungs("stockfish")
    assert len(ladder) == 12

    def meet(rung: Rung) -> MatchScore:
        lead = strength - ladder.index(rung)
        return _score(1 / (1 + 10 ** (-lead)))

    placed = place(ladder, meet, meet)
    assert len(placed.probes) <= MAX_PROBES
    assert abs(ladder.index(placed.rung) - strength) <= 1
    if placed.rung.elo is None:
        assert placed.elo is None
    else:
        assert placed.elo is not None
        assert placed.elo[1] <= placed.elo[0] <= placed.elo[2]


def test_without_an_engine_there_are_still_two_rungs() -> None:
    ladder = rungs(None)
    assert [rung.player for rung in ladder] == ["random", "greedy"]
    placed = place(ladder, lambda rung: _score(0.75), lambda rung: _score(0.75))
    assert placed.rung.player == "greedy" or placed.rung.player == "random"
    assert placed.elo is None


def test_scores_of_half_played_pairs_do_not_count() -> None:
    assert score_of([_game(0, 1), _game(1, -1), _game(2, 1)]).wins == 2
