"""Openings of matches: random plies, and books of every kind."""

import gzip
from pathlib import Path

import chess
import chess.polyglot
import pytest

from backend.errors import ConfigError
from backend.evaluation.match import play_match, to_pgn
from backend.evaluation.openings import book_openings, random_openings
from backend.evaluation.players import RandomPlayer
from backend.evaluation.referee import verdict

PGN = """[White "a"]
[Result "*"]

1. e4 e5 2. Nf3 Nc6 3. Bc4 Bc5 4. O-O *

[White "b"]
[Result "*"]

1. d4 d5 *

[White "c, the same"]
[Result "*"]

1. d4 d5 *

[White "over"]
[Result "0-1"]

1. f3 e5 2. g4 Qh4# 0-1
"""


def test_random_openings_are_different_repeatable_and_unfinished() -> None:
    openings = random_openings(300, 4, seed=5)
    for board in openings:
        assert len(board.move_stack) == 4
        assert verdict(board) is None
        again = board.root()
        for move in board.move_stack:
            assert again.is_legal(move)
            again.push(move)
    assert len({board.epd() for board in openings}) == 300
    moves = [board.move_stack for board in openings]
    assert [board.move_stack for board in random_openings(300, 4, seed=5)] == moves
    assert [board.move_stack for board in random_openings(300, 4, seed=6)] != moves
    with pytest.raises(ValueError, match="21 different openings of 1 plies"):
        random_openings(21, 1, seed=1)
    assert len(random_openings(20, 1, seed=1)) == 20


def test_no_line_of_a_book_comes_twice_before_the_book_is_exhausted(tmp_path: Path) -> None:
    book = tmp_path / "book.pgn.gz"
    book.write_bytes(gzip.compress(PGN.encode()))
    openings = book_openings(book, 6, 8, seed=1)
    ends = [board.epd() for board in openings]
    assert len(set(ends)) == 3, "two lines, a mate whose end is cut off, and one line twice"
    assert set(ends[:3]) == set(ends[3:]) == set(ends)
    castled = max(openings, key=lambda board: len(board.move_stack))
    assert castled.move_stack[-1] == chess.Move.from_uci("e1g1")
    assert castled.king(chess.WHITE) == chess.G1
    assert {len(board.move_stack) for board in book_openings(book, 3, 2, seed=1)} == {2}


def test_positions_of_a_book_are_played_and_written_down_with_their_start(tmp_path: Path) -> None:
    book = tmp_path / "endings.epd"
    book.write_text("4k3/8/8/8/8/8/4P3/4K3 w - - hmvc 3;\n8/8/8/8/8/4k3/4p3/4K3 w - -\n")
    with pytest.raises(ConfigError, match="line 2"):
        book_openings(tmp_path / "endings.epd", 1, 8, seed=1)
    book.write_text("4k3/8/8/8/8/8/4P3/4K3 w - - 3 9\n")
    openings = book_openings(book, 1, 8, seed=1)
    games = play_match(RandomPlayer(1), RandomPlayer(2), openings, max_plies=12, slots=2)
    assert games is not None
    text = to_pgn(games, "a", "b", "a test")
    assert text.count('[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 3 9"]') == 2
    assert text.count('[SetUp "1"]') == 2


def test_a_polyglot_book_gives_each_of_its_lines(tmp_path: Path) -> None:
    book = tmp_path / "book.bin"
    board = chess.Board()
    entries = [(board, "e2e4", 3), (board, "d2d4", 1), (board, "a2a3", 0)]
    after = board.copy()
    after.push_uci("e2e4")
    entries.append((after, "e7e5", 1))
    rows = sorted(
        chess.polyglot.zobrist_hash(at).to_bytes(8)
        + _polyglot_move(uci).to_bytes(2)
        + weight.to_bytes(2)
        + bytes(4)
        for at, uci, weight in entries
    )
    book.write_bytes(b"".join(rows))
    lines = {" ".join(m.uci() for m in b.move_stack) for b in book_openings(book, 2, 4, seed=3)}
    assert lines == {"e2e4 e7e5", "d2d4"}


def _polyglot_move(uci: str) -> int:
    move = chess.Move.from_uci(uci)
    return move.from_square << 6 | move.to_square


@pytest.mark.parametrize("name", ["none.epd", "none.bin", "none.pgn"])
def test_a_book_that_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="book"):
        book_openings(tmp_path / name, 1, 8, seed=1)
