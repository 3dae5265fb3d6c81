"""The referee lets real self-play pass and names every kind of lie."""

import io
from collections.abc import Callable
from pathlib import Path

import chess
import chess.pgn
import numpy as np
import pytest

from backend.config import SearchConfig, SelfPlayConfig
from backend.errors import ReplayError
from backend.replay import admission, records
from backend.replay.admission import admit
from backend.replay.records import GameRecord
from backend.replay.schema import Array
from backend.replay.shards import build_columns
from backend.selfplay.games import SelfPlay
from model.config import Orientation
from model.rules import Outcome
from tests.backend.replay.games import (
    BLACK_MATES,
    SHUFFLE,
    STALEMATE_FEN,
    black_mates,
    cut_game,
    game_of,
    white_mates,
    writable,
    write,
    write_columns,
)
from tests.fake_evaluators import material

Columns = dict[str, Array]


def _self_played(orientation: Orientation) -> list[GameRecord]:
    play = SelfPlay(
        SelfPlayConfig(games=8, max_plies=200, temperature_plies=20),
        SearchConfig(simulations=8),
        material,
        orientation=orientation,
        seed=2,
    )
    games: list[GameRecord] = []
    while len(games) < 8:
        games.extend(play.step())
    return games


@pytest.mark.parametrize("orientation", ["mover", "white"])
def test_real_self_play_is_admitted(tmp_path: Path, orientation: Orientation) -> None:
    games = _self_played(orientation)
    path = write_columns(tmp_path, build_columns(games), orientation=orientation)
    admitted = admit(path)
    assert [game.result for game in admitted.games] == [game.result for game in games]
    assert {game.outcome for game in admitted.games} >= {Outcome.CHECKMATE, records.TRUNCATED}
    assert admitted.positions == sum(len(game.samples) for game in games)
    assert admitted.plies == sum(len(game.moves) for game in games)
    decided = admitted.white_wins + admitted.draws + admitted.black_wins
    assert decided + admitted.truncated == len(games)


def test_the_pgn_of_a_shard_replays_to_the_same_games(tmp_path: Path) -> None:
    endgame = game_of("f1f7", Outcome.STALEMATE, records.DRAW, fen=STALEMATE_FEN)
    games = [white_mates(), black_mates(), cut_game(), endgame]
    admitted = admit(write(tmp_path, games))
    text = io.StringIO(admitted.pgn)
    for number, (game, result) in enumerate(
        zip(games, ["1-0", "0-1", "*", "1/2-1/2"], strict=True)
    ):
        read = chess.pgn.read_game(text)
        assert read is not None
        assert read.errors == []
        assert read.headers["Result"] == result
        assert read.headers["GameId"] == f"{admitted.name.removesuffix('.safetensors')}:{number}"
        assert len(list(read.mainline_moves())) == len(game.moves)
    assert chess.pgn.read_game(text) is None
    assert admitted.games[3].termination == "stalemate"


def test_draws_by_repetition_and_fifty_moves_are_derived(tmp_path: Path) -> None:
    fifty = "8/8/4k3/8/8/4K3/8/R7 w - - 99 80"
    games = [
        game_of(SHUFFLE, Outcome.THREEFOLD, records.DRAW),
        game_of("a1a2", Outcome.FIFTY_MOVES, records.DRAW, fen=fifty),
    ]
    assert admit(write(tmp_path, games)).draws == 2


def test_outcomes_are_numbered_as_the_rules_number_them() -> None:
    assert [outcome.name for outcome in Outcome] == [
        "NONE",
        "CHECKMATE",
        "STALEMATE",
        "INSUFFICIENT",
        "FIFTY_MOVES",
        "THREEFOLD",
    ]
    assert admission.THREEFOLD == Outcome.THREEFOLD
    assert admission.CHECKMATE == Outcome.CHECKMATE


def _set(name: str, row: object, value: object) -> Callable[[Columns], None]:
    def change(columns: Columns) -> None:
        columns[name][row] = value

    return change


