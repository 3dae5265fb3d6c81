"""Making a move: a position in, the next position out."""

import numpy as np

from model.rules.bitboard import (
    RANK_1,
    RANK_8,
    U0,
    U1,
    U2,
    U3,
    U5,
    U6,
    U7,
    U8,
    U16,
    U56,
    U63,
    lowest_square,
    pawn_attacks,
    square_bit,
    without_lowest,
)
from model.rules.kernel import kernel
from model.rules.legality import ep_capture_is_legal
from model.rules.position import (
    BLACK_TO_MOVE,
    EP_MASK,
    EP_SHIFT,
    FULLMOVE_MASK,
    HALFMOVE_MASK,
    KINGS,
    PAWNS,
    PROMOTION_SHIFT,
    REPETITIONS_MASK,
    RIGHTS_MASK,
    RIGHTS_SHIFT,
    ROOK_FILES_SHIFT,
    ROOKS,
    STATE,
    TO_SHIFT,
    WHITE,
    Position,
    has_right,
    occupied_squares,
    rook_file,
)

_ONE_HALFMOVE = np.uint64(1 << 9)
_ONE_FULLMOVE = np.uint64(1 << 19)


@kernel
def make_move(pos: Position, move: int, out: Position) -> None:
    """Write the position after a legal `move` into `out`, which may be `pos` itself.

    Clears the repetition bits: only the game's history knows them.
    """
    word = np.uint64(move)
    origin = word & U63
    target = (word >> TO_SHIFT) & U63
    promotion = word >> PROMOTION_SHIFT
    state = pos[STATE]
    is_black = (state & BLACK_TO_MOVE) != U0
    occupied = occupied_squares(pos)
    own = occupied & ~pos[WHITE] if is_black else pos[WHITE]
    from_bit = square_bit(origin)
    to_bit = square_bit(target)
    is_pawn = pos[PAWNS] & from_bit != U0
    is_capture = occupied & to_bit != U0
    next_state = _state_after(pos, from_bit | to_bit)

    if own & to_bit != U0:
        _castle(pos, from_bit, to_bit, is_black, out)
        out[STATE] = next_state
        return

    captured_ep = U0
    if is_pawn and not is_capture and (origin ^ target) & U7 != U0:
        captured_ep = square_bit(target + U8 if is_black else target - U8)
    gone = from_bit | to_bit | captured_ep
    for word_number in range(6):
        pieces = pos[word_number]
        # The bit of the origin, if this is the moving piece's word, lands on the target.
        out[word_number] = (pieces & ~gone) | (((pieces >> origin) & U1) << target)
    out[WHITE] = (pos[WHITE] & ~gone) | (U0 if is_black else to_bit)
    if promotion != U0:
        out[PAWNS] ^= to_bit
        out[promotion] |= to_bit

    if is_pawn or is_capture:
        next_state &= ~HALFMOVE_MASK
    out[STATE] = next_state
    if is_pawn and origin ^ target == U16:
        passed = target + U8 if is_black else target - U8
        out[STATE] = next_state | double_step_ep_bits(out, target, passed, is_black)


@kernel
def _castle(pos: Position, king: np.uint64, rook: np.uint64, is_black: bool, out: Position) -> None:
    """Write the pieces after castling; `king` and `rook` are the squares they leave, as sets."""
    home = U56 if is_black else U0
    to_h_side = rook > king
    new_king = square_bit(home | (U6 if to_h_side else U2))
    new_rook = square_bit(home | (U5 if to_h_side else U3))
    for word_number in range(7):
        out[word_number] = pos[word_number]
    out[KINGS] = (out[KINGS] ^ king) | new_king
    out[ROOKS] = (out[ROOKS] ^ rook) | new_rook
    if not is_black:
        out[WHITE] = (out[WHITE] & ~(king | rook)) | new_king | new_rook


@kernel
def _state_after(pos: Position, touched: np.uint64) -> np.uint64:
    """The other side's state word: clocks counted on, en passant and repetitions cleared."""
    state = pos[STATE] & ~(EP_MASK | REPETITIONS_MASK)
    if state & HALFMOVE_MASK != HALFMOVE_MASK:
        state += _ONE_HALFMOVE
    if state & BLACK_TO_MOVE != U0 and state & FULLMOVE_MASK != FULLMOVE_MASK:
        state += _ONE_FULLMOVE
    if state & RIGHTS_MASK != U0 and touched & (RANK_1 | RANK_8) != U0:
        state = _without_lost_rights(pos, state, touched)
    return np.uint64(state ^ BLACK_TO_MOVE)


@kernel
def _without_lost_rights(pos: Position, state: np.uint64, touched: np.uint64) -> np.uint64:
    """Drop the rights whose king or rook left its square, or whose rook was captured."""
    for number in range(4):
        right = np.uint64(number)
        if has_right(state, right):
            is_black_right = right >= U2
            rook = square_bit(rook_file(state, right) | (U56 if is_black_right else U0))
            king = pos[KINGS] & (~pos[WHITE] if is_black_right else pos[WHITE])
            if touched & (king | rook) != U0:
                file_shift = ROOK_FILES_SHIFT + U3 * right
                state &= ~((U1 << (RIGHTS_SHIFT + right)) | (U7 << file_shift))
    return state


@kernel
def double_step_ep_bits(
    pos: Position, target: np.uint64, passed: np.uint64, mover_is_black: bool
) -> np.uint64:
    """The en-passant bits after a double step over `passed` to `target`; 0 if none may capture.

    The pieces of `pos` are those after the step; its state word is not looked at.
    """
    takers = pawn_attacks(square_bit(passed), mover_is_black) & pos[PAWNS]
    occupied = occupied_squares(pos)
    movers = occupied & ~pos[WHITE] if mover_is_black else pos[WHITE]
    takers &= ~movers
    king = pos[KINGS] & ~movers
    while takers != U0:
        taker = lowest_square(takers)
        takers = without_lowest(takers)
        if ep_capture_is_legal(pos, occupied, movers, king, not mover_is_black, taker, passed):
            return ((target & U7) + U1) << EP_SHIFT
    return U0
