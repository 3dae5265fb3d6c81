"""The simulation behind docs/design's page on fleets: it keeps its books and obeys the model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
SECONDS = 400.0


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    import fleet_simulation

    return fleet_simulation


def fleet_of(bench: Any, workers: int, **changes: Any) -> Any:
    """A small one that is full soon: 45 games/s are admitted, 227 workers play as many."""
    usual = {
        "games_per_s": 0.2,
        "games_at_once": 32,
        "positions_per_game": 72.0,
        "game_bytes": 7_300.0,
        "network_bytes": 270e3,
        "admission_s": 0.022,
        "samples_per_s": 2_000.0,
        "samples_per_network": 77e3,
        "evaluation_s": 60.0,
    }
    return bench.Fleet(workers=workers, **usual | changes)


def played(bench: Any, fleet: Any, seed: int = 1) -> Any:
    return bench.Simulation(fleet, seed).run(SECONDS)


def faults(seen: Any) -> int:
    """Games begun that are nowhere, or in two places."""
    return seen.begun - (seen.in_play + seen.lost + seen.on_the_way + seen.admitted + seen.stale)


@pytest.mark.parametrize("waits_for_admission", [True, False])
def test_every_game_is_in_one_place_whoever_dies_and_whatever_comes_twice(
    bench: Any, waits_for_admission: bool
) -> None:
    fleet = fleet_of(
        bench,
        workers=300,
        life_s=120.0,
        repeat_frac=0.1,
        max_staleness=1,
        samples_per_network=5e3,
        samples_per_s=20e3,
        waits_for_admission=waits_for_admission,
    )
    seen = played(bench, fleet)
    assert faults(seen) == 0
    assert min(seen.lost, seen.stale, seen.repeats, seen.on_the_way, seen.promotions) > 0
    assert seen.lost % fleet.games_at_once == 0


def test_what_is_admitted_grows_with_the_workers_up_to_the_figure_of_the_model(bench: Any) -> None:
    rates = []
    for workers in (20, 100, 300, 500):
        fleet = fleet_of(bench, workers=workers)
        rates.append(played(bench, fleet).admitted_per_s)
        assert rates[-1] == pytest.approx(bench.limits(fleet).admitted, rel=0.06)
    assert bench.limits(fleet).admitted == 1 / fleet.admission_s
    assert rates[0] < rates[1] < rates[2] == pytest.approx(rates[3], rel=0.01)


def test_a_narrow_link_and_a_slow_trainer_bound_what_the_model_says(bench: Any) -> None:
    narrow = fleet_of(bench, workers=200, link_bytes_per_s=100e3, repeat_frac=0.2)
    assert bench.limits(narrow).first == "link"
    assert played(bench, narrow).admitted_per_s == pytest.approx(
        bench.limits(narrow).link, rel=0.05
    )
    slow = fleet_of(bench, workers=100, samples_per_s=300.0)
    seen = played(bench, slow)
    assert bench.limits(slow).first == "trainer"
    assert seen.samples / SECONDS == pytest.approx(300.0, rel=0.05)
    assert seen.admitted_per_s == pytest.approx(20.0, rel=0.06)  # It stops nobody.


def test_games_are_the_older_the_longer_the_way_home(bench: Any) -> None:
    fleet = fleet_of(
        bench, workers=100, samples_per_network=3e3, samples_per_s=20e3, evaluation_s=1.0
    )
    seen = [played(bench, replace(fleet, latency_s=latency)) for latency in (0.0, 2.0, 20.0)]
    ages = [each.mean_age_s for each in seen]
    behind = [each.mean_behind for each in seen]
    assert ages[0] < ages[1] < ages[2]
    assert ages[1] - ages[0] == pytest.approx(2.0, rel=0.2)
    assert behind[0] < behind[1] < behind[2]


def test_a_full_queue_is_as_old_as_the_fleet_lets_it_become(bench: Any) -> None:
    """Every worker fills its share of it; without a bound it grows as long as they play."""
    fleet = fleet_of(bench, workers=500, max_waiting=4)
    seen = played(bench, fleet)
    assert seen.mean_age_s == pytest.approx(bench.limits(fleet).full_queue_s, rel=0.1)
    without = played(bench, replace(fleet, waits_for_admission=False))
    assert without.most_waiting > 3 * seen.most_waiting
    assert without.mean_age_s > 2 * seen.mean_age_s
