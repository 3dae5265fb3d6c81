"""A game as compiled code has played it: each position with its legal moves, as shards want it.

Played from the codes of its moves here, from their text in `movetext.py`.

Shapes: L plies of one game, N legal moves of all its positions.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.replay.records import MAX_LEGAL_MOVES as MOST_MOVES
from backend.replay.records import NO_RESULT
from model.encoding import policy_index
from model.rules import (
    Position,
    halfmove_clock,
    in_check,
    insufficient_material,
    kernel,
    legal_moves,
    make_move,
    set_repetitions,
    zobrist,
)

PLAYED: Final = 0
UNSURE: Final = 1
"""The text, or the codes, are not for this reader."""
NO_EVAL: Final = -(1 << 31)

_RESULT, _NUM_LEGAL, _IN_CHECK, _DEAD, _HALFMOVES, _REPETITIONS, _NUM_INDEX, _NUM_MOVES = range(8)
_NUM_FACTS: Final = 8
_ONE_HALF_FLOAT: Final = 0x3C00
"""1.0 in 16 bits, which kernels cannot write otherwise."""


@dataclass(frozen=True, slots=True)
class Play:
    """A game as it was played; the arrays are used again for the next one."""

    moves: NDArray[np.uint16]
    """[L]: codes."""
    positions: NDArray[np.uint64]
    """[L, 8]: before each move, repetitions filled in."""
    num_moves: NDArray[np.int16]
    """[L]: legal moves."""
    chosen: NDArray[np.int16]
    """[L]: which of them was played."""
    index: NDArray[np.int16]
    """[N]: their policy indices, of one position after the other."""
    is_book: NDArray[np.bool_]
    """[L]: a book had forced it, or it is not to be learned from for another reason."""
    eval_cp: NDArray[np.int32]
    """[L]: of the position after the move, as White sees it; NO_EVAL or ±MATE_EVAL."""
    keys: NDArray[np.uint64]
    """[L]: for repetitions."""
    legal: NDArray[np.uint16]
    """[256]: room for one position's moves."""
    end: Position
    """uint64[8]: after the last move."""
    facts: NDArray[np.int64]
    """[8]: what `result` and the like read."""

    @property
    def num_plies(self) -> int:
        return int(self.facts[_NUM_MOVES])

    @property
    def num_index(self) -> int:
        return int(self.facts[_NUM_INDEX])

    @property
    def result(self) -> int:
        """What the text says."""
        return int(self.facts[_RESULT])

    @property
    def is_all_book(self) -> bool:
        """Nothing of it is to be learned from."""
        # For so few numpy's own `all` takes ten times as long.
        return b"\0" not in self.is_book[: self.num_plies].tobytes()

    @property
    def is_mate(self) -> bool:
        return bool(self.facts[_NUM_LEGAL] == 0 and self.facts[_IN_CHECK])

    @property
    def is_stalemate(self) -> bool:
        return bool(self.facts[_NUM_LEGAL] == 0 and not self.facts[_IN_CHECK])

    @property
    def is_dead(self) -> bool:
        """Too little material on both sides."""
        return bool(self.facts[_DEAD])

    @property
    def halfmoves(self) -> int:
        """The clock at the end."""
        return int(self.facts[_HALFMOVES])

    @property
    def repetitions(self) -> int:
        """How often the final position had been there before."""
        return int(self.facts[_REPETITIONS])


def room_for(most_plies: int) -> Play:
    """Room for a game of so many plies."""
    return Play(
        moves=np.zeros(most_plies, np.uint16),
        positions=np.zeros((most_plies, 8), np.uint64),
        num_moves=np.zeros(most_plies, np.int16),
        chosen=np.zeros(most_plies, np.int16),
        index=np.zeros(most_plies * MOST_MOVES, np.int16),
        is_book=np.zeros(most_plies, np.bool_),
        eval_cp=np.zeros(most_plies, np.int32),
        keys=np.zeros(most_plies + 1, np.uint64),
        legal=np.zeros(256, np.uint16),
        end=np.zeros(8, np.uint64),
        facts=np.zeros(_NUM_FACTS, np.int64),
    )


def play_codes(codes: NDArray[np.uint16], start: Position, play: Play, *, is_turned: bool) -> bool:
    """Whether all these moves are legal; then `play` has them, with no book and no evaluations."""
    if len(codes) > len(play.moves):
        return False
    play.end[:] = start
    status = _play_codes(
        codes,
        is_turned,
        play.end,
        play.moves,
        play.positions,
        play.num_moves,
        play.chosen,
        play.index,
        play.keys,
        play.legal,
        play.facts,
    )
    play.is_book[: len(codes)] = False
    play.eval_cp[: len(codes)] = NO_EVAL
    return status == PLAYED


