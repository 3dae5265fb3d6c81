"""Suites of positions, answered by players whose answers are known."""

import gzip
import math
import random
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import chess
import pytest

from backend.errors import ConfigError, ReplayError
from backend.evaluation.epd import EpdFault, Task, read_epd
from backend.evaluation.perfect import tablebase_tasks
from backend.evaluation.players import Forfeit, GreedyPlayer, RandomPlayer
from backend.evaluation.suites import (
    Solved,
    answer_tasks,
    by_band,
    by_theme,
    puzzle_rating,
    share_of,
    solve_puzzles,
)
from backend.replay.puzzles import Puzzle
from tests.selfplay.test_adjudication import TABLES

STS = 'id "STS(v1.0) Undermine.001"; c0 "f5=10, Be5+=2, Bf2=3";'
EPD = f"""# a suite
1k1r4/pp1b1R2/3q2pp/4p3/2B5/4Q3/PPP2B2/2K5 b - - bm Qd1+; id "BK.01";

1kr5/3n4/q3p2p/p2n2p1/PppB1P2/5BP1/1P2Q2P/3R2K1 w - - bm f5; {STS}
6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - am Ra7 Kf1; id "x";
6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - bm Ra9; id "illegal";
6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - id "nothing asked";
8/8/8/8 w - - bm Ra8;
6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - bm Ra8; id "open
8/8/8/4k3/8/8/8/3KB3 w - - bm Bh4; id "bare kings, nearly"
6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - bm Ra8; hmvc 100; id "fifty moves are over"
"""
TASK = next(line for line in EPD.splitlines() if "BK.01" in line)


class Book(RandomPlayer):
    """Plays what it was told, and forfeits where it was told nothing."""

    def __init__(self, moves: dict[str, str]) -> None:
        super().__init__(1)
        self._moves = moves

    def think(
        self, slots: Sequence[int], boards: Sequence[chess.Board]
    ) -> Sequence[chess.Move | Forfeit]:
        return [
            chess.Move.from_uci(self._moves[board.epd()])
            if board.epd() in self._moves
            else Forfeit("no idea")
            for board in boards
        ]


def _tasks(path: Path) -> tuple[list[Task], list[int]]:
    rows = list(read_epd(path))
    return (
        [row for row in rows if isinstance(row, Task)],
        [row.line for row in rows if isinstance(row, EpdFault)],
    )


def test_a_suite_is_read_with_its_points_and_its_faults(tmp_path: Path) -> None:
    path = tmp_path / "a.epd"
    path.write_text(EPD)
    tasks, faults = _tasks(path)
    assert [task.name for task in tasks] == ["BK.01", "STS(v1.0) Undermine.001", "x"]
    assert [task.theme for task in tasks] == ["BK", "STS(v1.0) Undermine", ""]
    assert faults == [6, 7, 8, 9, 10, 11]
    assert {move.uci(): points for move, points in tasks[1].points.items()} == {
        "f4f5": 1.0,
        "d4e5": 0.2,
        "d4f2": 0.3,
    }
    with pytest.raises(ReplayError, match="cannot be read"):
        list(read_epd(tmp_path / "none.epd"))


def test_a_suite_is_read_line_by_line_whatever_is_in_them(tmp_path: Path) -> None:
    task = TASK.encode()
    content = b"\xef\xbb\xbf" + task + b"\r\n" + b"x" * 200_000 + b"\n\xff" + task + b"\n" + task
    path = tmp_path / "a.epd"
    path.write_bytes(content)
    rows = list(read_epd(path))
    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert [type(row) for row in rows] == [Task, EpdFault, EpdFault, Task]
    assert [row.reason for row in rows if isinstance(row, EpdFault)] == [
        "longer than 65536 bytes",
        "not UTF-8",
    ]
    path.write_bytes("﻿".encode("utf-16-le") + EPD.encode("utf-16-le"))
    with pytest.raises(ReplayError, match="UTF-16"):
        list(read_epd(path))


