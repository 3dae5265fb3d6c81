"""The rules of chess as compiled kernels over 64-byte positions. `docs/encoding.md` draws the bits.

Kernels check nothing: a move handed to `make_move` must be legal. Text (FEN, UCI) is checked.
"""

from model.rules.counting import count_legal_moves, has_legal_move
from model.rules.fen import START_FEN, from_fen, start_position, to_fen
from model.rules.kernel import cache_folder, kernel
from model.rules.legality import in_check
from model.rules.make import make_move
from model.rules.mating import gives_mate
from model.rules.movegen import MAX_LEGAL_MOVES, legal_moves
from model.rules.outcome import Outcome, insufficient_material, outcome
from model.rules.perft import divide, perft
from model.rules.position import (
    Position,
    black_to_move,
    fullmove_number,
    halfmove_clock,
    repetitions,
    set_repetitions,
    with_repetitions,
)
from model.rules.uci import is_castling, move_to_uci, square_name, uci_to_move
from model.rules.zobrist import zobrist

__all__ = [
    "MAX_LEGAL_MOVES",
    "START_FEN",
    "Outcome",
    "Position",
    "black_to_move",
    "cache_folder",
    "count_legal_moves",
    "divide",
    "from_fen",
    "fullmove_number",
    "gives_mate",
    "halfmove_clock",
    "has_legal_move",
    "in_check",
    "insufficient_material",
    "is_castling",
    "kernel",
    "legal_moves",
    "make_move",
    "move_to_uci",
    "outcome",
    "perft",
    "repetitions",
    "set_repetitions",
    "square_name",
    "start_position",
    "to_fen",
    "uci_to_move",
    "with_repetitions",
    "zobrist",
]
