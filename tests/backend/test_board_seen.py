"""What a self-play worker tells of a running game's last search."""

import chess
import numpy as np

from backend.events import MoveSeen
from backend.search.result import SearchResult
from backend.selfplay.games import Glimpse
from backend.workers.selfplay import board_seen
from model.rules import from_fen, uci_to_move

SEARCHED = (  # move, policy, visits, q
    ("e2e4", 0.30, 20, 0.25),
    ("d2d4", 0.26, 0, np.nan),
    ("g1f3", 0.20, 9, -0.5),
    ("c2c4", 0.12, 4, 0.0),
    ("b1c3", 0.08, 0, np.nan),
    ("a2a3", 0.04, 1, -0.75),
)


def glimpse(chosen: int) -> Glimpse:
    position = from_fen(chess.STARTING_FEN)
    moves = np.array([uci_to_move(position, uci) for uci, *_ in SEARCHED], np.uint16)
    policy = np.array([row[1] for row in SEARCHED], np.float32)
    wdl = np.array([0.5, 0.3, 0.2], np.float32)
    result = SearchResult(
        moves=moves,
        move_index=np.zeros(len(SEARCHED), np.int16),
        visits=np.array([row[2] for row in SEARCHED], np.int32),
        priors=np.full(len(SEARCHED), 1 / 20, np.float32),
        q=np.array([row[3] for row in SEARCHED], np.float32),
        policy=policy,
        playable=np.ones(len(SEARCHED), np.bool_),
        best=0,
        root_wdl=wdl,
        raw_wdl=wdl,
        is_judged=True,
        simulations=34,
    )
    return Glimpse(number=7, ply=1, before=position, result=result, chosen=chosen)


def test_moves_come_by_the_searchs_policy_and_an_untried_one_has_no_value() -> None:
    event = board_seen("sp0", glimpse(chosen=2))
    assert [move.san for move in event.moves] == ["e4", "d4", "Nf3", "c4", "Nc3"]
    assert event.moves[1] == MoveSeen(san="d4", policy=event.moves[1].policy, visits=0, q=None)
    assert [round(move.policy, 2) for move in event.moves] == [0.3, 0.26, 0.2, 0.12, 0.08]
    assert [move.q for move in event.moves] == [0.25, None, -0.5, 0.0, None]
    assert [move.is_played for move in event.moves] == [False, False, True, False, False]
    assert event.last_move == "g1f3"
    assert event.game == "sp0/7"


def test_the_move_that_was_played_is_shown_however_it_ranks() -> None:
    event = board_seen("sp0", glimpse(chosen=5))
    assert [move.san for move in event.moves] == ["e4", "d4", "Nf3", "c4", "a3"]
    assert [move.san for move in event.moves if move.is_played] == ["a3"]