def test_what_stands_before_the_damage_of_a_suite_is_read(tmp_path: Path) -> None:
    task = TASK + "\n"
    path = tmp_path / "a.epd.gz"
    packed = gzip.compress((task * 3_000).encode(), mtime=0)
    path.write_bytes(packed[: len(packed) // 2])
    *rows, last = read_epd(path)
    assert len(rows) > 100
    assert all(isinstance(row, Task) for row in rows)
    assert isinstance(last, EpdFault)
    assert (last.line, "damaged from here on" in last.reason) == (len(rows) + 1, True)
    path.write_bytes(packed[:8])
    with pytest.raises(ReplayError, match="cannot be read"):
        list(read_epd(path))


def test_a_suite_of_any_size_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.epd.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(80):
            file.write((b"# " + b"x" * 60_000 + b"\n") * 17)
    tracemalloc.start()
    assert list(read_epd(path)) == []
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_move_gets_the_points_that_the_suite_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "a.epd"
    path.write_text(EPD)
    tasks, _ = _tasks(path)
    best = Book({tasks[0].board.epd(): "d6d1", tasks[1].board.epd(): "d4f2"})
    assert answer_tasks(best, tasks, slots=2) == [1.0, 0.3, 0.0]
    avoided = Book({tasks[2].board.epd(): "a1a7"})
    other = Book({tasks[2].board.epd(): "a1a8"})
    assert answer_tasks(avoided, tasks[2:], slots=2) == [0.0]
    assert answer_tasks(other, tasks[2:], slots=2) == [1.0]


def _puzzle(fen: str, solution: str, rating: int = 1000) -> Puzzle:
    moves = tuple(chess.Move.from_uci(uci) for uci in solution.split())
    return Puzzle(
        name="p", board=chess.Board(fen), solution=moves, rating=rating, themes=("a", "b")
    )


def test_a_puzzle_is_solved_by_all_its_moves_or_by_another_mate() -> None:
    ladder = "7k/8/8/8/8/8/R7/1R4K1 w - - 0 1"
    two = _puzzle(ladder, "a2a7 h8g8 b1b8")
    after = two.board.copy()
    for move in two.solution[:2]:
        after.push(move)
    right = {two.board.epd(): "a2a7", after.epd(): "b1b8"}
    half = {two.board.epd(): "a2a7", after.epd(): "b1b7"}
    assert [one.is_solved for one in solve_puzzles(Book(right), [two, two], slots=1)] == [True] * 2
    assert not solve_puzzles(Book(half), [two], slots=4)[0].is_solved
    assert not solve_puzzles(Book({}), [two], slots=4)[0].is_solved
    mates = "6k1/5ppp/8/8/8/8/8/RR4K1 w - - 0 1"
    assert solve_puzzles(
        Book({chess.Board(mates).epd(): "b1b8"}), [_puzzle(mates, "a1a8")], slots=1
    )[0].is_solved
    assert solve_puzzles(GreedyPlayer(1), [_puzzle(mates, "a1a8")] * 9, slots=4)[0].is_solved


def test_tables_say_which_moves_keep_the_result(tmp_path: Path) -> None:
    path = tmp_path / "endings.epd"
    lines = (
        "8/8/8/8/8/2k5/8/K2Q4 w - -",  # Won: what leaves the queen to be taken does not keep it.
        "4k3/8/8/8/8/8/4P3/4K3 w - -",
        "4k3/8/8/8/8/8/4PPP1/4KQRR w - -",  # Too many men for the tables here.
    )
    path.write_text("\n".join(lines))
    rows = list(tablebase_tasks(path, TABLES))
    assert [type(row) for row in rows[2:]] == [EpdFault]
    won = rows[0]
    assert isinstance(won, Task)
    assert won.points[chess.Move.from_uci("d1d8")] == 1.0
    assert won.points[chess.Move.from_uci("d1d2")] == 0.0
    assert won.points[chess.Move.from_uci("d1c2")] == 0.0
    board = won.board
    for move, points in won.points.items():
        board.push(move)
        taken = any(
            board.piece_type_at(reply.to_square) == chess.QUEEN for reply in board.legal_moves
        )
        if taken or board.is_stalemate():
            assert points == 0.0
        board.pop()
    with pytest.raises(ConfigError, match=r"no \.rtbw table"):
        list(tablebase_tasks(path, tmp_path))


def test_the_puzzle_rating_is_found_again_and_its_interval_holds() -> None:
    rng = random.Random(5)
    held = 0
    for _ in range(60):
        true = rng.uniform(600, 2000)
        solved = [
            Solved(
                rating=puzzle,
                themes=(),
                is_solved=rng.random() < 1 / (1 + 10 ** ((puzzle - true) / 400)),
            )
            for puzzle in (rng.randint(400, 2400) for _ in range(300))
        ]
        rating, low, high = puzzle_rating(solved)
        assert low < rating < high
        assert high - low < 200
        held += low <= true <= high
    assert held >= 52


def test_all_or_none_solved_give_a_bound() -> None:
    puzzles = [Solved(rating=1000, themes=(), is_solved=True)] * 10
    rating, low, high = puzzle_rating(puzzles)
    assert rating == high == pytest.approx(4000)
    assert low >= 0
    missed = [Solved(rating=1000, themes=(), is_solved=False)] * 10
    rating, low, high = puzzle_rating(missed)
    assert (rating, low) == (pytest.approx(0), pytest.approx(0))
    with pytest.raises(ValueError, match="no puzzles"):
        puzzle_rating([])


def test_shares_are_told_by_band_and_theme_with_wilsons_interval() -> None:
    solved = [
        Solved(rating=rating, themes=themes, is_solved=rating < 1000)
        for rating, themes in [(300, ("a",)), (500, ("a", "b")), (799, ("b",)), (1300, ("a",))]
    ]
    bands = by_band(solved)
    assert {band: (share.of, share.share) for band, share in bands.items()} == {
        0: (1, 1.0),
        400: (2, 1.0),
        1200: (1, 0.0),
    }
    assert list(by_theme(solved)) == ["a", "b"]
    assert by_theme(solved)["a"].share == pytest.approx(2 / 3)
    # 20 of 50, by the formula's own example values.
    share = share_of(20, 50)
    assert (round(share.low, 3), round(share.high, 3)) == (0.276, 0.538)
    assert share_of(0, 0) == (0, 0.0, 0.0, 1.0)
    assert math.isclose(share_of(0, 10).low, 0.0, abs_tol=1e-12)
