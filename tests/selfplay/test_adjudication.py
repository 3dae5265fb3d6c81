"""Endgame tables end games with the right result, and the referee believes nobody but them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import chess
import pytest

from backend.config import SelfPlayConfig
from backend.errors import ConfigError, ReplayError
from backend.replay.admission import admit
from backend.replay.records import BLACK_WON, DRAW, TABLEBASE, WHITE_WON, result_targets
from backend.replay.tablebase import Tablebase, open_tables
from tests.backend.replay.games import game_of, write
from tests.selfplay.setups import check_by_replay, play, self_play

TABLES = Path(__file__).parents[1] / "data" / "syzygy"
PAWN_TO_QUEEN = "8/4P3/8/8/8/2k5/8/4K3 w - - 0 1"


@pytest.fixture
def tables() -> Iterator[Tablebase]:
    opened = Tablebase(TABLES, 5)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("fen", "result"),
    [
        ("4k3/8/8/8/8/8/8/4KQ2 w - - 0 1", WHITE_WON),
        ("4k3/8/8/8/8/8/8/4KQ2 b - - 0 1", WHITE_WON),
        ("4kq2/8/8/8/8/8/8/4K3 w - - 0 1", BLACK_WON),
        ("4kq2/8/8/8/8/8/8/4K3 b - - 0 1", BLACK_WON),
        ("8/8/8/8/8/8/1k6/R3K3 b - - 0 1", DRAW),  # the rook is lost
        ("4k3/8/4K3/4P3/8/8/8/8 w - - 0 1", WHITE_WON),
        ("4k3/8/8/4K3/4P3/8/8/8 b - - 0 1", DRAW),
    ],
)
def test_the_result_is_that_of_perfect_play(tables: Tablebase, fen: str, result: int) -> None:
    assert tables.result(chess.Board(fen)) == result
    assert tables.result(chess.Board(fen, chess960=True)) == result


@pytest.mark.parametrize(
    ("fen", "why"),
    [
        ("4k3/8/8/8/8/8/8/4KQ2 w - - 1 1", "the clock runs: the tables do not know how far"),
        ("4k3/8/8/8/8/8/8/4K2R w K - 0 1", "White may castle"),
        ("4k3/8/8/8/8/8/8/4KNN1 w - - 0 1", "there is no such table here"),
        (chess.STARTING_FEN, "too many men"),
    ],
)
def test_tables_keep_silent_where_they_cannot_know(tables: Tablebase, fen: str, why: str) -> None:
    assert tables.result(chess.Board(fen)) is None, why


def test_the_number_of_men_is_a_limit() -> None:
    few = Tablebase(TABLES, 2)
    assert few.result(chess.Board("4k3/8/8/8/8/8/8/4KQ2 w - - 0 1")) is None
    few.close()


@pytest.mark.parametrize("wdl", [1, -1])
def test_a_win_that_fifty_moves_would_spoil_is_a_draw(
    tables: Tablebase, wdl: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables._tables, "get_wdl", lambda board: wdl)
    assert tables.result(chess.Board("4k3/8/8/8/8/8/8/4KQ2 w - - 0 1")) == DRAW


@pytest.mark.parametrize("winner", [WHITE_WON, BLACK_WON])
def test_a_game_ends_as_soon_as_the_tables_know_its_result(
    tmp_path: Path, tables: Tablebase, winner: int
) -> None:
    board = chess.Board(PAWN_TO_QUEEN)
    book = tmp_path / "book.epd"
    book.write_text((board if winner == WHITE_WON else board.mirror()).fen())
    run = self_play(
        games=4, simulations=30, book_frac=1.0, book_path=str(book), syzygy_path=str(TABLES)
    )
    records = play(run, 12)
    adjudicated = [record for record in records if record.outcome == TABLEBASE]
    assert len(adjudicated) > 6
    assert winner in {record.result for record in adjudicated}
    for record in adjudicated:
        final = check_by_replay(record)
        assert final.halfmove_clock == 0
        assert record.result == tables.result(final)
        wdl = result_targets(record).wdl[-1].tolist()  # of the side that made the last move
        by_white = 1 if final.turn == chess.BLACK else -1
        assert wdl == [[0, 1, 0], [1, 0, 0], [0, 0, 1]][record.result * by_white]
    admitted = admit(write(tmp_path, records), tables)
    assert [game.result for game in admitted.games] == [record.result for record in records]
    assert '[Termination "tablebase"]' in admitted.pgn


def test_the_referee_probes_for_itself(tmp_path: Path, tables: Tablebase) -> None:
    queened = game_of("e7e8q", TABLEBASE, WHITE_WON, fen=PAWN_TO_QUEEN)
    assert admit(write(tmp_path, [queened]), tables).white_wins == 1
    with pytest.raises(ReplayError, match="but no syzygy_path is configured"):
        admit(write(tmp_path, [queened]))
    with pytest.raises(ReplayError, match="stored result 0-1"):
        admit(write(tmp_path, [replace(queened, result=BLACK_WON)]), tables)
    moved_on = game_of("e7e8q c3c4", TABLEBASE, WHITE_WON, fen=PAWN_TO_QUEEN)
    with pytest.raises(ReplayError, match="game 0, ply 2: the endgame tables say nothing of"):
        admit(write(tmp_path, [moved_on]), tables)
    opening = game_of("e2e4", TABLEBASE, WHITE_WON)
    with pytest.raises(ReplayError, match="game 0, ply 1: the endgame tables say nothing of"):
        admit(write(tmp_path, [opening]), tables)


def test_a_mate_on_the_board_is_a_mate_and_not_an_adjudication(
    tmp_path: Path, tables: Tablebase
) -> None:
    mate = game_of("f7g7", TABLEBASE, WHITE_WON, fen="7k/5Q2/6K1/8/8/8/8/8 w - - 0 1")
    with pytest.raises(ReplayError, match="stored as tablebase, the board says checkmate"):
        admit(write(tmp_path, [mate]), tables)


def test_a_directory_without_tables_is_refused(tmp_path: Path) -> None:
    assert open_tables(SelfPlayConfig()) is None
    with pytest.raises(ConfigError, match=r"there is no \.rtbw table in it"):
        open_tables(SelfPlayConfig(syzygy_path=str(tmp_path)))
    with pytest.raises(ConfigError, match=r"syzygy_path = .*: No such file or directory"):
        open_tables(SelfPlayConfig(syzygy_path=str(tmp_path / "none")))
