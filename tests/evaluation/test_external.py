"""Engines of others in our matches: none of them can end one, and none is left behind."""

import sys
from dataclasses import replace
from pathlib import Path

import chess
import chess.engine
import psutil
import pytest

from backend.errors import ConfigError
from backend.evaluation import engine_process
from backend.evaluation.engines import EngineSpec, find_engine, names_engine, parse_engine
from backend.evaluation.external import ExternalPlayer
from backend.evaluation.match import MatchGame, play_match, score_of, to_pgn
from backend.evaluation.openings import random_openings
from backend.evaluation.players import RandomPlayer
from backend.evaluation.referee import PLY_LIMIT, verdict

BAD_ENGINE = Path(__file__).with_name("bad_engine.py")


def _bad(mode: str, **limit: float) -> EngineSpec:
    return EngineSpec(
        word=f"bad-{mode}",
        command=(sys.executable, str(BAD_ENGINE), mode),
        protocol="uci",
        limit=chess.engine.Limit(**(limit or {"nodes": 10})),  # type: ignore[arg-type]
        options={"Level": "3"},
    )


def _played(spec: EngineSpec, *, games: int = 4, hang_s: float = 1.0) -> list[MatchGame]:
    player = ExternalPlayer(spec, processes=2, hang_s=hang_s)
    openings = random_openings(games // 2, 4, seed=1)
    try:
        played = play_match(player, RandomPlayer(2), openings, max_plies=40, slots=games)
    finally:
        player.close()
    assert played is not None
    return played


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("crash", engine_process.CRASH),
        ("hang", engine_process.HANG),
        ("flood", engine_process.FLOOD),
        ("endless", engine_process.FLOOD),
        ("illegal", engine_process.NO_MOVE),
        ("nonsense", engine_process.NO_MOVE),
    ],
)
def test_who_does_not_answer_with_a_legal_move_loses_the_game(mode: str, reason: str) -> None:
    games = _played(_bad(mode))
    assert len(games) == 4
    forfeited = [game for game in games if game.termination == reason]
    assert len(forfeited) >= 3, [game.termination for game in games]
    assert all(game.candidate_points == 0 for game in forfeited)
    assert score_of(games).losses >= 3
    assert not _left_behind()


def test_an_engine_may_speak_xboard() -> None:
    spec = EngineSpec(
        word="first-mover",
        command=(sys.executable, str(BAD_ENGINE.with_name("xboard_engine.py"))),
        protocol="xboard",
        limit=chess.engine.Limit(depth=1),
        options={},
    )
    games = _played(spec)
    for game in games:
        found = verdict(game.board)
        assert game.termination == (found.termination if found else PLY_LIMIT)
        own = chess.WHITE if game.candidate_is_white else chess.BLACK
        board = game.board.root()
        for ply, move in enumerate(game.board.move_stack):
            if ply >= len(game.opening) and board.turn == own:
                assert move == min(board.legal_moves, key=lambda move: move.uci())
            board.push(move)
    assert not _left_behind()


def test_a_late_move_loses_on_time() -> None:
    games = _played(_bad("late", time=0.05))
    assert {game.termination for game in games} == {engine_process.OVERTIME}
    assert not _left_behind()


def test_garbage_between_the_lines_harms_nobody() -> None:
    games = _played(_bad("garbage"))
    for game in games:
        found = verdict(game.board)
        assert game.termination == (found.termination if found else PLY_LIMIT)
    text = to_pgn(games, "bad", "random", "a test")
    assert "+0.25/3 17 nodes" in text
    assert "\x1b" not in text
    assert not _left_behind()


def test_an_engine_that_does_not_start_is_said_before_the_match(tmp_path: Path) -> None:
    silent = tmp_path / "engine"
    silent.write_text("#!/bin/sh\nexit 3\n")
    silent.chmod(0o755)
    with pytest.raises(ConfigError, match="engine"):
        ExternalPlayer(parse_engine(f"{silent}:nodes=5"), processes=1)
    wrong_level = replace(_bad("none"), options={"Level": "77"})
    with pytest.raises(ConfigError, match="Level"):
        ExternalPlayer(wrong_level, processes=1)
    assert not _left_behind()


def test_an_engine_is_named_with_its_budget_and_options(tmp_path: Path) -> None:
    engine = tmp_path / "my-engine"
    engine.write_text("#!/bin/sh\n")
    engine.chmod(0o755)
    spec = parse_engine(f"{engine}:nodes=500,UCI_Elo=1400,Skill Level=3")
    assert spec.limit == chess.engine.Limit(nodes=500)
    assert spec.options == {"UCI_Elo": "1400", "Skill Level": "3", "UCI_LimitStrength": "true"}
    assert spec.budget == "nodes=500,UCI_Elo=1400,Skill Level=3,UCI_LimitStrength=true"
    assert parse_engine(str(engine)).budget == "movetime=100"
    assert parse_engine(f"{engine}:depth=2,protocol=xboard").protocol == "xboard"
    assert names_engine("stockfish")
    assert names_engine("./mine")
    assert not names_engine("step-00000300")
    assert not names_engine("random")


@pytest.mark.parametrize("rest", ["nodes", "nodes=0", "nodes=-3", "movetime=²", "protocol=usi"])
def test_a_budget_that_is_none_is_refused(rest: str) -> None:
    with pytest.raises(ConfigError, match="engine"):
        parse_engine(f"stockfish:{rest}")


def test_a_missing_engine_comes_with_how_to_install_one() -> None:
    with pytest.raises(ConfigError, match="apt install stockfish"):
        find_engine("no-such-engine")


def _left_behind() -> list[psutil.Process]:
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
        and (str(BAD_ENGINE.parent) in " ".join(process.cmdline()) or "sleep" in process.cmdline())
    ]
