"""Games that end before the rules end them, because both sides agree or because it is known.

    resign      for n moves of each side in a row, both expected one side to score that much
    draw        both expected as good as nothing for either, and the game is old enough
    tablebase   Syzygy tables know the position

The referee only reads what the players say of their moves; one that says nothing never agrees.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import chess

from backend.evaluation.config import AdjudicationConfig
from backend.evaluation.referee import Verdict
from backend.replay.records import BLACK_WON, DRAW, WHITE_WON
from backend.replay.tablebase import Tablebase

RESIGNED: Final = "resign-agreed"
DRAWN: Final = "draw-agreed"
TABLEBASE: Final = "tablebase"
_RESULTS: Final = {WHITE_WON: 1, DRAW: 0, BLACK_WON: -1}


class Adjudicator:
    """Judges the games of a match by its settings."""

    def __init__(self, config: AdjudicationConfig) -> None:
        """ConfigError when there are no tables where it says."""
        self._config = config
        self._tables = None
        if config.syzygy_path:
            self._tables = Tablebase(Path(config.syzygy_path), config.syzygy_men)

    def judge(self, board: chess.Board, white_values: Sequence[float | None]) -> Verdict | None:
        """A verdict on a game that goes on by the rules, or None.

        `white_values` are White's expected scores, -1 to 1, by each move so far, of both sides.
        """
        if self._tables is not None and (known := self._tables.result(board)) is not None:
            return Verdict(_RESULTS[known], TABLEBASE)
        config = self._config
        if config.resign_score:
            last = _last(white_values, 2 * config.resign_moves)
            if last and min(last) >= config.resign_score:
                return Verdict(1, RESIGNED)
            if last and max(last) <= -config.resign_score:
                return Verdict(-1, RESIGNED)
        if config.draw_score and len(board.move_stack) >= config.draw_after_plies:
            last = _last(white_values, 2 * config.draw_moves)
            if last and max(map(abs, last)) <= config.draw_score:
                return Verdict(0, DRAWN)
        return None


def _last(values: Sequence[float | None], count: int) -> list[float]:
    """The last `count` values if there are so many and all are known, else nothing."""
    last = [value for value in values[-count:] if value is not None]
    return last if len(last) == count else []
