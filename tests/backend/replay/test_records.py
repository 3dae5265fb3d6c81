"""Who won is said once for each game; what each sample learns of it depends on its own mover."""

from dataclasses import replace

import numpy as np
import pytest

from backend.errors import ReplayError
from backend.replay import records
from backend.replay.records import GameRecord, check_record, result_targets
from backend.replay.shards import build_columns
from tests.backend.replay.games import (
    BLACK_MATES,
    STALEMATE_FEN,
    WHITE_MATES,
    black_mates,
    cut_game,
    game_of,
    white_mates,
)

WIN, DRAW, LOSS = np.eye(3, dtype=np.float32)


def test_the_winner_learns_a_win_and_the_loser_a_loss() -> None:
    targets = result_targets(white_mates())
    assert (targets.wdl[0::2] == WIN).all()
    assert (targets.wdl[1::2] == LOSS).all()
    assert targets.plies_left.tolist() == [7, 6, 5, 4, 3, 2, 1]
    assert targets.has_result.all()


def test_each_game_of_a_shard_has_its_own_result() -> None:
    stalemate = game_of("f1f7", 2, records.DRAW, fen=STALEMATE_FEN)
    columns = build_columns([white_mates(), black_mates(), stalemate, white_mates()])
    assert columns["game_result"].tolist() == [1, -1, 0, 1]
    first, second, third, fourth = (
        columns["result_wdl"][columns["game_of_position"] == game] for game in range(4)
    )
    assert (first[0::2] == WIN).all()
    assert (first[1::2] == LOSS).all()
    assert (second[0::2] == LOSS).all()
    assert (second[1::2] == WIN).all()
    assert (third == DRAW).all()
    assert (fourth == first).all()


@pytest.mark.parametrize("parity", [0, 1])
def test_skipped_plies_do_not_turn_a_result_around(parity: int) -> None:
    game = game_of(BLACK_MATES, 1, records.BLACK_WON, is_sampled=lambda ply: ply % 2 == parity)
    targets = result_targets(game)
    assert (targets.wdl == (LOSS, WIN)[parity]).all()
    assert targets.plies_left.tolist() == [4 - parity, 2 - parity]


def test_a_game_from_a_position_with_black_to_move_counts_from_its_mover() -> None:
    mated_by_black = "6k1/8/8/8/8/5r2/4r3/7K b - - 0 1"
    game = game_of("f3f1", 1, records.BLACK_WON, fen=mated_by_black)
    assert (result_targets(game).wdl == WIN).all()


def test_a_game_that_was_cut_teaches_no_result() -> None:
    targets = result_targets(cut_game())
    assert not targets.wdl.any()
    assert not targets.has_result.any()
    assert (targets.plies_left == records.UNKNOWN_PLIES).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"result": 3}, "result = 3 is none of"),
        ({"outcome": records.TRUNCATED}, "a truncated game has no result, got 1"),
        ({"moves": [0] * 5000, "samples": []}, "a game of 5000 plies"),
        ({"moves": [0] * 3}, "sample at ply 3 after ply 2 in a game of 3 plies"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    changes: dict[str, object], message: str
) -> None:
    game: GameRecord = replace(game_of(WHITE_MATES, 1, records.WHITE_WON), **changes)
    with pytest.raises(ReplayError, match=message):
        check_record(game)


def test_a_policy_of_another_length_is_refused() -> None:
    game = white_mates()
    short = replace(game.samples[2], policy_prob=game.samples[2].policy_prob[:-1])
    with pytest.raises(ReplayError, match=r"ply 2: 29 policy indices and 28 probabilities"):
        check_record(replace(game, samples=[short]))
