"""Games dealt out to groups: all of them are played, counted together, and change networks."""

import pytest

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import check_record
from backend.selfplay.groups import GroupedSelfPlay, num_groups
from tests.fake_evaluators import material, scattered


def test_a_gpu_gets_groups_and_a_cpu_one_unless_settings_say_otherwise() -> None:
    assert num_groups(SelfPlayConfig(games=64), "cuda") == 3
    assert num_groups(SelfPlayConfig(games=2), "mps") == 2
    assert num_groups(SelfPlayConfig(games=64), "cpu") == 1
    assert num_groups(SelfPlayConfig(games=64, groups=5), "cpu") == 5


@pytest.mark.parametrize("groups", [1, 3])
def test_all_games_are_played_and_counted_together(groups: int) -> None:
    games = GroupedSelfPlay(
        SelfPlayConfig(games=7, max_plies=16),
        SearchConfig(simulations=6),
        material,
        groups=groups,
        orientation="mover",
        seed=3,
    )
    records = []
    for _ in range(120 * groups):
        records.extend(games.step())
    assert games.num_games == 7
    assert 0 < games.mean_ply <= 16
    records.extend(games.use(scattered(1), step=5))
    for _ in range(20 * groups):
        records.extend(games.step())
    games.close()
    for record in records:
        check_record(record)
    assert len(records) >= 7
    assert games.tally.games >= len(records)
    assert games.tally.positions >= sum(len(record.samples) for record in records)
    assert games.glimpse is not None
