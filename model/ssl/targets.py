"""The answers to the self-supervised tasks, from bitboards: a row of 64 squares for each label.

Rows are in plane row order and seen as the planes are: turned upside down when Black moves in
orientation "mover", where *own* is the mover; never turned in "white", where own is White. Here the
board is turned first, so that own always plays up and one code serves both sides.

- *threat*: the piece is attacked, and lost by static exchange (`model/ssl/see.py`). Never a king.
- *pin*: the piece stands alone between a slider of the other side and a piece of its own behind
  it. Pinned to its king: that piece is the king. Pinned to another: that piece is worth more than
  the pinned one, and it is worth more than the slider or has no defender.
- *fork*: the piece attacks two or more that are worth more than itself or have no defender. A check
  counts as an attack on a piece worth more.
- *control*: which side attacks the square with more pieces. X-rays do not count, pins are ignored,
  and a piece attacks the squares of its own side too: it defends them.

A piece has *no defender* when no other of its side attacks its square, as things stand.

Legend: N positions, L rows of labels, S squares.
"""

import numpy as np
from numpy.typing import NDArray

from model.config import Orientation
from model.rules.attacks import (
    KING_ATTACKS,
    KNIGHT_ATTACKS,
    between,
    bishop_attacks,
    rook_attacks,
)
from model.rules.bitboard import (
    ALL,
    U0,
    byte_swap,
    lowest_square,
    pawn_attacks,
    square_bit,
    without_lowest,
)
from model.rules.kernel import kernel
from model.rules.position import (
    BISHOPS,
    BLACK_TO_MOVE,
    KINGS,
    KNIGHTS,
    PAWNS,
    QUEENS,
    ROOKS,
    STATE,
    WHITE,
    Position,
    occupied_squares,
    stack_position,
)
from model.ssl.see import VALUES, kind_at, wins_exchange
from model.ssl.tasks import LABELS

NUM_LABELS = len(LABELS)

_PIECE, _OWN_LOST, _OTHER_LOST = 0, 1, 2
_OWN_PINNED, _OWN_TIED, _OTHER_PINNED, _OTHER_TIED = 3, 4, 5, 6
_OWN_FORKS, _OTHER_FORKS, _CONTROL = 7, 8, 9


def make_labels(positions: NDArray[np.uint64], orientation: Orientation) -> NDArray[np.uint8]:
    """uint8[N, L, S] of `positions` uint64[N, 8]: classes of `LABELS`, row by row."""
    if positions.ndim != 2 or positions.shape[1] != 8 or positions.dtype != np.uint64:
        raise ValueError(
            f"positions are {positions.dtype}{list(positions.shape)}, expected uint64[N, 8]"
        )
    labels_NLS = np.empty((len(positions), NUM_LABELS, 64), np.uint8)
    fill_labels(np.ascontiguousarray(positions), orientation == "mover", labels_NLS)
    return labels_NLS


@kernel
def fill_labels(
    positions: NDArray[np.uint64], mover_orientation: bool, labels_NLS: NDArray[np.uint8]
) -> None:
    """Fill uint8[N, L, 64] with the labels of uint64[N, 8]."""
    board = stack_position()
    for number in range(len(positions)):
        _turn(positions[number], mover_orientation, board)
        _label(board, labels_NLS[number])


@kernel
def _turn(pos: Position, mover_orientation: bool, board: Position) -> None:
    """The board as the network sees it; its White is own, and its state word is not set."""
    turned = mover_orientation and (pos[STATE] & BLACK_TO_MOVE) != U0
    for kind in range(6):
        board[kind] = byte_swap(pos[kind]) if turned else pos[kind]
    board[WHITE] = byte_swap(occupied_squares(pos) & ~pos[WHITE]) if turned else pos[WHITE]


@kernel
def _label(board: Position, labels_LS: NDArray[np.uint8]) -> None:
    labels_LS[:, :] = np.uint8(0)
    occupied = occupied_squares(board)
    own = board[WHITE]
    other = occupied ^ own
    for kind in range(6):
        _mark(labels_LS[_PIECE], board[kind] & own, kind + 1)
        _mark(labels_LS[_PIECE], board[kind] & other, kind + 7)

    more_own, more_other, own_attacks, other_attacks = _control(board, occupied, own, other)
    _mark(labels_LS[_CONTROL], more_own, 1)
    _mark(labels_LS[_CONTROL], more_other, 2)

    own_pinned, own_tied = _pins(board, occupied, own, other, own_attacks)
    other_pinned, other_tied = _pins(board, occupied, other, own, other_attacks)
    _mark(labels_LS[_OWN_PINNED], own_pinned, 1)
    _mark(labels_LS[_OWN_TIED], own_tied, 1)
    _mark(labels_LS[_OTHER_PINNED], other_pinned, 1)
    _mark(labels_LS[_OTHER_TIED], other_tied, 1)

    pinned = own_pinned | other_pinned
    _mark(labels_LS[_OWN_LOST], _lost(board, own & other_attacks, True, pinned), 1)
    _mark(labels_LS[_OTHER_LOST], _lost(board, other & own_attacks, False, pinned), 1)

    _mark(labels_LS[_OWN_FORKS], _forks(board, occupied, own, False, other, ~other_attacks), 1)
    _mark(labels_LS[_OTHER_FORKS], _forks(board, occupied, other, True, own, ~own_attacks), 1)