def take_taught(
    play: Play,
    start_cp: int,
    at: int,
    at_index: int,
    positions: NDArray[np.uint64],
    num_moves: NDArray[np.int16],
    ply: NDArray[np.int16],
    eval_cp: NDArray[np.int32],
    index: NDArray[np.int16],
    prob: NDArray[np.float16],
) -> tuple[int, int]:
    """Copy the plies that are no book's behind the first `at` positions and `at_index` moves of the
    columns; returns both counts as they are then. The move that was played has probability 1.

    `start_cp`: evaluation of the start; that of a later position stands at the move before it.
    """
    return _take_taught(
        play.num_plies,
        play.positions,
        play.num_moves,
        play.chosen,
        play.index,
        play.is_book,
        play.eval_cp,
        start_cp,
        at,
        at_index,
        positions,
        num_moves,
        ply,
        eval_cp,
        index,
        prob.view(np.uint16),
    )


@kernel
def _take_taught(
    num_plies: int,
    from_positions: NDArray[np.uint64],
    from_num_moves: NDArray[np.int16],
    from_chosen: NDArray[np.int16],
    from_index: NDArray[np.int16],
    is_book: NDArray[np.bool_],
    from_eval_cp: NDArray[np.int32],
    start_cp: int,
    at: int,
    at_index: int,
    positions: NDArray[np.uint64],
    num_moves: NDArray[np.int16],
    ply: NDArray[np.int16],
    eval_cp: NDArray[np.int32],
    index: NDArray[np.int16],
    prob_bits: NDArray[np.uint16],
) -> tuple[int, int]:
    first = 0
    for number in range(num_plies):
        count = int(from_num_moves[number])
        if not is_book[number]:
            for word in range(8):
                positions[at, word] = from_positions[number, word]
            num_moves[at] = count
            ply[at] = number
            eval_cp[at] = from_eval_cp[number - 1] if number > 0 else start_cp
            for move in range(count):
                index[at_index + move] = from_index[first + move]
                prob_bits[at_index + move] = 0
            prob_bits[at_index + int(from_chosen[number])] = _ONE_HALF_FLOAT
            at += 1
            at_index += count
        first += count
    return at, at_index


@kernel
def _earlier(pos: Position, keys: NDArray[np.uint64], ply: int) -> int:
    """How often the position, whose key is keys[ply], was there before."""
    first = max(0, ply - halfmove_clock(pos))
    count = 0
    for other in range(ply - 4, first - 1, -2):
        if keys[other] == keys[ply]:
            count += 1
    return count


@kernel
def enter(
    pos: Position,
    ply: int,
    num_index: int,
    is_turned: bool,
    positions: NDArray[np.uint64],
    num_moves: NDArray[np.int16],
    index: NDArray[np.int16],
    keys: NDArray[np.uint64],
    legal: NDArray[np.uint16],
) -> int:
    """Write down a position and its legal moves; returns how many there are."""
    num_legal = legal_moves(pos, legal)
    keys[ply] = zobrist(pos)
    set_repetitions(pos, _earlier(pos, keys, ply))
    for word in range(8):
        positions[ply, word] = pos[word]
    num_moves[ply] = num_legal
    for number in range(num_legal):
        index[num_index + number] = policy_index(pos, legal[number], is_turned)
    return num_legal


@kernel
def conclude(
    pos: Position,
    ply: int,
    num_index: int,
    result: int,
    keys: NDArray[np.uint64],
    legal: NDArray[np.uint16],
    facts: NDArray[np.int64],
) -> None:
    """Write down how it stands at the end, after `ply` moves."""
    keys[ply] = zobrist(pos)
    facts[_RESULT] = result
    facts[_NUM_LEGAL] = legal_moves(pos, legal)
    facts[_IN_CHECK] = in_check(pos)
    facts[_DEAD] = insufficient_material(pos)
    facts[_HALFMOVES] = halfmove_clock(pos)
    facts[_REPETITIONS] = _earlier(pos, keys, ply)
    facts[_NUM_INDEX] = num_index
    facts[_NUM_MOVES] = ply


@kernel
def _play_codes(
    codes: NDArray[np.uint16],
    is_turned: bool,
    pos: Position,
    moves: NDArray[np.uint16],
    positions: NDArray[np.uint64],
    num_moves: NDArray[np.int16],
    chosen: NDArray[np.int16],
    index: NDArray[np.int16],
    keys: NDArray[np.uint64],
    legal: NDArray[np.uint16],
    facts: NDArray[np.int64],
) -> int:
    num_index = 0
    for ply in range(len(codes)):
        num_legal = enter(pos, ply, num_index, is_turned, positions, num_moves, index, keys, legal)
        found = -1
        for number in range(num_legal):
            if legal[number] == codes[ply]:
                found = number
        if found < 0:
            return UNSURE
        moves[ply] = codes[ply]
        chosen[ply] = found
        num_index += num_legal
        make_move(pos, int(codes[ply]), pos)
    conclude(pos, len(codes), num_index, NO_RESULT, keys, legal, facts)
    return PLAYED
