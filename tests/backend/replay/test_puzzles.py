"""Puzzle files: rows are read whole or reported, whatever a stranger wrote."""

import gzip
import tracemalloc
from pathlib import Path

import chess
import pytest
import zstandard

from backend.errors import ReplayError
from backend.replay.puzzles import Puzzle, PuzzleFault, read_puzzles
from backend.replay.source import MAX_READ

HEADER = "PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags\n"
GOOD = (
    "00o7c,2r3k1/p4ppp/1pb1pq2/1P6/2Q1PP2/6P1/P5BP/2R3K1 b - - 0 24,"
    "c6b7 c4c8 b7c8 c1c8 f6d8 c8d8,446,102,86,952,backRankMate mateIn3,https://lichess.org/x,\n"
)
FEN = "2r3k1/p4ppp/1pb1pq2/1P6/2Q1PP2/6P1/P5BP/2R3K1 b - - 0 24"


def _read(path: Path, content: bytes) -> tuple[list[Puzzle], list[PuzzleFault]]:
    path.write_bytes(content)
    rows = list(read_puzzles(path))
    return (
        [row for row in rows if isinstance(row, Puzzle)],
        [row for row in rows if isinstance(row, PuzzleFault)],
    )


def test_the_opponents_move_is_made_and_the_solver_has_the_first_and_the_last(
    tmp_path: Path,
) -> None:
    (puzzle,), faults = _read(tmp_path / "a.csv", (HEADER + GOOD).encode())
    assert not faults
    assert puzzle.board.fen() == "2r3k1/pb3ppp/1p2pq2/1P6/2Q1PP2/6P1/P5BP/2R3K1 w - - 1 25"
    assert [move.uci() for move in puzzle.solution] == ["c4c8", "b7c8", "c1c8", "f6d8", "c8d8"]
    board = puzzle.board.copy()
    for move in puzzle.solution:
        assert board.is_legal(move)
        board.push(move)
    assert board.is_checkmate()
    assert (puzzle.name, puzzle.rating, puzzle.themes) == (
        "00o7c",
        446,
        ("backRankMate", "mateIn3"),
    )


@pytest.mark.parametrize(
    "row",
    [
        f"a,{FEN},c6b7,446,1,1,1,x,,",
        f"a,{FEN},c6b7 c4c8 b7c8,446,1,1,1,x,,",
        f"a,{FEN},c6b7 c4c9,446,1,1,1,x,,",
        f"a,{FEN},c6b7 a1a8,446,1,1,1,x,,",
        f"a,{FEN},,446,1,1,1,x,,",
        f"a,{FEN},c6b7 c4c8,NaN,1,1,1,x,,",
        f"a,{FEN},c6b7 c4c8,-3,1,1,1,x,,",
        f"a,{FEN},c6b7 c4c8,²,1,1,1,x,,",
        f"a,{FEN},c6b7 c4c8,99999,1,1,1,x,,",
        f",{FEN},c6b7 c4c8,446,1,1,1,x,,",
        "a,8/8/8/8 w - - 0 1,c6b7 c4c8,446,1,1,1,x,,",
        "a,8/8/8/8/8/8/8/8 w - - 0 1,c6b7 c4c8,446,1,1,1,x,,",
        f"a,{FEN},c6b7 c4c8,446",
        f"a,{FEN},c6b7 c4c8,446,1,1,1,x,,,,",
        f'a,{FEN},c6b7 c4c8,446,1,1,1,"x,,',
        f"a,{FEN},c6b7 c4c8,446,1,1,1,\0,,",
        ",,,,,,,,,",
        "a,4k3/8/8/8/8/8/4R3/4K3 b - - 99 90,e8d8 e2e8,446,1,1,1,x,,",
        "x" * (3 * MAX_READ),
    ],
)
def test_a_row_that_is_no_puzzle_is_reported_with_its_line(tmp_path: Path, row: str) -> None:
    puzzles, faults = _read(tmp_path / "a.csv", (HEADER + GOOD + row + "\n\n" + GOOD).encode())
    assert len(puzzles) == 2
    assert [fault.line for fault in faults] == [3]
    assert 0 < len(faults[0].reason) <= 200


def test_columns_go_by_their_names_in_any_order_with_a_mark_and_windows_line_ends(
    tmp_path: Path,
) -> None:
    text = f"\ufeffRating,Moves,PuzzleId,FEN\r\n446,c6b7 c4c8,a,{FEN}\r\n"
    (puzzle,), faults = _read(tmp_path / "a.csv", text.encode())
    assert not faults
    assert (puzzle.name, puzzle.rating, puzzle.themes) == ("a", 446, ())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column"),
        (GOOD.encode(), "no column PuzzleId, FEN, Moves, Rating"),
        (b"PuzzleId,FEN,Rating\n", "no column Moves"),
        (HEADER.replace(",", ";").encode(), "no column"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"\xff\xfa\n", "no header"),
        (b"\x1f\x8bnot gzip", "damaged"),
        (b"\x28\xb5\x2f\xfdnot zstd", "damaged"),
        (b"PuzzleId,FEN,Moves,Rating,FEN\n", "twice"),
    ],
)
def test_what_is_no_puzzle_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ReplayError, match=reason):
        _read(tmp_path / "a.csv", content)
    with pytest.raises(ReplayError, match="cannot be read"):
        list(read_puzzles(tmp_path / "absent.csv"))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_file_that_was_cut_says_so_at_its_end(
    tmp_path: Path, compress: "type[bytes]"
) -> None:
    text = HEADER + "".join(GOOD.replace("00o7c", f"{n:x}") for n in range(2000))
    whole = compress(text.encode())
    puzzles, faults = _read(tmp_path / "a.csv", whole)
    assert (len(puzzles), faults) == (2000, [])
    # What is cut away may be no more than the end mark: gzip gives out all rows before it notices.
    _, faults = _read(tmp_path / "a.csv", whole[:-6])
    assert "damaged" in faults[-1].reason


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    bomb = zstandard.compress(HEADER.encode() + b"x" * 100_000_000 + b"\n" + GOOD.encode())
    tracemalloc.start()
    try:
        puzzles, faults = _read(tmp_path / "a.csv.zst", bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(puzzles), [fault.line for fault in faults]) == (1, [2])
    assert peak < 16 << 20


def test_puzzles_of_chess960_are_not_misread(tmp_path: Path) -> None:
    assert chess.Board(FEN).is_valid()
    row = "a,r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1,e8g8 e1c1,900,1,1,1,x,,\n"
    (puzzle,), _ = _read(tmp_path / "a.csv", (HEADER + row).encode())
    assert puzzle.solution == (chess.Move.from_uci("e1c1"),)
    assert puzzle.board.king(chess.BLACK) == chess.G8
