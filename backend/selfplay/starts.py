"""Where games begin, so that the network sees more than its own favourite openings.

By shares: the starting position and a few uniformly random plies (the rest of the share), a line of
a book, plies drawn from the policy of the network alone, or a position that stood on the board in
an earlier game of this process (Go-Exploit, Trudeau & Bowling 2023). A book line or an earlier game
is played again from its own start, so clocks and repetitions are those of a real game.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from backend.config import SelfPlayConfig
from backend.errors import ConfigError, ReplayError
from backend.replay.boards import (
    board_from_position,
    move_from_code,
    position_array,
    position_words,
)
from backend.replay.pgn import PgnFault, open_pgn
from backend.replay.records import (
    ARCHIVED,
    BOOK_OPENING,
    FROM_START,
    NETWORK_OPENING,
    RANDOM_OPENING,
    GameRecord,
)
from model.rules import start_position

_PGN_SUFFIXES: Final = (".pgn", ".pgn.gz", ".pgn.zst")


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
        self._book = _read_book(config) if config.book_frac > 0 else []
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


_Line = tuple[NDArray[np.uint64], tuple[int, ...]]


def _read_book(config: SelfPlayConfig) -> list[_Line]:
    path = Path(config.book_path)
    if path.name.endswith(_PGN_SUFFIXES):
        lines = list(_pgn_lines(path, config.book_plies))
    else:
        lines = [(position, ()) for position in _epd_positions(path)]
    if not lines:
        raise ConfigError(f"book_path = {config.book_path!r}: there is no opening in it")
    return lines


def _pgn_lines(path: Path, plies: int) -> Iterator[_Line]:
    """The first plies of each game, as far as our rules let it go on."""
    try:
        with open_pgn(str(path)) as file:
            for game in file.games():
                if isinstance(game, PgnFault):
                    raise ConfigError(f"book {path}, game {game.number}: {game.reason}")
                board = board_from_position(game.start)
                moves: list[int] = []
                for code in game.moves[:plies]:
                    board.push(move_from_code(code))
                    if _is_over(board):
                        break
                    moves.append(code)
                yield game.start, tuple(moves)
    except ReplayError as error:
        raise ConfigError(f"book: {error}") from error


def _epd_positions(path: Path) -> Iterator[NDArray[np.uint64]]:
    """A position for each line of EPD or FEN; empty lines and those with # are passed over."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"book {path}: cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        board = chess.Board(None, chess960=True)
        try:
            fields = line.split()
            if len(fields) == 6 and fields[4].isdecimal():
                board.set_fen(line)
            else:
                board.set_epd(line)
        except ValueError as error:
            raise ConfigError(f"book {path}, line {number}: {error}") from error
        if not board.is_valid() or _is_over(board):
            raise ConfigError(f"book {path}, line {number}: no game can go on from {line!r}")
        yield position_array(position_words(board))


def _is_over(board: chess.Board) -> bool:
    return (
        not any(board.generate_legal_moves())
        or board.is_insufficient_material()
        or board.halfmove_clock >= 100
        or board.is_repetition(3)
    )
