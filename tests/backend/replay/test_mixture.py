"""Sources are drawn by weight, exactly in expectation; phases change the weights by step."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import ReplayError
from backend.replay import records
from backend.replay.mixture import Mixture, Source, fitting_rows
from backend.replay.provenance import Source as File
from backend.replay.sampler import Sampler
from backend.replay.shards import ShardWriter
from backend.replay.window import Window
from backend.training.curriculum import PhaseConfig
from tests.backend.replay.games import SHUFFLE, black_mates, game_of, white_mates, write

QUEEN_ENDING = "8/8/8/4k3/8/8/3QK3/8 w - - 0 1"


def window_of(folder: Path, *games: records.GameRecord) -> Window:
    folder.mkdir()
    window = Window(folder, 1000)
    if games:
        window.add(write(folder, list(games)).name)
    return window


@pytest.fixture
def windows(tmp_path: Path) -> dict[str, Window]:
    """Seven, four and two positions, all of them different; and none."""
    ending = game_of("d2d3 e5f6", 255, records.NO_RESULT, fen=QUEEN_ENDING)
    return {
        "selfplay": window_of(tmp_path / "a", white_mates()),
        "pgn": window_of(tmp_path / "b", black_mates()),
        "puzzles": window_of(tmp_path / "c", ending),
        "epd": window_of(tmp_path / "d"),
    }


def mixture(
    windows: dict[str, Window],
    mix: dict[str, float],
    *phases: PhaseConfig,
    said: list[str] | None = None,
    seed: int = 5,
    looks_ahead: bool = False,
) -> Mixture:
    rng = np.random.default_rng(seed)
    sources = {
        name: Source(window, Sampler(window, rng, 0.25, looks_ahead=looks_ahead))
        for name, window in windows.items()
    }
    say = (said if said is not None else []).append
    return Mixture(sources, mix, phases, rng, mirror_frac=0.5, say=say)


def test_the_share_of_a_source_is_its_weight_exactly_in_expectation(
    windows: dict[str, Window],
) -> None:
    draws = mixture(windows, {"selfplay": 3, "pgn": 2, "puzzles": 1})
    total: Counter[str] = Counter()
    for _ in range(600):
        batch = draws.sample(11, 0)
        assert batch.drawn is not None
        assert sum(batch.drawn.values()) == len(batch) == 11
        total.update(batch.drawn)
        for name, share in (("selfplay", 5.5), ("pgn", 11 / 3), ("puzzles", 11 / 6)):
            assert abs(batch.drawn[name] - share) < 1
    # A uniform shift of the boundaries: the variance of a count is below 1/4.
    for name, weight in (("selfplay", 3), ("pgn", 2), ("puzzles", 1)):
        assert total[name] == pytest.approx(600 * 11 * weight / 6, abs=5 * np.sqrt(600) / 2)


def test_rows_are_whole_samples_of_their_source_in_a_shuffled_order(
    windows: dict[str, Window],
) -> None:
    draws = mixture(windows, {"selfplay": 1, "puzzles": 1}, looks_ahead=True)
    batch = draws.sample(64, 0)
    batch.validate()
    known = {
        row.tobytes(): name
        for name in ("selfplay", "puzzles")
        for row in windows[name].column("positions")
    }
    # Positions without castling may be mirrored: they are those of the ending.
    names = [known.get(row.tobytes(), "puzzles") for row in batch.positions]
    assert Counter(names) == {"selfplay": 32, "puzzles": 32}
    assert 8 < names[:32].count("puzzles") < 24
    assert batch.future is not None
    assert len(batch.future.reply_prob) == 64


def test_the_same_state_draws_the_same_batches(windows: dict[str, Window]) -> None:
    phases = (PhaseConfig(until_step=3, mix={"pgn": 1.0}), PhaseConfig())
    first = mixture(windows, {"selfplay": 1, "puzzles": 2}, *phases)
    first.sample(9, 1)
    state = json.loads(json.dumps(first.state()))
    expected = [first.sample(9, step) for step in range(2, 6)]
    other = mixture(windows, {"selfplay": 1, "puzzles": 2}, *phases, seed=99)
    other.restore(state)
    for step, batch in zip(range(2, 6), expected, strict=True):
        again = other.sample(9, step)
        assert (again.positions == batch.positions).all()
        assert (again.policy_prob == batch.policy_prob).all()
        assert again.drawn == batch.drawn
    assert expected[0].drawn == {"selfplay": 0, "pgn": 9, "puzzles": 0}
    assert expected[1].drawn is not None
    assert expected[1].drawn["pgn"] == 0


def test_a_source_without_positions_is_named_once_and_its_weight_goes_to_the_others(
    windows: dict[str, Window],
) -> None:
    said: list[str] = []
    draws = mixture(windows, {"pgn": 1, "puzzles": 1, "epd": 2}, said=said)
    for _ in range(3):
        drawn = draws.sample(10, 0).drawn
        assert drawn == {"pgn": 5, "puzzles": 5, "epd": 0}
    assert said == ["source epd has no positions: it is left out of the mix"]


def test_without_any_position_or_with_an_unknown_name_it_says_so(
    windows: dict[str, Window],
) -> None:
    with pytest.raises(ReplayError, match=r"no source 'pgm' \(there are: selfplay, pgn, puzzles"):
        mixture(windows, {"pgm": 1})
    with pytest.raises(ReplayError, match="no source 'x'"):
        mixture(windows, {}, PhaseConfig(mix={"x": 1}))
    draws = mixture(windows, {"epd": 1})
    with pytest.raises(ReplayError, match="nothing to draw from: source epd has no positions"):
        draws.sample(4, 0)
    late = PhaseConfig(name="late", min_ply=100)
    with pytest.raises(ReplayError, match="source pgn has no positions for late"):
        mixture(windows, {"pgn": 1}, late).sample(4, 0)


def test_without_a_mix_every_position_of_all_sources_counts_alike(
    windows: dict[str, Window],
) -> None:
    drawn = mixture(windows, {}).sample(1300, 0).drawn
    assert drawn == {"selfplay": 700, "pgn": 400, "puzzles": 200, "epd": 0}


def test_phases_let_through_what_their_plies_and_pieces_say(
    windows: dict[str, Window],
) -> None:
    openings = PhaseConfig(until_step=10, max_ply=2)
    endings = PhaseConfig(max_pieces=3)
    draws = mixture(windows, {"selfplay": 1, "puzzles": 1}, openings, endings)
    games, endgames = windows["selfplay"], windows["puzzles"]
    assert games.column("ply")[let_through(games, openings)].tolist() == [0, 1, 2]
    assert let_through(games, PhaseConfig(min_ply=5)) == [5, 6]
    assert len(let_through(games, PhaseConfig(min_pieces=32))) == 7
    assert let_through(endgames, PhaseConfig(min_pieces=4)) == []
    assert let_through(endgames, PhaseConfig(stage="endgame")) == [0, 1]
    assert let_through(endgames, PhaseConfig(stage="opening")) == []
    drawn = draws.sample(8, 9).drawn
    assert drawn is not None
    assert (drawn["selfplay"], drawn["puzzles"]) == (4, 4)
    drawn = draws.sample(8, 10).drawn
    assert drawn is not None
    assert (drawn["selfplay"], drawn["puzzles"]) == (0, 8)


def let_through(window: Window, phase: PhaseConfig, **names: frozenset[str]) -> list[int]:
    sampler = Sampler(window, np.random.default_rng(0), 0.0)
    rows: list[int] = fitting_rows(Source(window, sampler, **names), phase).tolist()
    return rows


def test_phases_and_names_choose_by_what_is_known_of_the_games(tmp_path: Path) -> None:
    """Rows 0-3 a hard fork, 4-7 an easy pin and a mate, 8-11 a game of which nothing is known."""
    writer = ShardWriter(tmp_path, "train-puzzles", producer="puzzles", orientation="mover")
    games = [
        replace(black_mates(), rating=2100, themes=(0,)),
        replace(black_mates(), rating=900, themes=(1, 2), source=1),
        replace(black_mates(), source=1),
    ]
    sources = (File(name="a.csv", kind="puzzles"), File(name="b.csv", kind="puzzles"))
    written = writer.write(games, sources=sources, themes=("fork", "mateIn1", "pin"))
    window = Window(tmp_path, 1000)
    window.add(written.name)
    hard, easy, unknown = list(range(4)), list(range(4, 8)), list(range(8, 12))
    for phase, expected in (
        (PhaseConfig(min_rating=1000), hard + unknown),
        (PhaseConfig(max_rating=1000), easy + unknown),
        (PhaseConfig(min_rating=800, max_rating=2200), hard + easy + unknown),
        (PhaseConfig(themes="fork"), hard + unknown),
        (PhaseConfig(themes="pin fork"), hard + easy + unknown),
        (PhaseConfig(themes="skewer"), unknown),
        (PhaseConfig(themes="fork pin", max_rating=1000, max_ply=1), [4, 5, 8, 9]),
    ):
        assert let_through(window, phase) == expected, phase
    one = frozenset({"a.csv"})
    assert let_through(window, PhaseConfig(), only=one) == hard
    assert let_through(window, PhaseConfig(), but=one) == easy + unknown


def test_positions_that_come_in_later_are_drawn(windows: dict[str, Window]) -> None:
    draws = mixture(windows, {"pgn": 1}, PhaseConfig(min_ply=6))
    with pytest.raises(ReplayError):
        draws.sample(4, 0)
    window = windows["pgn"]
    window.add(write(window._directory, [game_of(SHUFFLE, 5, records.DRAW)]).name)
    assert len(draws.sample(4, 0)) == 4


def test_it_says_how_much_self_play_a_batch_may_need(windows: dict[str, Window]) -> None:
    phases = (PhaseConfig(until_step=5, mix={"pgn": 1}), PhaseConfig(mix={"selfplay": 1, "epd": 3}))
    draws = mixture(windows, {}, *phases)
    assert draws.most("selfplay", 10, 0) == 0
    assert draws.most("selfplay", 10, 5) == 10  # Nothing of epd is there.
    assert mixture(windows, {"selfplay": 1, "pgn": 2}).most("selfplay", 10, 0) == 4
