"""Between Matrix0's packed positions and python-chess boards.

Written from the layout in `docs/encoding.md`, without the compiled rules: admission and imports use
it so that two independent programs have to agree on every stored position.

Boards are in python-chess' Chess960 mode throughout, where castling is king takes own rook.
"""

from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError

PositionKey = tuple[int, ...]
"""Equal exactly for positions that count as repeated: pieces, side, rights, en-passant file."""

_SIDE_RIGHTS_EP: Final = 0x1FF | 0xFFF << 32
"""State bits of a PositionKey: side to move, castling rights, en-passant file, rook files."""
MAX_REPETITIONS: Final = 2
_MAX_HALFMOVES: Final = 255
_MAX_FULLMOVES: Final = 8191


def position_words(board: chess.Board, repetitions: int = 0) -> tuple[int, ...]:
    """The eight words of the board, with `repetitions` earlier occurrences (2 is two or more)."""
    state = 0 if board.turn == chess.WHITE else 1
    rights = board.clean_castling_rights()
    for right, color, is_king_side in (
        (0, chess.WHITE, True),
        (1, chess.WHITE, False),
        (2, chess.BLACK, True),
        (3, chess.BLACK, False),
    ):
        file = _rook_file(board, rights, color, is_king_side)
        if file is not None:
            state |= 1 << 1 + right | file << 32 + 3 * right
    if board.ep_square is not None and board.has_legal_en_passant():
        state |= chess.square_file(board.ep_square) + 1 << 5
    state |= min(board.halfmove_clock, _MAX_HALFMOVES) << 9
    state |= min(repetitions, MAX_REPETITIONS) << 17
    state |= min(board.fullmove_number, _MAX_FULLMOVES) << 19
    return (
        board.pawns,
        board.knights,
        board.bishops,
        board.rooks,
        board.queens,
        board.kings,
        board.occupied_co[chess.WHITE],
        state,
    )


def position_key(words: tuple[int, ...]) -> PositionKey:
    """What decides whether two positions repeat each other."""
    return (*words[:7], words[7] & _SIDE_RIGHTS_EP)


def position_array(words: tuple[int, ...]) -> NDArray[np.uint64]:
    """uint64[8]."""
    return np.array(words, dtype=np.uint64)


def board_from_position(position: NDArray[np.uint64]) -> chess.Board:
    """The board of a uint64[8] in Chess960 mode. ReplayError when it is no legal position."""
    pieces = [int(word) for word in position[:6]]
    white, state = int(position[6]), int(position[7])
    occupied = 0
    for bitboard in pieces:
        if bitboard & occupied:
            raise ReplayError("two pieces stand on one square")
        occupied |= bitboard
    if white & ~occupied:
        raise ReplayError("a white piece without a kind")
    board = chess.Board(None, chess960=True)
    board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings = pieces
    board.occupied = occupied
    board.occupied_co[chess.WHITE] = white
    board.occupied_co[chess.BLACK] = occupied & ~white
    board.turn = chess.BLACK if state & 1 else chess.WHITE
    for right in range(4):
        if state >> 1 + right & 1:
            rank = 0 if right < 2 else 56
            board.castling_rights |= 1 << (state >> 32 + 3 * right & 7) + rank
    ep_file = state >> 5 & 0xF
    if ep_file:
        rank = 5 if board.turn == chess.WHITE else 2
        board.ep_square = chess.square((ep_file - 1) & 7, rank)
    board.halfmove_clock = state >> 9 & 0xFF
    board.fullmove_number = state >> 19 & 0x1FFF
    if not board.is_valid():
        raise ReplayError(f"not a legal position: {board.status()!r}")
    return board


def move_code(move: chess.Move) -> int:
    """from | to << 6 | promotion << 12 of a move in Chess960 mode."""
    promotion = 0 if move.promotion is None else move.promotion - 1
    return move.from_square | move.to_square << 6 | promotion << 12


def move_from_code(code: int) -> chess.Move:
    """Any code gives a move; whether it is legal is the board's to say."""
    promotion = code >> 12
    return chess.Move(code & 63, code >> 6 & 63, promotion + 1 if promotion else None)


def code_in_words(code: int) -> str:
    """The move as UCI writes it; of a code that names no piece to become, the number."""
    return move_from_code(code).uci() if code >> 12 < chess.KING else f"code {code}"


def _rook_file(
    board: chess.Board, rights: chess.Bitboard, color: chess.Color, is_king_side: bool
) -> int | None:
    """File of the rook that may castle on that wing."""
    rank = chess.BB_RANK_1 if color == chess.WHITE else chess.BB_RANK_8
    own = rights & rank
    king = board.king(color)
    if not own or king is None:
        return None
    for square in chess.scan_forward(own):
        if (square > king) == is_king_side:
            return chess.square_file(square)
    return None
