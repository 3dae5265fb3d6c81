"""A game as its maker hands it over, and the targets that follow from how it ended.

Every target that depends on the result is derived here and nowhere else, from the game's own
result and the side to move of each position. Whoever makes games records positions and policies
and says, once for each game, who won. Knows no files.

Shapes: P positions of one game, n legal moves of one position.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError

WHITE_WON: Final = 1
DRAW: Final = 0
BLACK_WON: Final = -1
NO_RESULT: Final = 2
"""`GameRecord.result` of a game that was cut or never finished; never counted as a draw."""

TRUNCATED: Final = 255
"""`GameRecord.outcome` of a game cut at the ply limit."""
EXTERNAL: Final = 254
"""`GameRecord.outcome` of somebody's game decided away from the board (resignation, time)."""
RESIGNED: Final = 253
"""`GameRecord.outcome` of our own game that the side to move gave up."""
TABLEBASE: Final = 252
"""`GameRecord.outcome` of our own game that endgame tables decided."""

MIN_RESIGN_VALUE: Final = 0.5
"""A side may resign only if its last stored search expects a score of minus this or less."""

FULL_SEARCH: Final = 0
CHEAP_SEARCH: Final = 1
PLAYED_MOVE: Final = 2
SOLUTION: Final = 3
TEACHER: Final = 4
"""`SampleRecord.kind`: whose opinion the policy is."""
KINDS: Final = (FULL_SEARCH, CHEAP_SEARCH, PLAYED_MOVE, SOLUTION, TEACHER)
SEARCHED: Final = (FULL_SEARCH, CHEAP_SEARCH)
"""Kinds that never go without a search's value."""

TARGET_OPEN: Final = 0
TARGET_SEARCH: Final = 1
TARGET_TABLES: Final = 2
TARGET_TEACHER: Final = 3
TARGET_MIX: Final = 4
"""`SampleRecord.value_source`: who decided the value target; TARGET_OPEN leaves it to training."""
TARGETS: Final = (TARGET_OPEN, TARGET_SEARCH, TARGET_TABLES, TARGET_TEACHER, TARGET_MIX)

FROM_START: Final = 0
RANDOM_OPENING: Final = 1
BOOK_OPENING: Final = 2
NETWORK_OPENING: Final = 3
ARCHIVED: Final = 4
"""`GameRecord.origin`: what played the opening plies, which no search of this game chose. The moves
of an archived game are the beginning of an earlier one."""
ORIGINS: Final = (FROM_START, RANDOM_OPENING, BOOK_OPENING, NETWORK_OPENING, ARCHIVED)

UNKNOWN_PLIES: Final = -1
"""`plies_left` of a game without a result."""

MAX_PLIES: Final = 4096
"""Longest game that is stored (int16 columns; no sensible game comes near)."""
MAX_LEGAL_MOVES: Final = 218
"""No legal position has more."""


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One position that can be learned from."""

    position: NDArray[np.uint64]
    """uint64[8] before the move, repetition bits filled."""
    policy_index: NDArray[np.int16]
    """int16[n]: policy indices of all legal moves, in move order, in the run's orientation."""
    policy_prob: NDArray[np.float32]
    """float32[n]: the target; sums to 1."""
    root_wdl: NDArray[np.float32] | None
    """float32[3]: win, draw, loss for the mover as a search saw them, ours or that of an engine
    whose evaluation came with the game; None when nobody searched."""
    kind: int
    """One of KINDS."""
    ply: int
    """Plies played since the game's start; `moves[ply]` was played here."""
    policy_weight: float = 1.0
    """Importance in the policy loss, at least 0; 0 teaches no policy."""
    value_weight: float = 1.0
    """Importance in the value loss, above 0."""
    value_wdl: NDArray[np.float32] | None = None
    """float32[3]: the value target for the mover, in the place of result and search; None where
    training mixes these two."""
    value_source: int = TARGET_OPEN
    """Who decided it, one of TARGETS; TARGET_OPEN exactly where nobody did."""


