"""Value targets decided after the game: blunders are not charged to the positions before them, and
tables know better than what was played.

    ply            12   13   14   15   16   17   18   19
    result                                           0-1
    blunder by White         x                            best -0.1, after it -0.7
    target       as the search saw 14  | the result
    table                              0                  few men from 17 on: a draw
    target       …             | the table's draw  | exact | …

From the end of a game backwards there is a current outcome: first the result. A position that the
tables know makes its exact value the current outcome. At a move that loses more than `blunder` of
the expected score against the search's own best, the search's value takes its place: between
`blunder - width / 2` and `blunder + width / 2` in part. What was played after such a move says
little about the positions before it. So does lc0's rescorer (LeelaChessZero/lc0,
src/trainingdata/rescorer.cc, ApplySyzygyRescoring and ApplyDeblunder), whose samples keep the value
of the played move; here it is the value of the position behind it, by the next search, the tables
or the end of the game. A move that was the search's choice is no blunder: then the next search saw
more, which is no fault of the player's.

Shapes: P positions of a shard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from backend.replay import records
from backend.replay.admission import CHECKMATE, THREEFOLD
from backend.replay.boards import board_from_position, move_from_code, position_key, position_words
from backend.replay.policy_moves import policy_index
from backend.replay.provenance import Rescoring
from backend.replay.shards import Shard
from backend.tables import Tables

SURELY_WON: Final = 99
SURELY_DRAWN: Final = 101
"""Plies to the next capture or pawn move, those before included: below the one the fifty-move rule
spoils nothing, above the other everything. lc0 leaves the same margin."""

_ONE_HOT: Final = np.eye(3, dtype=np.float64)
"""By 1 - White's score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """Value targets of a shard's positions, and how they came about."""

    wdl: NDArray[np.float32]
    """[P, 3]; NaN where training decides."""
    source: NDArray[np.uint8]
    """[P]: of records.TARGETS."""
    blunders: int
    probed: int
    """Positions whose exact value tables told."""


def targets_of(shard: Shard, plan: Rescoring, tables: Tables | None) -> Targets:
    """What the pass `plan` makes of a shard. Targets that somebody else decided stay."""
    columns = shard.columns
    wdl, source = columns["value_wdl"].copy(), columns["value_source"].copy()
    blunders = probed = 0
    for number in range(shard.num_games):
        first, last = np.searchsorted(columns["game_of_position"], [number, number + 1])
        game = _Game(shard, number, range(first, last), tables)
        probed += sum(ply in game.exact for ply in game.rows)
        white_wdl, current = game.result, records.TARGET_OPEN
        for ply in range(len(game.moves), -1, -1):
            if ply in game.exact:
                white_wdl, current = _ONE_HOT[1 - game.exact[ply]], records.TARGET_TABLES
            elif ply in game.rows:
                ratio = game.blunder_at(ply, plan)
                best = game.white_root(ply)
                if ratio and best is not None and (white_wdl is not None or ratio == 1):
                    before = best if white_wdl is None else white_wdl
                    white_wdl, current = (1 - ratio) * before + ratio * best, records.TARGET_SEARCH
                    blunders += 1
            row = game.rows.get(ply)
            if row is None or columns["value_source"][row] != records.TARGET_OPEN:
                continue
            if ply in game.exact:
                target = white_wdl
            else:
                is_news = current != records.TARGET_OPEN and not _equal(white_wdl, game.result)
                if not is_news and not plan.everywhere:
                    continue
                target = _mixed(white_wdl, game.white_root(ply), plan.search_frac)
            if target is None:
                continue
            is_black = columns["positions"][row, 7] & np.uint64(1)
            wdl[row] = target[::-1] if is_black else target
            source[row] = current if current != records.TARGET_OPEN else records.TARGET_MIX
    return Targets(wdl=wdl, source=source, blunders=blunders, probed=probed)


class _Game:
    """One game of a shard, played again."""

    def __init__(
        self, shard: Shard, number: int, rows: Sequence[int], tables: Tables | None
    ) -> None:
        columns = shard.columns
        self._columns = columns
        self._orientation = shard.metadata.orientation
        self.moves: list[int] = shard.moves(number).tolist()
        self.rows: dict[int, int] = {int(columns["ply"][row]): row for row in rows}
        """Row of the shard by ply."""
        score = int(columns["game_result"][number])
        self.result = None if score == records.NO_RESULT else _ONE_HOT[1 - score]
        """float64[3] as White sees it; None without one."""
        self.exact: dict[int, int] = {}
        """White's score by ply, where tables know it."""
        self._end: int | None = None
        """White's score on the final board, where the rules ended the game."""
        outcome = int(columns["game_outcome"][number])
        if CHECKMATE <= outcome <= THREEFOLD or outcome == records.TABLEBASE:
            self._end = score
        self._was_choice: dict[int, bool] = {}
        """Whether the move at a ply is the first of its policy, where that is the search's."""
        self._replay(columns["game_start"][number], tables)

    def white_root(self, ply: int) -> NDArray[np.float64] | None:
        """The search's win, draw, loss at a ply as White sees it; None where nobody searched."""
        row = self.rows.get(ply)
        if row is None or not np.isfinite(self._columns["root_wdl"][row]).all():
            return None
        wdl: NDArray[np.float64] = self._columns["root_wdl"][row].astype(np.float64)
        return wdl[::-1] if self._is_black(row) else wdl

    def blunder_at(self, ply: int, plan: Rescoring) -> float:
        """How much of a blunder the move of a recorded position is, 0 to 1."""
        best = self.white_root(ply)
        if not plan.blunder or best is None or self._was_choice.get(ply, False):
            return 0.0
        after, is_exact = self._after(ply)
        if after is None:
            return 0.0
        sign = -1 if self._is_black(self.rows[ply]) else 1
        lost = sign * (best[0] - best[2] - after)
        if is_exact or not plan.width:
            return float(lost > plan.blunder)
        return float(np.clip((lost - plan.blunder) / plan.width + 0.5, 0.0, 1.0))

    def _after(self, ply: int) -> tuple[float | None, bool]:
        """White's expected score, -1 to 1, behind the move of a ply, and whether it is exact."""
        if ply + 1 in self.exact:
            return self.exact[ply + 1], True
        if ply + 1 == len(self.moves):
            return self._end, True
        root = self.white_root(ply + 1)
        return (None if root is None else float(root[0] - root[2])), False

    def _is_black(self, row: int) -> bool:
        return bool(self._columns["positions"][row, 7] & np.uint64(1))

    def _replay(self, start: NDArray[np.uint64], tables: Tables | None) -> None:
        board = board_from_position(start)
        men = most_men(tables) if tables is not None else 0
        seen: set[tuple[int, ...]] = set()
        has_repeated = board.halfmove_clock > 0
        for ply in range(len(self.moves) + 1):
            if board.halfmove_clock == 0:
                seen.clear()
                has_repeated = False
            if chess.popcount(board.occupied) <= men:
                key = position_key(position_words(board))
                has_repeated |= key in seen
                seen.add(key)
                assert tables is not None
                score = _exact(board, tables, has_repeated)
                if score is not None:
                    self.exact[ply] = score
            if ply < len(self.moves):
                move = move_from_code(self.moves[ply])
                if ply in self.rows:
                    self._was_choice[ply] = self._is_choice(board, move, self.rows[ply])
                board.push(move)

    def _is_choice(self, board: chess.Board, move: chess.Move, row: int) -> bool:
        if self._columns["kind"][row] not in records.SEARCHED:
            return False
        first, last = self._columns["policy_offset"][row : row + 2]
        prob = self._columns["policy_prob"][first:last]
        played = policy_index(board, move, self._orientation)
        return bool(prob[self._columns["policy_index"][first:last] == played].max() >= prob.max())