def _flip_winner(columns: Columns) -> None:
    """Wins for losses everywhere: consistent in itself, and not what the board says."""
    columns["game_result"][0] = records.BLACK_WON
    columns["result_wdl"][:7] = columns["result_wdl"][:7, ::-1]


def _call_it_cut(columns: Columns) -> None:
    columns["game_outcome"][0] = records.TRUNCATED
    columns["game_result"][0] = records.NO_RESULT


def _teach(columns: Columns) -> None:
    columns["value_source"][3] = records.TARGET_TEACHER
    columns["value_wdl"][3] = (0.5, 0.5, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_flip_winner, "game 0, ply 7: stored result 0-1, checkmate on the board means 1-0"),
        (_call_it_cut, "game 0, ply 7: stored as truncated, the board says checkmate"),
        (_set("game_outcome", 1, 5), "ply 4: stored as threefold repetition, the board says check"),
        (_set("game_outcome", 2, 2), "game 2, ply 3: stored as stalemate, the board says not over"),
        (_set("game_result", 2, 0), "game 2, ply 3: stored result 1/2-1/2, not over"),
        (_set("game_moves", 3, 7 << 12), "game 0, ply 3: code 28672 is not legal in rnbqkbnr/"),
        (_set("game_moves", 3, 8 | 40 << 6), r"game 0, ply 3: a2a6 is not legal in rnbqkbnr/"),
        (_set("game_moves", 0, 11 | 27 << 6), "game 0, ply 1: the stored position is not the one"),
        (_set("positions", (4, 0), 0), "game 0, ply 4: the stored position is not the one"),
        (_set("positions", (4, 7), 1 << 17), "game 0, ply 4: the stored position is not the one"),
        (_set("policy_index", 0, 4000), "game 0, ply 0: the policy is not about the 20 legal"),
        (_set("policy_prob", 0, np.nan), "game 0, ply 0: the policy is not finite"),
        (_set("result_wdl", 3, (1, 0, 0)), "game 0, ply 3: the value target does not follow"),
        (_set("result_wdl", 3, (0, 1, 0)), "game 0, ply 3: the value target does not follow"),
        (_set("has_result", 3, 0), "game 0, ply 3: the value target does not follow from 1-0"),
        (_set("has_result", 12, 1), "game 2, ply 1: the result is not a distribution"),
        (_teach, "game 0, ply 3: the value target does not follow"),
        (_set("plies_left", 8, 9), "game 1, ply 1: the value target does not follow from 0-1"),
        (_set("game_start", (0, 5), 0), "game 0: start: a white piece without a kind"),
        (_set("game_start", (0, 6), 0), "game 0: start: not a legal position"),
    ],
)
def test_a_lie_is_found_and_named(
    tmp_path: Path, change: Callable[[Columns], None], message: str
) -> None:
    columns = writable(build_columns([white_mates(), black_mates(), cut_game()]))
    change(columns)
    path = write_columns(tmp_path, columns)
    with pytest.raises(ReplayError) as refused:
        admit(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_game_that_went_on_after_its_end_is_refused(tmp_path: Path) -> None:
    played_on = game_of(f"{SHUFFLE} e2e4", records.TRUNCATED, records.NO_RESULT)
    with pytest.raises(ReplayError, match="game 0, ply 8: played on after threefold repetition"):
        admit(write(tmp_path, [played_on]))


def test_a_policy_seen_from_the_other_side_is_refused(tmp_path: Path) -> None:
    turned = game_of(BLACK_MATES, Outcome.CHECKMATE, records.BLACK_WON, orientation="white")
    with pytest.raises(ReplayError, match="game 0, ply 1: the policy is not about the 20 legal"):
        admit(write(tmp_path, [turned]))
    columns = build_columns([turned])
    assert admit(write_columns(tmp_path, columns, orientation="white")).black_wins == 1
