"""The labels of the self-supervised tasks by python-chess, one square and one ray at a time.

Written from the definitions in `docs/encoding.md`, without a look at the kernels.
"""

from collections.abc import Iterator

import chess
import numpy as np
from numpy.typing import NDArray

from model.config import Orientation
from model.ssl.tasks import LABELS

VALUES = {
    chess.PAWN: 1,
    chess.KNIGHT: 3,
    chess.BISHOP: 3,
    chess.ROOK: 5,
    chess.QUEEN: 9,
    chess.KING: 100,
}
_STRAIGHT = ((1, 0), (-1, 0), (0, 1), (0, -1))
_DIAGONAL = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_STEPS = {
    chess.BISHOP: _DIAGONAL,
    chess.ROOK: _STRAIGHT,
    chess.QUEEN: _STRAIGHT + _DIAGONAL,
}


def plain_labels(board: chess.Board, orientation: Orientation) -> NDArray[np.uint8]:
    """uint8[L, 64] of one board."""
    turned = orientation == "mover" and board.turn == chess.BLACK
    own = chess.BLACK if turned else chess.WHITE
    found: dict[str, dict[chess.Square, int]] = {name: {} for name in LABELS}
    for square, piece in board.piece_map().items():
        side = "own" if piece.color == own else "other"
        found["piece"][square] = piece.piece_type + (0 if side == "own" else 6)
        found[f"{side} piece is lost"][square] = exchange(board, square) > 0
        found[f"{side} piece forks"][square] = _is_fork(board, square)
    for color in chess.COLORS:
        side = "own" if color == own else "other"
        for square in _pinned_to_king(board, color):
            found[f"{side} piece is pinned to its king"][square] = 1
        for square in _pinned_to_another(board, color):
            found[f"{side} piece is pinned to another"][square] = 1
    for square in chess.SQUARES:
        ours, theirs = (len(board.attackers(color, square)) for color in (own, not own))
        found["control"][square] = 1 if ours > theirs else 2 if theirs > ours else 0
    labels = np.zeros((len(LABELS), 64), np.uint8)
    for row, name in enumerate(LABELS):
        for square, label in found[name].items():
            labels[row, square if turned else square ^ 56] = label
    return labels


def exchange(board: chess.Board, square: chess.Square) -> int:
    """What the other side gains by capturing first on an occupied square; 0 on a king's."""
    piece = board.piece_at(square)
    assert piece is not None
    if piece.piece_type == chess.KING:
        return 0
    return _gain(board, square, not piece.color, VALUES[piece.piece_type], board.occupied)


def _gain(
    board: chess.Board, square: chess.Square, color: chess.Color, prey: int, occupied: int
) -> int:
    """The best of stopping (0) and of capturing `prey` with the least valuable attacker."""
    captors = _captors(board, square, color, occupied)
    if not captors:
        return 0
    captor = min(
        captors,
        key=lambda s: (
            VALUES[board.piece_type_at(s)],
            chess.square_rank(s) if color else 7 - chess.square_rank(s),
            chess.square_file(s),
        ),
    )
    kind = board.piece_type_at(captor)
    left = occupied & ~chess.BB_SQUARES[captor]
    if kind == chess.KING and _captors(board, square, not color, left):
        return 0
    gain, risk = prey, VALUES[kind]
    if kind == chess.PAWN and chess.square_rank(square) in (0, 7):
        gain, risk = prey + VALUES[chess.QUEEN] - VALUES[chess.PAWN], VALUES[chess.QUEEN]
    return max(0, gain - _gain(board, square, not color, risk, left))


def _captors(
    board: chess.Board, square: chess.Square, color: chess.Color, occupied: int
) -> list[chess.Square]:
    attackers = chess.SquareSet(board.attackers_mask(color, square, occupied) & occupied)
    return [s for s in attackers if board.pin_mask(color, s) & chess.BB_SQUARES[square]]


def _pinned_to_king(board: chess.Board, color: chess.Color) -> Iterator[chess.Square]:
    for square in chess.SquareSet(board.occupied_co[color] & ~board.kings):
        if board.is_pinned(color, square):
            yield square


def _pinned_to_another(board: chess.Board, color: chess.Color) -> Iterator[chess.Square]:
    for sniper in chess.SquareSet(board.occupied_co[not color]):
        kind = board.piece_type_at(sniper)
        for step in _STEPS.get(kind, ()):
            pieces = [s for s in _ray(sniper, step) if board.piece_at(s)][:2]
            if len(pieces) < 2 or any(board.color_at(s) != color for s in pieces):
                continue
            shield, behind = (VALUES[board.piece_type_at(s)] for s in pieces)
            if board.piece_type_at(pieces[1]) == chess.KING or behind <= shield:
                continue
            if behind > VALUES[kind] or not board.attackers(color, pieces[1]):
                yield pieces[0]


def _ray(square: chess.Square, step: tuple[int, int]) -> Iterator[chess.Square]:
    rank, file = chess.square_rank(square) + step[0], chess.square_file(square) + step[1]
    while 0 <= rank < 8 and 0 <= file < 8:
        yield chess.square(file, rank)
        rank, file = rank + step[0], file + step[1]


def _is_fork(board: chess.Board, square: chess.Square) -> bool:
    piece = board.piece_at(square)
    assert piece is not None
    struck = 0
    for target in board.attacks(square) & chess.SquareSet(board.occupied_co[not piece.color]):
        is_dearer = VALUES[board.piece_type_at(target)] > VALUES[piece.piece_type]
        struck += is_dearer or not board.attackers(not piece.color, target)
    return struck >= 2