@dataclass(frozen=True, slots=True)
class GameRecord:
    """One finished or truncated game. `moves` holds every ply, sampled or not."""

    start: NDArray[np.uint64]
    """uint64[8]: the position before the first move."""
    moves: Sequence[int]
    """Move codes (from | to << 6 | promotion << 12), castling as king takes rook."""
    samples: Sequence[SampleRecord]
    """In the order of play; any subset of the plies."""
    outcome: int
    """Outcome of the rules, or TRUNCATED, or EXTERNAL."""
    result: int
    """WHITE_WON, DRAW, BLACK_WON or NO_RESULT."""
    origin: int = FROM_START
    """How the position of the first search came about: FROM_START and its like."""
    opening_plies: int = 0
    """The first plies of `moves`, which no search chose; none of them is sampled."""
    source: int = 0
    """Number of the source among those of the shard."""
    number: int = 0
    """Its place there: game of a PGN, line of puzzles or an EPD, from 1; 0 where there is none."""
    rating: int = 0
    """Of a puzzle, or the mean of the two players; 0 where nobody knows."""
    themes: Sequence[int] = ()
    """What it is about: numbers of themes among those of the shard, rising."""


@dataclass(frozen=True, slots=True)
class ResultTargets:
    """What the end of a game says about each of its P samples."""

    wdl: NDArray[np.float32]
    """float32[P, 3]: one-hot win, draw, loss for the mover; zeros without a result."""
    has_result: NDArray[np.uint8]
    """uint8[P]."""
    plies_left: NDArray[np.int16]
    """int16[P]: plies to the end of the game; UNKNOWN_PLIES without a result."""


def result_targets(game: GameRecord) -> ResultTargets:
    """Targets of the game's samples, in their order."""
    num = len(game.samples)
    is_black = np.array([int(s.position[7]) & 1 for s in game.samples], np.bool_)
    left = np.array([len(game.moves) - s.ply for s in game.samples], np.int64)
    return targets_of(np.full(num, game.result, np.int8), is_black, left)


def targets_of(
    results: NDArray[np.int8], is_black: NDArray[np.bool_], left: NDArray[np.integer]
) -> ResultTargets:
    """Targets of positions of any games, each with its game's result and the plies to its end.

    The mover is read from each position, never counted from the end: with skipped plies the
    parity of the stored samples says nothing.
    """
    wdl = np.zeros((len(results), 3), np.float32)
    known = np.flatnonzero(results != NO_RESULT)
    mover_score = np.where(is_black, -results, results)[known]
    wdl[known, 1 - mover_score] = 1.0
    has_result = (results != NO_RESULT).astype(np.uint8)
    plies_left = np.where(has_result == 1, left, UNKNOWN_PLIES).astype(np.int16)
    return ResultTargets(wdl, has_result, plies_left)


def check_record(game: GameRecord) -> None:
    """ReplayError when the parts of a record do not belong together."""
    if game.result not in (WHITE_WON, DRAW, BLACK_WON, NO_RESULT):
        raise ReplayError(f"result = {game.result!r} is none of 1, 0, -1, 2")
    if (game.outcome == TRUNCATED) and game.result != NO_RESULT:
        raise ReplayError(f"a truncated game has no result, got {game.result!r}")
    if len(game.moves) > MAX_PLIES:
        raise ReplayError(f"a game of {len(game.moves)} plies; at most {MAX_PLIES} can be stored")
    if not 0 <= game.opening_plies <= len(game.moves):
        raise ReplayError(f"{game.opening_plies} opening plies in {len(game.moves)}")
    previous = game.opening_plies - 1
    for sample in game.samples:
        if not previous < sample.ply < len(game.moves):
            raise ReplayError(
                f"sample at ply {sample.ply!r} after ply {previous} in a game of "
                f"{len(game.moves)} plies"
            )
        previous = sample.ply
        num = len(sample.policy_index)
        if len(sample.policy_prob) != num or not 1 <= num <= MAX_LEGAL_MOVES:
            raise ReplayError(
                f"ply {sample.ply}: {num} policy indices and {len(sample.policy_prob)} "
                f"probabilities; 1 to {MAX_LEGAL_MOVES} of each are needed"
            )
