"""Where games begin, so that the network sees more than its own favourite openings.

By shares: the starting position and a few uniformly random plies (the rest of the share), a line of
a book, plies drawn from the policy of the network alone, or a position that stood on the board in
an earlier game of this process (Go-Exploit, Trudeau & Bowling 2023). A book line or an earlier game
is played again from its own start, so clocks and repetitions are those of a real game.
"""

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.config import SelfPlayConfig
from backend.replay.book import read_book
from backend.replay.records import (
    ARCHIVED,
    BOOK_OPENING,
    FROM_START,
    NETWORK_OPENING,
    RANDOM_OPENING,
    GameRecord,
)
from model.rules import start_position


@dataclass(frozen=True, slots=True)
class Opening:
    """How a game begins: known moves first, then random or network plies, then searches."""

    start: NDArray[np.uint64]
    origin: int
    """FROM_START and its like."""
    moves: tuple[int, ...] = ()
    """Moves of a book or of an earlier game; they never end the game."""
    random_plies: int = 0
    network_plies: int = 0


class Starts:
    """Draws the openings of new games; owns the book and the archive."""

    def __init__(self, config: SelfPlayConfig) -> None:
        """ConfigError when the book cannot be used."""
        self._config = config
        self._book = (
            read_book(Path(config.book_path), config.book_plies) if config.book_frac > 0 else []
        )
        self._archive: deque[GameRecord] = deque(maxlen=config.archive_games)

    def remember(self, game: GameRecord) -> None:
        """Let later games begin with a part of this one."""
        if self._config.archive_frac > 0 and _last_fork(game, self._config) > 0:
            self._archive.append(replace(game, samples=()))

    def draw(self, rng: np.random.Generator) -> Opening:
        """The opening of a new game. While the archive is empty its share goes to random plies."""
        config = self._config
        shares = np.cumsum([config.book_frac, config.network_opening_frac, config.archive_frac])
        chosen = int(np.searchsorted(shares, rng.random(), side="right")) if shares[-1] > 0 else 3
        if chosen == 0:
            start, moves = self._book[int(rng.integers(len(self._book)))]
            return Opening(start, BOOK_OPENING, moves)
        if chosen == 1:
            plies = int(rng.integers(1, config.network_opening_plies + 1))
            return Opening(start_position(), NETWORK_OPENING, network_plies=plies)
        if chosen == 2 and self._archive:
            game = self._archive[int(rng.integers(len(self._archive)))]
            ply = int(rng.integers(1, _last_fork(game, config) + 1))
            return Opening(game.start, ARCHIVED, tuple(game.moves[:ply]))
        plies = int(rng.integers(config.opening_plies + 1))
        origin = RANDOM_OPENING if plies else FROM_START
        return Opening(start_position(), origin, random_plies=plies)


def _last_fork(game: GameRecord, config: SelfPlayConfig) -> int:
    """The last ply of a game at which another may begin: not over, and with plies left to play."""
    return min(len(game.moves) - 1, config.max_plies // 2)
