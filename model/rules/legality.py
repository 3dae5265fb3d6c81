"""Checks, pins and danger: the masks that make generated moves legal.

No move is tried and taken back. Three masks, found once, decide everything:

    danger      squares the king may not enter, seen through the king itself
    targets     where others may go: anywhere; in check, the checker and the way from it
    pin lines   a pinned piece stays on the line of its pin. Two sets suffice, one for lines along
                ranks and files and one for diagonals: a rook pinned along a file moves along ranks
                only to squares that no other line through the king contains.

En passant is the exception: it takes two pawns off one rank at once, so the king is looked at on
the board after the capture.
"""

import numpy as np

from model.rules.attacks import (
    KING_ATTACKS,
    KNIGHT_ATTACKS,
    between,
    bishop_attacks,
    bishops_attack,
    knights_attack,
    rook_attacks,
    rooks_attack,
)
from model.rules.bitboard import (
    ALL,
    NOT_FILE_A,
    NOT_FILE_H,
    RANK_3,
    RANK_6,
    U0,
    U1,
    U2,
    U3,
    U5,
    U6,
    U7,
    U8,
    U9,
    U56,
    lowest_square,
    pawn_attacks,
    popcount,
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
    rook_file,
)


@kernel
def in_check(pos: Position) -> bool:
    """Whether the side to move is in check."""
    return bool(num_checkers(pos) != U0)


@kernel
def num_checkers(pos: Position) -> np.uint64:
    """How many pieces give check to the side to move."""
    occupied = occupied_squares(pos)
    is_black = (pos[STATE] & BLACK_TO_MOVE) != U0
    own = occupied & ~pos[WHITE] if is_black else pos[WHITE]
    return popcount(checkers_of(pos, occupied, occupied ^ own, own & pos[KINGS], is_black))


@kernel
def checkers_of(
    pos: Position, occupied: np.uint64, them: np.uint64, king: np.uint64, king_is_black: bool
) -> np.uint64:
    """Pieces among `them` that attack the king, on the board `occupied`."""
    square = lowest_square(king)
    straight = rook_attacks(square, occupied) & (pos[ROOKS] | pos[QUEENS])
    diagonal = bishop_attacks(square, occupied) & (pos[BISHOPS] | pos[QUEENS])
    knights = KNIGHT_ATTACKS[square] & pos[KNIGHTS]
    pawns = pawn_attacks(king, king_is_black) & pos[PAWNS]
    return np.uint64((straight | diagonal | knights | pawns) & them)


@kernel
def danger_squares(
    pos: Position, occupied: np.uint64, them: np.uint64, king: np.uint64, they_are_black: bool
) -> np.uint64:
    """Squares that `them` attack once `king` (of the other side) is lifted off the board."""
    empty = ~(occupied ^ king)
    danger = pawn_attacks(pos[PAWNS] & them, they_are_black)
    danger |= knights_attack(pos[KNIGHTS] & them)
    danger |= rooks_attack((pos[ROOKS] | pos[QUEENS]) & them, empty)
    danger |= bishops_attack((pos[BISHOPS] | pos[QUEENS]) & them, empty)
    return np.uint64(danger | KING_ATTACKS[lowest_square(pos[KINGS] & them)])


