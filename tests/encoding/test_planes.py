"""Planes: equal to the earlier program's, mirrored by mirrored boards, refused when misshapen."""

import json
from pathlib import Path
from typing import get_args

import chess
import numpy as np
import pytest
from safetensors import safe_open

from model.config import Orientation
from model.encoding import NUM_PLANES, PLANES, encode_planes
from model.rules import from_fen, start_position
from tests.rules.oracle import perft_suite

GOLDEN = Path(__file__).parents[1] / "golden"
SIDE = PLANES.index("White to move")


def _planes_by_hand(board: chess.Board, orientation: Orientation) -> np.ndarray:
    """float32[19, 8, 8], square by square with python-chess."""
    turned = orientation == "mover" and board.turn == chess.BLACK
    own = chess.BLACK if turned else chess.WHITE
    planes = np.zeros((19, 8, 8), np.float32)
    for square, piece in board.piece_map().items():
        row = chess.square_rank(square) if turned else 7 - chess.square_rank(square)
        plane = piece.piece_type - 1 + (0 if piece.color == own else 6)
        planes[plane, row, chess.square_file(square)] = 1
    planes[12] = board.turn == chess.WHITE
    planes[13] = board.has_kingside_castling_rights(own)
    planes[14] = board.has_queenside_castling_rights(own)
    planes[15] = board.has_kingside_castling_rights(not own)
    planes[16] = board.has_queenside_castling_rights(not own)
    planes[17] = np.float32(min(board.halfmove_clock, 99) / 99)
    planes[18] = np.float32(min(board.fullmove_number, 199) / 199)
    return planes


def _suite_fens() -> list[str]:
    fens = [fen for fen, _ in [*perft_suite("perft_random.epd.gz")][:1_000]]
    fens += [fen for fen, _ in perft_suite("perft_chess960.epd")]
    fens += [f"r3k2r/8/8/8/8/8/8/R3K2R b Kq - {n} {2 * n + 1}" for n in range(0, 130, 7)]
    return fens


def test_planes_are_those_of_the_earlier_program() -> None:
    with safe_open(GOLDEN / "v2_planes.safetensors", "np") as file:
        expected = file.get_tensor("planes")
        fens = json.loads(file.metadata()["fens"])
    assert len(fens) == 32
    got = encode_planes(np.stack([from_fen(fen) for fen in fens]), "white")
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("orientation", get_args(Orientation))
def test_planes_agree_with_python_chess_square_by_square(orientation: Orientation) -> None:
    fens = _suite_fens()
    got = encode_planes(np.stack([from_fen(fen) for fen in fens]), orientation)
    assert got.dtype == np.float32
    for fen, planes in zip(fens, got, strict=True):
        board = chess.Board(fen, chess960=True)
        assert np.array_equal(planes, _planes_by_hand(board, orientation)), fen


def test_mirrored_boards_have_the_same_planes_seen_from_the_mover() -> None:
    boards = [chess.Board(fen, chess960=True) for fen in _suite_fens()]
    planes = encode_planes(np.stack([from_fen(board.fen()) for board in boards]), "mover")
    mirrored = np.stack([from_fen(board.mirror().fen()) for board in boards])
    of_mirrored = encode_planes(mirrored, "mover")
    assert np.array_equal(of_mirrored[:, SIDE], 1 - planes[:, SIDE])
    others = [plane for plane in range(NUM_PLANES) if plane != SIDE]
    assert np.array_equal(of_mirrored[:, others], planes[:, others])


def test_mirrored_boards_have_mirrored_planes_seen_from_white() -> None:
    boards = [chess.Board(fen, chess960=True) for fen in _suite_fens()]
    planes = encode_planes(np.stack([from_fen(board.fen()) for board in boards]), "white")
    mirrored = np.stack([from_fen(board.mirror().fen()) for board in boards])
    of_mirrored = encode_planes(mirrored, "white")
    assert np.array_equal(of_mirrored[:, 0:6], planes[:, 6:12, ::-1])
    assert np.array_equal(of_mirrored[:, 6:12], planes[:, 0:6, ::-1])
    assert np.array_equal(of_mirrored[:, [15, 16, 13, 14]], planes[:, 13:17])


def test_a_given_array_is_filled_from_end_to_end() -> None:
    positions = np.stack([start_position(), from_fen("8/8/4k3/8/8/3K4/8/8 b - - 7 90")])
    out = np.full((2, NUM_PLANES, 8, 8), np.nan, np.float32)
    assert encode_planes(positions, "mover", out) is out
    assert np.array_equal(out, encode_planes(positions, "mover"))


def test_read_only_and_strided_positions_are_encoded() -> None:
    positions = np.stack([start_position()] * 4)
    expected = encode_planes(positions, "mover")
    positions.flags.writeable = False
    assert np.array_equal(encode_planes(positions, "mover"), expected)
    assert np.array_equal(encode_planes(positions[::2], "mover"), expected[::2])
    assert encode_planes(positions[:0], "mover").shape == (0, NUM_PLANES, 8, 8)


@pytest.mark.parametrize(
    "positions",
    [np.zeros(8, np.uint64), np.zeros((2, 7), np.uint64), np.zeros((2, 8), np.int64)],
)
def test_misshapen_positions_are_refused(positions: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint64\[N, 8\]"):
        encode_planes(positions, "mover")


def test_a_misshapen_output_is_refused() -> None:
    positions = start_position()[None]
    for out in (np.zeros((2, 19, 8, 8), np.float32), np.zeros((1, 19, 8, 8), np.float64)):
        with pytest.raises(ValueError, match=r"expected float32\[1, 19, 8, 8\]"):
            encode_planes(positions, "mover", out)
