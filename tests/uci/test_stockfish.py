"""Twenty games against Stockfish, which is no part of Matrix0: legal moves to the end."""

import shutil
from pathlib import Path

import chess
import chess.engine
import pytest

from backend.evaluation.openings import random_openings
from tests.uci.conftest import COMMAND, LIMIT_S

STOCKFISH = shutil.which("stockfish") or shutil.which("stockfish", path="/usr/games")
GAMES = 20
MAX_PLIES = 160


@pytest.mark.slow
@pytest.mark.skipif(
    STOCKFISH is None, reason="stockfish is not installed (Debian: apt-get install stockfish)"
)
def test_twenty_games_against_stockfish_are_legal_and_end_by_the_rules(network: Path) -> None:
    assert STOCKFISH is not None
    results = []
    with (
        chess.engine.SimpleEngine.popen_uci(
            [*COMMAND, "--network", str(network)], timeout=LIMIT_S
        ) as ours,
        chess.engine.SimpleEngine.popen_uci(STOCKFISH, timeout=LIMIT_S) as theirs,
    ):
        ours.ping()
        theirs.configure({"Skill Level": 0})
        for number, opening in enumerate(random_openings(GAMES // 2, 4, seed=1) * 2):
            board = opening.copy()
            ours_is_white = number < GAMES // 2
            while board.outcome(claim_draw=True) is None and board.ply() < MAX_PLIES:
                is_ours = (board.turn == chess.WHITE) == ours_is_white
                engine = ours if is_ours else theirs
                played = engine.play(
                    board, chess.engine.Limit(nodes=24 if is_ours else 50), game=number
                )
                assert played.move is not None
                assert board.is_legal(played.move), board.fen()
                board.push(played.move)
            results.append(board.result(claim_draw=True))
            if board.is_checkmate():
                assert results[-1] == ("0-1" if board.turn == chess.WHITE else "1-0")
        ours.quit()
        theirs.quit()
    assert len(results) == GAMES
    assert set(results) <= {"1-0", "0-1", "1/2-1/2", "*"}
    assert results.count("*") < GAMES // 2
