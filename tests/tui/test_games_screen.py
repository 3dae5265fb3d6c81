"""The games browser on a run with two shards and a match."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backend.errors import ReplayError
from backend.replay.admission import admit
from backend.state import RunState
from tests.backend.replay.games import black_mates, cut_game, white_mates, write
from tests.tui.conftest import SMALL, FakeLink, draw, toasts
from tests.tui.goldens import check_golden
from tests.tui.plain import plain
from tests.tui.test_history import Database
from tui.app import ControlCentre
from tui.archive import SELFPLAY, stored_games
from tui.replayed import load
from tui.screens.games import GamesScreen

MATCH = """[Event "Matrix0 step-00000300-vs-greedy, 8 simulations"]
[White "step-00000300"]
[Black "greedy"]
[Result "0-1"]
[Termination "checkmate"]

1. f3 { opening } 1... e5 { opening } 2. g4 { -0.31/8 } 2... Qh4# 0-1

[Event "Matrix0 step-00000300-vs-greedy, 8 simulations"]
[White "greedy"]
[Black "step-00000300"]
[Result "1/2-1/2"]
[Termination "ply-limit \x1b[31m"]

1. e4 { opening } 1... e5 { +0.25/8 } 1/2-1/2
"""


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Four games of self-play, of which the shard of the oldest has left the window."""
    for name in ("replay", "games"):
        (tmp_path / name).mkdir()
    database = Database(tmp_path / "matrix0.db")
    texts = []
    for seq, games in enumerate(([cut_game()], [white_mates(), black_mates(), cut_game()])):
        path = write(tmp_path / "replay", games, seq)
        admitted = admit(path)
        database.games(path.name, [(g.id, g.result, g.outcome, g.plies) for g in admitted.games])
        texts.append(admitted.pgn)
        if seq == 0:
            path.unlink()
    database.close()
    (tmp_path / "games" / "selfplay.pgn").write_text("".join(texts), "utf-8")
    (tmp_path / "games" / "match-step-00000300-vs-greedy.pgn").write_text(MATCH, "utf-8")
    return tmp_path


def test_self_play_comes_first_and_the_newest_of_it(run_dir: Path) -> None:
    games = stored_games(run_dir)
    assert [g.label for g in games] == [
        "selfplay-0 1:2",
        "selfplay-0 1:1",
        "selfplay-0 1:0",
        "selfplay-0 0:0",
        "300 - greedy",
        "greedy - 300",
    ]
    assert [g.result for g in games] == ["*", "0-1", "1-0", "*", "0-1", "1/2-1/2"]
    assert games[2].plies == 7


def test_a_game_of_a_shard_has_the_value_and_the_policy_of_every_search(run_dir: Path) -> None:
    game = stored_games(run_dir)[2]
    replay = load(game, run_dir)
    assert len(replay.frames) == 8
    assert replay.frames[-1].fen.startswith("r1bqkb1r/pppp1Qpp")
    assert replay.values == pytest.approx((0.3, -0.3, 0.3, -0.3, 0.3, -0.3, 0.3))
    for frame in replay.frames[1:]:
        assert [move.is_played for move in frame.moves].count(True) == 1
        shares = [move.policy for move in frame.moves]
        assert sum(shares) <= 1.001
        assert shares[:8] == sorted(shares[:8], reverse=True)
    assert replay.frames[7].moves[-1].san == "Qxf7#" or "Qxf7#" in [
        move.san for move in replay.frames[7].moves if move.is_played
    ]
    assert "4. Qxf7# 1-0" in replay.pgn


def test_a_game_whose_shard_is_gone_is_found_among_the_pgn(run_dir: Path) -> None:
    replay = load(stored_games(run_dir)[3], run_dir)
    assert len(replay.frames) == 4
    assert replay.values == (None, None, None)
    assert replay.note == "moves only: the shard is gone"
    (run_dir / "games" / "selfplay.pgn").write_text("nothing\n")
    with pytest.raises(ReplayError, match="neither its shard nor its PGN"):
        load(stored_games(run_dir)[3], run_dir)


