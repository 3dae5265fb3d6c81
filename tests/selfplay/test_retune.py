"""Self-play whose settings change while its games are on the board."""

from dataclasses import replace

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import check_record
from backend.selfplay.groups import GroupedSelfPlay
from tests.fake_evaluators import material
from tests.selfplay.setups import play, self_play

FEW = SearchConfig(simulations=6)
MANY = replace(FEW, simulations=40)
SETTINGS = SelfPlayConfig(games=6, max_plies=60, opening_plies=4)


def test_games_go_on_from_where_they_were_with_another_search() -> None:
    run = self_play(games=6, simulations=6, max_plies=60)
    for _ in range(300):
        run.step()
    before = [(game.number, list(game.moves)) for game in run._games]
    assert max(len(moves) for _, moves in before) > 10
    positions = [run._search.position(slot).tolist() for slot in range(6)]

    run.retune(replace(SETTINGS, max_plies=80), MANY)
    assert [(game.number, list(game.moves)) for game in run._games] == before
    assert [run._search.position(slot).tolist() for slot in range(6)] == positions
    assert run.simulations == 40

    plies = []
    for record in play(run, 6):
        check_record(record)
        plies.append(len(record.moves))
    assert 60 < max(plies) <= 80


def test_no_group_loses_a_game_to_a_change() -> None:
    groups = GroupedSelfPlay(SETTINGS, FEW, material, groups=2, orientation="mover", seed=1)
    ended = []
    for _ in range(200):
        ended += groups.step()
    ended += groups.retune(SETTINGS, MANY)
    assert (groups.num_games, groups.num_groups, groups.simulations) == (6, 2, 40)
    while len(ended) < 8:
        ended += groups.step()
    groups.close()
    for record in ended:
        check_record(record)
    assert groups.tally.games == len(ended)
