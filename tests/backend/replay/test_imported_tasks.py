"""Puzzles and tasks of others as lessons: whose move it is, what it is worth, where it is from."""

import gzip
from pathlib import Path

import chess
import numpy as np
import pytest
import zstandard

from backend.errors import ReplayError
from backend.replay import records
from backend.replay.boards import board_from_position, move_code
from backend.replay.candidates import Filters
from backend.replay.imports import ImportTally, import_pgn
from backend.replay.provenance import SourceKind
from backend.replay.shards import Shard, list_shards, read_shard
from model.encoding import index_to_move
from model.rules import Outcome

HEADER = "PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags\n"
LONG = (
    "00008,r6k/pp2r2p/4Rp1Q/3p4/8/1N1P2R1/PqP2bPP/7K b - - 0 24,f2g3 e6e7 b2b1 b3c1 b1c1 h6c1,"
    "1807,75,95,8262,crushing hangingPiece long,https://lichess.org/787zsVup/black#48,\n"
)
MATE = (
    "000hf,r1bqk2r/pp1nbNp1/2p1p2p/8/2BP4/1PN3P1/P3QP1P/3R1RK1 b kq - 0 19,e8f7 e2e6 f7f8 e6f7,"
    "1560,76,91,375,mate mateIn2 middlegame short,https://lichess.org/71ygsFeE/black#38,\n"
)
STS = (
    "1kr5/3n4/q3p2p/p2n2p1/PppB1P2/5BP1/1P2Q2P/3R2K1 w - - bm f5; "
    'id "STS(v1.0) Undermine.001"; {}\n'
)


def _import(folder: Path, kind: SourceKind, text: str | bytes, name: str = "x") -> ImportTally:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "out").mkdir(exist_ok=True)
    return import_pgn([str(path)], folder / "out", "mover", kind=kind)


def _shards(folder: Path) -> list[Shard]:
    return [read_shard(path) for path in list_shards(folder / "out")]


def _policies(shard: Shard) -> list[dict[str, float]]:
    """By SAN, of each position."""
    told = []
    for row, position in enumerate(shard.columns["positions"]):
        board = board_from_position(position)
        own = slice(*shard.columns["policy_offset"][row : row + 2])
        index, prob = shard.columns["policy_index"][own], shard.columns["policy_prob"][own]
        codes = {move_code(move): move for move in board.legal_moves}
        shares = {
            board.san(codes[index_to_move(position, int(i), "mover")]): float(p)
            for i, p in zip(index, prob, strict=True)
            if p
        }
        told.append(shares)
    return told


def test_the_solver_moves_after_the_opponent_has_set_the_puzzle_up(tmp_path: Path) -> None:
    tally = _import(tmp_path, "puzzles", HEADER + LONG)
    assert (tally.games, tally.positions) == (1, 3)
    (shard,) = _shards(tmp_path)
    columns = shard.columns
    assert _policies(shard) == [{"Rxe7": 1.0}, {"Nc1": 1.0}, {"Qxc1": 1.0}]
    assert columns["ply"].tolist() == [1, 3, 5]
    assert (columns["positions"][:, 7] & np.uint64(1)).tolist() == [0, 0, 0]
    assert columns["kind"].tolist() == [records.SOLUTION] * 3
    start = board_from_position(columns["game_start"][0])
    assert start.turn == chess.BLACK
    assert columns["game_opening_plies"].tolist() == [1]
    assert columns["has_result"].tolist() == [0, 0, 0]
    assert np.isnan(columns["root_wdl"]).all()


def test_where_a_solution_comes_from_and_what_it_is_about_are_kept(tmp_path: Path) -> None:
    _import(tmp_path, "puzzles", HEADER + LONG + MATE, "some.csv")
    (shard,) = _shards(tmp_path)
    (source,) = shard.metadata.sources
    assert (source.name, source.kind, len(source.sha256)) == ("some.csv", "puzzles", 64)
    assert shard.columns["game_number"].tolist() == [2, 3]
    assert shard.columns["game_rating"].tolist() == [1807, 1560]
    offset = shard.columns["game_theme_offset"]
    themes = [shard.metadata.themes[theme] for theme in shard.columns["game_themes"]]
    assert themes[: offset[1]] == ["crushing", "hangingPiece", "long"]
    assert themes[offset[1] :] == ["mate", "mateIn2", "middlegame", "short"]
    assert shard.metadata.producer == "puzzles"
    assert list_shards(tmp_path / "out", "train-puzzles-")


def test_a_mate_is_a_win_for_the_solver(tmp_path: Path) -> None:
    _import(tmp_path, "puzzles", HEADER + MATE)
    (shard,) = _shards(tmp_path)
    assert shard.columns["game_outcome"].tolist() == [Outcome.CHECKMATE]
    assert shard.columns["game_result"].tolist() == [records.WHITE_WON]
    assert shard.columns["result_wdl"].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert shard.columns["plies_left"].tolist() == [3, 1]


