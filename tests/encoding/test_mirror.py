"""The mirror against python-chess: the same game, seen with file a on the right."""

import chess
import numpy as np
import pytest

from model.config import Orientation
from model.encoding import policy_indices
from model.encoding.mirror import MIRRORED_MOVE, can_be_mirrored, mirror_positions
from model.rules import from_fen, legal_moves, to_fen
from tests.positions import random_positions

SPECIAL = (
    "8/8/8/pP6/8/8/8/k1K5 w - a6 0 2",
    "8/8/8/6Pp/8/8/8/k1K5 w - h6 0 2",
    "k1K5/8/8/8/3pP3/8/8/8 b - e3 0 1",
    "1n1n3k/2P5/8/8/8/8/2p5/K2N1N2 w - - 0 1",
    "1n1n3k/2P5/8/8/8/8/2p5/K2N1N2 b - - 0 1",
    "k7/8/3N4/8/1N2q3/8/8/K6R b - - 13 77",
)


def boards() -> list[chess.Board]:
    """Positions without castling rights, en passant and promotions among them."""
    found = [chess.Board(fen) for fen in SPECIAL]
    for position in random_positions(400, seed=11):
        board = chess.Board(to_fen(position))
        board.castling_rights = chess.BB_EMPTY
        found.append(board)
    return found


def mirrored(board: chess.Board) -> chess.Board:
    """By python-chess: pieces and en-passant square on the other files."""
    other = board.transform(chess.flip_horizontal)
    other.turn = board.turn
    other.fullmove_number = board.fullmove_number
    if board.ep_square is not None:
        other.ep_square = board.ep_square ^ 7
    return other


def indices_of(board: chess.Board, orientation: Orientation) -> dict[str, int]:
    """UCI text -> policy index of all legal moves."""
    position, moves = from_fen(board.fen()), np.zeros(256, np.uint16)
    count = legal_moves(position, moves)
    index = np.zeros(256, np.int16)
    policy_indices(position, moves, count, orientation == "mover", index)
    assert count == board.legal_moves.count()
    return {
        chess.Move(
            int(m) & 63, int(m) >> 6 & 63, (int(m) >> 12) + 1 if int(m) >> 12 else None
        ).uci(): int(i)
        for m, i in zip(moves[:count], index[:count], strict=True)
    }


def mirrored_uci(uci: str) -> str:
    return (
        uci.translate(str.maketrans("abcdefgh", "hgfedcba", ""))
        if len(uci) == 4
        else (uci[:4].translate(str.maketrans("abcdefgh", "hgfedcba")) + uci[4:])
    )


def test_a_mirrored_position_is_the_one_of_python_chess() -> None:
    all_boards = boards()
    positions = np.stack([from_fen(board.fen()) for board in all_boards])
    found = mirror_positions(positions)
    for board, position in zip(all_boards, found, strict=True):
        expected = mirrored(board)
        assert to_fen(position) == to_fen(from_fen(expected.fen())), board.fen()
    assert (mirror_positions(found) == positions).all()


@pytest.mark.parametrize("orientation", ["mover", "white"])
def test_legal_moves_of_the_mirrored_position_are_the_mirrored_moves(
    orientation: Orientation,
) -> None:
    for board in boards():
        moves = indices_of(board, orientation)
        seen = indices_of(mirrored(board), orientation)
        assert {mirrored_uci(uci): int(MIRRORED_MOVE[i]) for uci, i in moves.items()} == seen


def test_the_table_of_moves_is_its_own_inverse() -> None:
    assert (MIRRORED_MOVE[MIRRORED_MOVE] == np.arange(4672)).all()


def test_a_position_with_any_castling_right_cannot_be_mirrored() -> None:
    rights = ("KQkq", "K", "Q", "k", "q", "-")
    fens = [f"r3k2r/8/8/8/8/8/8/R3K2R w {right} - 0 1" for right in rights]
    positions = np.stack([from_fen(fen) for fen in fens])
    assert can_be_mirrored(positions).tolist() == [False] * 5 + [True]