@kernel
def _mark(row_S: NDArray[np.uint8], squares: np.uint64, label: int) -> None:
    rows = byte_swap(squares)
    while rows != U0:
        row_S[lowest_square(rows)] = np.uint8(label)
        rows = without_lowest(rows)


@kernel
def _attacks(kind: int, square: np.uint64, occupied: np.uint64, plays_down: bool) -> np.uint64:
    """Squares that one piece attacks, those of its own side included."""
    if kind == PAWNS:
        return pawn_attacks(square_bit(square), plays_down)
    if kind == KNIGHTS:
        return np.uint64(KNIGHT_ATTACKS[square])
    if kind == BISHOPS:
        return bishop_attacks(square, occupied)
    if kind == ROOKS:
        return rook_attacks(square, occupied)
    if kind == QUEENS:
        return bishop_attacks(square, occupied) | rook_attacks(square, occupied)
    return np.uint64(KING_ATTACKS[square])


@kernel
def _control(
    board: Position, occupied: np.uint64, own: np.uint64, other: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Squares with more own attackers, with more of the other side, and all attacked by each.

    The number of attackers of each square stands in five words, one for each binary digit: a set of
    attacked squares is added to all 64 numbers at once.
    """
    a0, a1, a2, a3, a4, own_attacks = _count(board, occupied, own, False)
    b0, b1, b2, b3, b4, other_attacks = _count(board, occupied, other, True)
    more_own, more_other, equal = U0, U0, ALL
    for a, b in ((a4, b4), (a3, b3), (a2, b2), (a1, b1), (a0, b0)):
        more_own |= equal & a & ~b
        more_other |= equal & b & ~a
        equal &= ~(a ^ b)
    return more_own, more_other, own_attacks, other_attacks


@kernel
def _count(
    board: Position, occupied: np.uint64, side: np.uint64, plays_down: bool
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64]:
    """Binary digits of the number of attackers of each square, lowest first; all attacked ones."""
    d0, d1, d2, d3, d4, attacked = U0, U0, U0, U0, U0, U0
    for kind in range(6):
        pieces = board[kind] & side
        while pieces != U0:
            carry = _attacks(kind, lowest_square(pieces), occupied, plays_down)
            pieces = without_lowest(pieces)
            attacked |= carry
            d0, carry = d0 ^ carry, d0 & carry
            d1, carry = d1 ^ carry, d1 & carry
            d2, carry = d2 ^ carry, d2 & carry
            d3, carry = d3 ^ carry, d3 & carry
            d4 ^= carry
    return d0, d1, d2, d3, d4, attacked


@kernel
def _pins(
    board: Position, occupied: np.uint64, side: np.uint64, snipers: np.uint64, defended: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """Pieces of `side` pinned to its king, and those pinned to another piece."""
    to_king, to_other = U0, U0
    for kind in range(BISHOPS, KINGS):
        pieces = board[kind] & snipers
        while pieces != U0:
            sniper = lowest_square(pieces)
            pieces = without_lowest(pieces)
            reached = _attacks(kind, sniper, occupied, False)
            through = _attacks(kind, sniper, occupied ^ (reached & side), False)
            behind = through & ~reached & side
            while behind != U0:
                square = lowest_square(behind)
                target = square_bit(square)
                behind = without_lowest(behind)
                shield = between(sniper, square) & occupied
                value = VALUES[kind_at(board, target)]
                if target & board[KINGS] != U0:
                    to_king |= shield
                elif value > VALUES[kind_at(board, shield)] and (
                    value > VALUES[kind] or target & defended == U0
                ):
                    to_other |= shield
    return to_king, to_other


@kernel
def _lost(board: Position, attacked: np.uint64, by_black: bool, pinned: np.uint64) -> np.uint64:
    """Those of the attacked pieces that static exchange loses."""
    lost = U0
    waiting = attacked & ~board[KINGS]
    while waiting != U0:
        square = lowest_square(waiting)
        waiting = without_lowest(waiting)
        if wins_exchange(board, square, by_black, 1, pinned):
            lost |= square_bit(square)
    return lost


@kernel
def _forks(
    board: Position,
    occupied: np.uint64,
    side: np.uint64,
    plays_down: bool,
    prey: np.uint64,
    undefended: np.uint64,
) -> np.uint64:
    """Pieces of `side` that attack two or more of `prey` worth more than themselves or loose."""
    forking = U0
    for kind in range(6):
        worth = undefended
        for dearer in range(6):
            if VALUES[dearer] > VALUES[kind]:
                worth |= board[dearer]
        pieces = board[kind] & side
        while pieces != U0:
            square = lowest_square(pieces)
            pieces = without_lowest(pieces)
            struck = _attacks(kind, square, occupied, plays_down) & prey & worth
            if without_lowest(struck) != U0:
                forking |= square_bit(square)
    return forking
