"""python-chess beside our rules: the same game walked in both, compared at every ply."""

import gzip
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path

import chess
import numpy as np

from model.rules import (
    MAX_LEGAL_MOVES,
    Outcome,
    Position,
    count_legal_moves,
    from_fen,
    gives_mate,
    halfmove_clock,
    has_legal_move,
    in_check,
    insufficient_material,
    legal_moves,
    make_move,
    outcome,
    to_fen,
    zobrist,
)

DATA = Path(__file__).parents[1] / "data"
_PROMOTION = {None: 0, chess.KNIGHT: 1, chess.BISHOP: 2, chess.ROOK: 3, chess.QUEEN: 4}


def perft_suite(name: str) -> Iterator[tuple[str, dict[int, int]]]:
    """(FEN, depth -> nodes) of each line of a suite."""
    path = DATA / "perft" / name
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    for line in text.splitlines():
        fen, *counts = (part.strip() for part in line.split(";"))
        yield fen, {int(count.split()[0][1:]): int(count.split()[1]) for count in counts}


def move_word(move: chess.Move) -> int:
    """Our number for a move of a board with `chess960=True` (castling is king takes rook)."""
    return move.from_square | move.to_square << 6 | _PROMOTION[move.promotion] << 12


def moves_of(pos: Position) -> list[int]:
    """The legal moves, as ints, in the generator's order."""
    moves = np.empty(MAX_LEGAL_MOVES, np.uint16)
    return [int(move) for move in moves[: legal_moves(pos, moves)]]


def first_mate(pos: Position, moves: list[int]) -> int:
    """Index of the first move that mates, found by making each; -1 if there is none."""
    after = np.empty_like(pos)
    for index, move in enumerate(moves):
        make_move(pos, np.uint16(move), after)
        if in_check(after) and not has_legal_move(after):
            return index
    return -1


def walk(fen: str, choices: bytes, *, ask_board_for_repetitions: bool) -> Counter[Outcome]:
    """Play a game chosen by `choices` on both sides of the comparison; returns outcomes seen.

    A byte picks a legal move by its remainder; from 150 on captures are preferred, so that
    material goes; from 200 on the mover takes back its last move if that is legal, so that
    positions repeat. Draws do not end the walk.
    """
    board = chess.Board(fen, chess960=True)
    pos = from_fen(fen)
    seen: Counter[Hashable] = Counter()
    seen_keys: Counter[int] = Counter()
    outcomes: Counter[Outcome] = Counter()
    for choice in (*choices, None):
        legal = {move_word(move): move for move in board.legal_moves}
        key = board._transposition_key()  # The only cheap view of what python-chess compares.
        outcomes[_compare(board, pos, set(legal), seen[key], seen_keys)] += 1
        if ask_board_for_repetitions:
            assert board.is_repetition(2) == (seen[key] >= 1), board.fen()
            assert board.is_repetition(3) == (seen[key] >= 2), board.fen()
        seen[key] += 1
        seen_keys[int(zobrist(pos))] += 1
        if not legal or choice is None:
            break
        word = _choose(board, sorted(legal), choice)
        make_move(pos, np.uint16(word), pos)
        board.push(legal[word])
    return outcomes


def _choose(board: chess.Board, words: list[int], choice: int) -> int:
    if choice >= 200 and len(board.move_stack) >= 2:
        last = board.move_stack[-2]
        back = last.to_square | last.from_square << 6
        if back in words:
            return back
    if choice >= 150:
        captures = [word for word in words if board.occupied >> (word >> 6 & 63) & 1]
        words = captures or words
    return words[choice % len(words)]


def _compare(
    board: chess.Board,
    pos: Position,
    legal: set[int],
    num_earlier: int,
    seen_keys: Counter[int],
) -> Outcome:
    fen = board.fen(en_passant="legal")
    moves = moves_of(pos)
    assert len(moves) == len(set(moves)), fen
    assert gives_mate(pos, np.array(moves, np.uint16), len(moves)) == first_mate(pos, moves), fen
    assert set(moves) == legal, fen
    assert count_legal_moves(pos) == len(legal), fen
    assert to_fen(pos) == fen
    assert np.array_equal(from_fen(fen), pos), fen
    assert in_check(pos) == board.is_check(), fen
    assert insufficient_material(pos) == board.is_insufficient_material(), fen
    assert halfmove_clock(pos) == board.halfmove_clock, fen
    assert seen_keys[int(zobrist(pos))] == num_earlier, fen
    expected = Outcome.NONE
    if not legal:
        expected = Outcome.CHECKMATE if board.is_check() else Outcome.STALEMATE
    elif board.is_insufficient_material():
        expected = Outcome.INSUFFICIENT
    elif board.is_fifty_moves():
        expected = Outcome.FIFTY_MOVES
    elif num_earlier >= 2:
        expected = Outcome.THREEFOLD
    assert outcome(pos, len(moves), num_earlier) == expected, fen
    return expected