def most_men(tables: Tables) -> int:
    """Men of the largest table, kings included."""
    return max((len(name.replace("v", "")) for name in tables.wdl), default=0)


def _exact(board: chess.Board, tables: Tables, has_repeated: bool) -> int | None:
    """White's score with perfect play under the fifty-move rule; None where it is not certain."""
    if board.clean_castling_rights() or board.is_checkmate() or board.is_stalemate():
        return None
    wdl = tables.get_wdl(board)
    if wdl is None:
        return None
    if abs(wdl) < 2:
        return 0
    if board.halfmove_clock:
        dtz = tables.get_dtz(board)
        if dtz is None:
            return None
        plies = abs(dtz) + board.halfmove_clock
        if plies > SURELY_DRAWN:
            return 0
        if plies >= SURELY_WON or has_repeated:
            return None
    return 1 if (wdl > 0) == (board.turn == chess.WHITE) else -1


def _mixed(
    outcome: NDArray[np.float64] | None, search: NDArray[np.float64] | None, frac: float
) -> NDArray[np.float64] | None:
    if outcome is None or search is None:
        return search if outcome is None else outcome
    return (1 - frac) * outcome + frac * search


def _equal(one: NDArray[np.float64] | None, other: NDArray[np.float64] | None) -> bool:
    return one is other or (one is not None and other is not None and bool((one == other).all()))
