"""The games of a match that is not over yet, so that it can go on where it stopped.

    games/match-12.jsonl     what the match is, then a line for each game that ended

Each line carries the checksum of what it says and is on disk before the game counts (see
`backend/checkedlines.py`). Of a damaged line the game is played again. When the match is over its
games are a PGN, and this file is removed.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import chess
import msgspec

from backend.checkedlines import CheckedLines
from backend.evaluation.match import MatchGame
from backend.evaluation.playedgame import PlayedGame, game_of, record_of

_decoder: msgspec.json.Decoder[PlayedGame] = msgspec.json.Decoder(PlayedGame)


class MatchLog:
    """Keeps the finished games of one match in `path`."""

    def __init__(self, path: Path, identity: str, openings: Sequence[chess.Board]) -> None:
        """`identity` names players, budgets and all else that makes the match what it is.

        `finished` are the games of an earlier start; each began with its opening and is legal.
        """
        self.finished: list[MatchGame] = []
        self._numbers: set[int] = set()
        self._lines = CheckedLines(path, identity)
        self.num_damaged = self._lines.num_damaged
        """Lines that cannot be used; a game that one of them held is played again."""
        for said in self._lines.found:
            game = _game(said, openings)
            if game is None:
                self.num_damaged += 1
            elif game.number not in self._numbers:
                self.finished.append(game)
                self._numbers.add(game.number)

    def hear(self, finished: Sequence[MatchGame]) -> None:
        """Use as `on_game` of the match: all games that have ended, of this start and before."""
        for game in finished:
            if game.number not in self._numbers:
                self._lines.append([msgspec.json.encode(record_of(game))])
                self._numbers.add(game.number)

    def remove(self) -> None:
        """The match is over and its games are kept elsewhere."""
        self._lines.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.close()


def _game(said: bytes, openings: Sequence[chess.Board]) -> MatchGame | None:
    """The game as it was; None unless it is one of this match."""
    try:
        return game_of(_decoder.decode(said), openings)
    except (msgspec.MsgspecError, RecursionError):
        return None
