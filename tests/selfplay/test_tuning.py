"""How many games a worker plays at once, when it may choose."""

import itertools
import re

import pytest

from backend.config import SearchConfig, SelfPlayConfig
from backend.events import GamesTuned
from backend.inference.front import Inference
from backend.selfplay.groups import UNTUNED_GAMES, batch_size
from backend.selfplay.tuning import affordable_games, measure, sweep, tune_games
from backend.selfplay.words import games_in_words
from model.net import ChessNet
from tests.backend.inference.networks import CONV, CPU


def _any(games: int) -> bool:
    return True


def test_who_must_stop_takes_what_was_measured() -> None:
    tuned = sweep(float, lambda games: games < 128, first=32, most=1024)
    assert tuned.tried == (32, 64)
    assert tuned.games == 64


def test_the_number_doubles_while_that_pays_and_the_smallest_good_one_is_taken() -> None:
    rates = {32: 10.0, 64: 14.0, 128: 14.3, 256: 99.0}
    tuned = sweep(rates.__getitem__, _any, first=32, most=1024)
    assert tuned.tried == (32, 64, 128)
    assert tuned.evaluations_per_s == (10.0, 14.0, 14.3)
    assert tuned.games == 64


def test_a_device_that_wants_ever_more_gets_as_much_as_there_is_memory_for() -> None:
    tuned = sweep(float, _any, first=32, most=500)
    assert tuned.tried == (32, 64, 128, 256)
    assert tuned.games == 256


def test_a_slower_double_does_not_win() -> None:
    assert sweep({8: 5.0, 16: 3.0}.__getitem__, _any, first=8, most=64).games == 8


def test_a_worker_measures_with_games_that_it_really_plays() -> None:
    inference = Inference(ChessNet(CONV), CPU)
    search = SearchConfig(simulations=2, gumbel_considered=2)
    asked: list[int] = []

    def trying(games: int) -> bool:
        asked.append(games)
        return games <= 128

    tuned = tune_games(SelfPlayConfig(max_plies=8), search, inference, 1, trying)
    assert tuple(asked)[: len(tuned.tried)] == tuned.tried
    assert all(b == 2 * a for a, b in itertools.pairwise(tuned.tried))
    assert tuned.games in tuned.tried
    assert all(rate > 0 for rate in tuned.evaluations_per_s)
    assert inference.evaluations >= 4 * sum(tuned.tried)
    assert measure(SelfPlayConfig(games=8, max_plies=8), search, inference, 2) > 0


def test_trees_of_many_simulations_allow_fewer_games() -> None:
    few, many = (affordable_games(SearchConfig(simulations=n)) for n in (100_000, 50_000))
    assert 0 < few < many


def test_a_network_is_made_ready_for_a_usual_batch_until_the_number_is_known() -> None:
    assert batch_size(SelfPlayConfig(), 1) == UNTUNED_GAMES
    assert batch_size(SelfPlayConfig(games=10), 3) == 4


def test_what_was_measured_is_said_in_one_line() -> None:
    tuned = GamesTuned(worker="sp0", games=64, tried=(32, 64), evaluations_per_s=(14_100.4, 15e3))
    assert games_in_words(tuned) == "64 games at once; evaluations/s with 32: 14,100, 64: 15,000"


def test_no_games_start_before_their_number_is_known() -> None:
    with pytest.raises(AssertionError, match=re.escape("not measured yet")):
        _ = SelfPlayConfig().num_games
