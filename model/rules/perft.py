"""Perft: the number of games of a given length, the yardstick of move generators."""

import numpy as np
from numpy.typing import NDArray

from model.rules.counting import count_legal_moves
from model.rules.kernel import kernel
from model.rules.make import make_move
from model.rules.movegen import MAX_LEGAL_MOVES, legal_moves
from model.rules.position import Position
from model.rules.uci import move_to_uci


def perft(pos: Position, depth: int) -> int:
    """Number of legal move sequences of `depth` plies; 1 at depth 0.

    Bulk counting: the last ply is counted, not made.
    """
    if depth < 0:
        raise ValueError(f"perft depth {depth!r} must not be negative")
    if depth == 0:
        return 1
    positions = np.empty((depth, 8), np.uint64)
    positions[0] = pos
    moves = np.empty((depth, MAX_LEGAL_MOVES), np.uint16)
    num_moves = np.zeros(depth, np.int64)
    next_move = np.zeros(depth, np.int64)
    return int(_count_leaves(positions, moves, num_moves, next_move))


def divide(pos: Position, depth: int) -> dict[str, int]:
    """UCI text of each legal move -> number of sequences of `depth` plies that start with it."""
    if depth < 1:
        raise ValueError(f"divide depth {depth!r} must be at least 1")
    moves = np.empty(MAX_LEGAL_MOVES, np.uint16)
    after = np.empty(8, np.uint64)
    nodes = {}
    for move in moves[: legal_moves(pos, moves)]:
        make_move(pos, move, after)
        nodes[move_to_uci(pos, int(move))] = perft(after, depth - 1)
    return nodes


@kernel
def _count_leaves(
    positions: NDArray[np.uint64],
    moves: NDArray[np.uint16],
    num_moves: NDArray[np.int64],
    next_move: NDArray[np.int64],
) -> np.uint64:
    """Perft of `positions[0]` to the depth `len(positions)`; all are scratch, one row a ply.

    A loop with a stack of its own: Numba compiles recursion, but does not inline across it.
    """
    last = len(positions) - 1
    if last == 0:
        return count_legal_moves(positions[0])
    leaves = np.uint64(0)
    ply = 0
    next_move[0] = 0
    num_moves[0] = legal_moves(positions[0], moves[0])
    while ply >= 0:
        if next_move[ply] == num_moves[ply]:
            ply -= 1
            continue
        make_move(positions[ply], moves[ply, next_move[ply]], positions[ply + 1])
        next_move[ply] += 1
        if ply + 1 == last:
            leaves += count_legal_moves(positions[last])
        else:
            ply += 1
            next_move[ply] = 0
            num_moves[ply] = legal_moves(positions[ply], moves[ply])
    return leaves