@kernel
def pins_and_targets(
    pos: Position, own: np.uint64, them: np.uint64, king: np.uint64, is_black: bool
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Pin lines along ranks and files, pin lines along diagonals, and the target mask.

    The target mask is empty in double check: only the king moves.
    """
    square = lowest_square(king)
    attackers = KNIGHT_ATTACKS[square] & pos[KNIGHTS] & them
    attackers |= pawn_attacks(king, is_black) & pos[PAWNS] & them
    targets = ALL if attackers == U0 else attackers

    straight_pins = U0
    snipers = rook_attacks(square, them) & (pos[ROOKS] | pos[QUEENS]) & them
    while snipers != U0:
        sniper = lowest_square(snipers)
        snipers = without_lowest(snipers)
        way = between(square, sniper)
        shields = way & own
        if shields == U0:
            targets &= way | square_bit(sniper)
        elif without_lowest(shields) == U0:
            straight_pins |= way | square_bit(sniper)

    diagonal_pins = U0
    snipers = bishop_attacks(square, them) & (pos[BISHOPS] | pos[QUEENS]) & them
    while snipers != U0:
        sniper = lowest_square(snipers)
        snipers = without_lowest(snipers)
        way = between(square, sniper)
        shields = way & own
        if shields == U0:
            targets &= way | square_bit(sniper)
        elif without_lowest(shields) == U0:
            diagonal_pins |= way | square_bit(sniper)
    return straight_pins, diagonal_pins, targets


@kernel
def ep_capture_is_legal(
    pos: Position,
    occupied: np.uint64,
    them: np.uint64,
    king: np.uint64,
    is_black: bool,
    origin: np.uint64,
    target: np.uint64,
) -> bool:
    """Whether capturing en passant from `origin` leaves the king unattacked."""
    captured = square_bit(target + U8 if is_black else target - U8)
    after = (occupied ^ square_bit(origin) ^ captured) | square_bit(target)
    return bool(checkers_of(pos, after, them & ~captured, king, is_black) == U0)


@kernel
def castling_is_legal(
    pos: Position,
    right: np.uint64,
    occupied: np.uint64,
    danger: np.uint64,
    king: np.uint64,
    pinned: np.uint64,
) -> bool:
    """Whether the castling of a right that exists is legal; the king is not in check.

    King and rook end on c and d or g and f. All squares that either passes must be free of other
    pieces, and those of the king unattacked. In Chess960 the rook may shield the king's final
    square from a piece beyond it; such a rook is pinned.
    """
    home = U56 if right >= U2 else U0
    king_from = lowest_square(king)
    rook_from = rook_file(pos[STATE], right) | home
    king_to = home | (U2 if right & U1 else U6)
    rook_to = home | (U3 if right & U1 else U5)
    rook = square_bit(rook_from)
    king_way = between(king_from, king_to) | square_bit(king_to)
    rook_way = between(rook_from, rook_to) | square_bit(rook_to)
    blocked = (king_way | rook_way) & (occupied ^ king ^ rook)
    return bool((blocked | (king_way & danger) | (rook & pinned)) == U0)


@kernel
def pawns_to_a(pawns: np.uint64, is_black: bool) -> np.uint64:
    """Squares that a set of pawns attacks towards file a."""
    return (pawns & NOT_FILE_A) >> U9 if is_black else (pawns & NOT_FILE_A) << U7


@kernel
def pawns_to_h(pawns: np.uint64, is_black: bool) -> np.uint64:
    """Squares that a set of pawns attacks towards file h."""
    return (pawns & NOT_FILE_H) >> U7 if is_black else (pawns & NOT_FILE_H) << U9


@kernel
def pawn_targets(
    pawns: np.uint64,
    occupied: np.uint64,
    them: np.uint64,
    straight_pins: np.uint64,
    diagonal_pins: np.uint64,
    is_black: bool,
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Single steps, double steps, captures towards file a and towards file h; pins obeyed.

    The way back from a target is unique, so sets of targets stand for moves. A pawn pinned along
    its file steps along it; one pinned along a diagonal captures along it; a pin along a rank
    takes both.
    """
    empty = ~occupied
    free = pawns & ~straight_pins & ~diagonal_pins
    walkers = pawns & straight_pins
    takers = pawns & diagonal_pins
    if is_black:
        single = ((free >> U8) | ((walkers >> U8) & straight_pins)) & empty
        double = ((single & RANK_6) >> U8) & empty
        to_a = pawns_to_a(free, True) | (pawns_to_a(takers, True) & diagonal_pins)
        to_h = pawns_to_h(free, True) | (pawns_to_h(takers, True) & diagonal_pins)
    else:
        single = ((free << U8) | ((walkers << U8) & straight_pins)) & empty
        double = ((single & RANK_3) << U8) & empty
        to_a = pawns_to_a(free, False) | (pawns_to_a(takers, False) & diagonal_pins)
        to_h = pawns_to_h(free, False) | (pawns_to_h(takers, False) & diagonal_pins)
    return single, double, to_a & them, to_h & them
