"""Knowledge planes against python-chess, and in training, play and the masked-piece task."""

from dataclasses import replace
from typing import get_args

import chess
import numpy as np
import pytest
import torch

from model.config import Orientation
from model.encoding import KNOWLEDGE_PLANES, NUM_PLANES, encode_planes, num_planes
from model.net import ChessNet
from model.rules import from_fen, with_repetitions
from model.ssl.masking import blank
from tests.backend.inference.networks import CONV, CPU, lived_in
from tests.encoding.test_planes import _suite_fens
from tests.positions import legal_index, random_positions

VALUES = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}


def knowledge_by_hand(board: chess.Board, orientation: Orientation, earlier: int) -> np.ndarray:
    """float32[7, 8, 8], square by square with python-chess."""
    turned = orientation == "mover" and board.turn == chess.BLACK
    own = chess.BLACK if turned else chess.WHITE
    planes = np.zeros((len(KNOWLEDGE_PLANES), 8, 8), np.float32)
    for square in chess.SQUARES:
        row = chess.square_rank(square) if turned else 7 - chess.square_rank(square)
        at = row, chess.square_file(square)
        for plane, colour in enumerate((own, not own)):
            planes[plane][at] = min(len(board.attackers(colour, square)), 4) / 4
        planes[2][at] = square in board.checkers()
        planes[5][at] = square == board.ep_square and board.has_legal_en_passant()
    for plane, colour in ((3, own), (4, not own)):
        pieces = [piece for piece in board.piece_map().values() if piece.color == colour]
        total = sum(VALUES.get(piece.piece_type, 0) for piece in pieces)
        planes[plane] = np.float32(min(total, 39) / 39)
    planes[6] = earlier / 2
    return planes


@pytest.mark.parametrize("orientation", get_args(Orientation))
def test_knowledge_agrees_with_python_chess_square_by_square(orientation: Orientation) -> None:
    fens = _suite_fens()[::3]
    fens += ["8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1", "8/8/8/8/k2Pp3/8/8/3K4 b - d3 0 1"]
    positions = np.stack(
        [with_repetitions(from_fen(fen), number % 3) for number, fen in enumerate(fens)]
    )
    got = encode_planes(positions, orientation, knowledge=True)
    assert got.shape == (len(fens), 26, 8, 8)
    assert np.array_equal(got[:, :NUM_PLANES], encode_planes(positions, orientation))
    for number, (fen, planes) in enumerate(zip(fens, got[:, NUM_PLANES:], strict=True)):
        board = chess.Board(fen, chess960=True)
        expected = knowledge_by_hand(board, orientation, number % 3)
        assert np.array_equal(planes, expected), fen


def test_a_masked_board_shows_no_knowledge() -> None:
    planes = torch.from_numpy(encode_planes(random_positions(4, seed=1), "mover", knowledge=True))
    masked = torch.zeros(4, 64, dtype=torch.bool)
    masked[:, 5] = True
    assert planes[:, NUM_PLANES:].abs().sum() > 0
    assert blank(planes, masked)[:, NUM_PLANES:].abs().sum() == 0


def test_a_network_with_knowledge_plays_in_every_library() -> None:
    from backend.config import InferenceConfig
    from backend.inference.candidates import Workshop, list_candidates
    from backend.inference.front import Inference

    net = lived_in(replace(CONV, knowledge_planes=True))
    positions = random_positions(48, seed=9)
    query = positions[:16], *legal_index(positions[:16], "mover")
    planes = torch.from_numpy(encode_planes(positions[:16], "mover", knowledge=True))
    with torch.inference_mode():
        wanted = net(planes).wdl_logits_B3.softmax(dim=1).numpy()
    workshop = Workshop(net, CPU, batch=16, calibration=positions[16:])
    for candidate in list_candidates(CPU, InferenceConfig()):
        _, wdl = Inference(net, CPU, workshop.make(candidate))(*query)
        tolerance = 1e-5 if candidate.precision == "float32" else 0.1
        np.testing.assert_allclose(wdl, wanted, atol=tolerance, err_msg=str(candidate))


def test_knowledge_can_be_left_out() -> None:
    assert num_planes(knowledge=False) == 19
    assert ChessNet(CONV).stem[0].in_channels == 19
    assert ChessNet(replace(CONV, knowledge_planes=True)).stem[0].in_channels == 26