def test_a_match_game_has_the_values_that_its_players_noted(run_dir: Path) -> None:
    white, black = stored_games(run_dir)[4:]
    assert load(white, run_dir).values == (None, None, -0.31, None)
    assert load(black, run_dir).values == (None, -0.25)


@asynccontextmanager
async def browser(
    run_dir: Path, state: RunState, size: tuple[int, int] = SMALL
) -> AsyncIterator[tuple[ControlCentre, GamesScreen, Pilot[int]]]:
    app = ControlCentre(FakeLink(state), run_dir=run_dir, clock=lambda: state.now, refresh_s=3600.0)
    async with app.run_test(size=size, notifications=True) as pilot:
        await draw(app, pilot)
        await pilot.press("b")
        await pilot.pause()
        assert isinstance(app.screen, GamesScreen)
        await settled(app, pilot)
        yield app, app.screen, pilot


async def settled(app: ControlCentre, pilot: Pilot[int]) -> None:
    """Until the lists and games that were asked for are there."""
    for group in ("games", "replay"):
        await pilot.pause()
        asked = [w for w in app.workers if w.group == group and w.is_running]
        if asked:  # All workers else, and the link never ends.
            await app.workers.wait_for_complete(asked)
    await draw(app, pilot)


@pytest.mark.parametrize("size", [SMALL, (120, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_games_browser_looks_as_it_did(
    rich: RunState, run_dir: Path, size: tuple[int, int]
) -> None:
    async with browser(run_dir, rich, size) as (app, _, pilot):
        await pilot.press("j", "j")
        await settled(app, pilot)
        await pilot.press("end", "left")
        await draw(app, pilot)
        seen = plain(app)
        assert "ply 6" in seen
        check_golden(f"games-{size[0]}x{size[1]}", seen.text)


async def test_keys_go_through_the_game_and_stop_at_its_ends(rich: RunState, run_dir: Path) -> None:
    async with browser(run_dir, rich) as (app, games, pilot):
        await pilot.press("left")
        assert games.ply == 0
        await pilot.press(*["right"] * 5)
        assert games.ply == 3
        await pilot.press("home")
        assert games.ply == 0
        await pilot.press("f", "escape")
        await draw(app, pilot)
        assert not isinstance(app.screen, GamesScreen)


async def test_games_are_filtered_by_result_and_by_source(rich: RunState, run_dir: Path) -> None:
    async with browser(run_dir, rich) as (app, games, pilot):
        await pilot.press("r")
        assert [g.result for g in games.shown.values()] == ["1-0"]
        await pilot.press("r", "r")
        assert [g.result for g in games.shown.values()] == ["0-1", "0-1"]
        await pilot.press("s")
        assert [g.source for g in games.shown.values()] == [SELFPLAY]
        await pilot.press("r", "r", "r", "s")
        await settled(app, pilot)
        assert games.shown == {}
        assert "no game passes the filters" in plain(app)


async def test_position_and_game_can_be_taken_along(
    rich: RunState, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_dir)
    async with browser(run_dir, rich) as (app, _, pilot):
        await pilot.press("j")
        await settled(app, pilot)
        await pilot.press("end", "y")
        assert app.clipboard == "rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3"
        await pilot.press("Y")
        assert "2. g4 Qh4# 0-1" in app.clipboard
        await pilot.press("w")
        await pilot.pause()
        assert "the game is in" in toasts(app)[-1]
    (name,) = (entry for entry in os.listdir(run_dir) if entry.endswith(".pgn"))
    assert "Qh4#" in (run_dir / name).read_text("utf-8")


async def test_a_run_without_games_says_so(rich: RunState, tmp_path: Path) -> None:
    async with browser(tmp_path, rich) as (app, _, pilot):
        await pilot.press("y")
        await draw(app, pilot)
        assert "no game is stored yet" in plain(app)
        assert toasts(app) == ["no game is stored yet"]