def test_puzzles_are_taken_once_and_by_rating(tmp_path: Path) -> None:
    tally = _import(tmp_path, "puzzles", HEADER + LONG + LONG.replace("1807", "900") + MATE)
    assert (tally.games, tally.duplicates) == (2, 1)
    weak = import_pgn(
        [str(tmp_path / "x")],
        _fresh(tmp_path),
        "mover",
        kind="puzzles",
        filters=Filters(max_rating=1000),
    )
    assert (weak.games, weak.filtered) == (1, 2)


def _fresh(folder: Path) -> Path:
    fresh = folder / "fresh"
    fresh.mkdir()
    return fresh


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_what_is_packed_is_unpacked(tmp_path: Path, pack: object) -> None:
    assert _import(tmp_path, "puzzles", pack((HEADER + LONG).encode())).games == 1  # type: ignore[operator]


def test_a_file_without_the_columns_is_refused_and_the_column_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="no column Moves"):
        _import(tmp_path, "puzzles", "PuzzleId,FEN,Rating\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_rows_that_are_no_puzzle_are_reported_by_their_line(tmp_path: Path) -> None:
    bad = LONG.replace("f2g3", "f2g4").replace("00008", "bad")
    tally = _import(tmp_path, "puzzles", HEADER + LONG + bad + MATE)
    assert (tally.games, tally.rejected) == (2, 1)
    report = (tmp_path / "out" / "rejects.tsv").read_text().splitlines()
    assert report[1].split("\t")[1] == "3"
    assert "illegal uci" in report[1]


@pytest.mark.parametrize(
    ("operations", "policy"),
    [
        ("", {"f5": 1.0}),
        ('c0 "f5=10, Be5+=2, Bf2=4, Bg4=4"', {"f5": 0.5, "Be5+": 0.1, "Bf2": 0.2, "Bg4": 0.2}),
        ('c7 "f5 Be5+"; c8 "9 1"', {"f5": 0.9, "Be5+": 0.1}),
        ('c8 "3 1"; c9 "f4f5 d4e5"', {"f5": 0.75, "Be5+": 0.25}),
        ('c7 "f5 Be5+"; c8 "9"', {"f5": 1.0}),
        ('c0 "mate in 2"', {"f5": 1.0}),
    ],
)
def test_moves_of_a_task_are_as_likely_as_they_have_points(
    tmp_path: Path, operations: str, policy: dict[str, float]
) -> None:
    tally = _import(tmp_path, "epd", STS.format(operations))
    assert tally.games == 1
    (shard,) = _shards(tmp_path)
    (told,) = _policies(shard)
    assert told == pytest.approx(policy, abs=1e-3)
    assert shard.metadata.themes == ("STS(v1.0) Undermine",)
    assert shard.columns["game_number"].tolist() == [1]
    assert shard.columns["kind"].tolist() == [records.SOLUTION]


def test_castling_is_a_move_of_a_task_too(tmp_path: Path) -> None:
    _import(tmp_path, "epd", "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - bm O-O O-O-O;\n")
    (shard,) = _shards(tmp_path)
    assert _policies(shard) == [pytest.approx({"O-O": 0.5, "O-O-O": 0.5})]


@pytest.mark.parametrize(
    ("operations", "wdl"),
    [
        ("dm 3", [1, 0, 0]),
        ("dm -3", [0, 0, 1]),
        ("ce 30000", [1, 0, 0]),
        ("ce -2000", [0, 0, 1]),
    ],
)
@pytest.mark.parametrize("side", ["w", "b"])
def test_the_worth_of_a_task_is_the_movers(
    tmp_path: Path, operations: str, wdl: list[float], side: str
) -> None:
    move = "Kd2" if side == "w" else "Kd7"
    _import(tmp_path, "epd", f"4k3/8/8/8/8/8/8/R3K3 {side} - - bm {move}; {operations};\n")
    (shard,) = _shards(tmp_path)
    assert shard.columns["root_wdl"].tolist() == [wdl]


def test_what_names_no_move_to_learn_is_reported(tmp_path: Path) -> None:
    text = (
        STS.format("")
        + "8/8/8/8/8/8/8/KRk5 b - - am Kd2;\n"
        + '8/8/8/8/8/8/1R6/K1k5 w - - id "x";\n'
        + "# a remark\n"
        + STS.format("hmvc 3")
    )
    tally = _import(tmp_path, "epd", text)
    assert (tally.games, tally.rejected, tally.duplicates) == (1, 2, 1)
    assert [reject.number for reject in tally.rejects] == [2, 3]
    assert tally.rejects[0].reason.startswith(("only moves to avoid", "no legal"))


def test_a_position_is_on_the_same_side_whatever_suite_it_is_in(tmp_path: Path) -> None:
    for name in ("a.epd", "b.epd"):
        _import(tmp_path, "epd", STS.format("") if name == "a.epd" else STS.format("ce 3"), name)
    assert sum(shard.num_games for shard in _shards(tmp_path)) == 1
