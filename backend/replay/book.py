"""Books of openings: PGN games of which the first plies are taken, or lists of EPD and FEN.

Either may be compressed by gzip or zstd.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from backend.errors import ConfigError, ReplayError
from backend.replay.boards import (
    board_from_position,
    move_from_code,
    position_array,
    position_words,
)
from backend.replay.pgn import PgnFault, open_pgn
from backend.replay.source import DAMAGE, decompressed

_PGN_SUFFIXES: Final = (".pgn", ".pgn.gz", ".pgn.zst")
_MAX_EPD_BYTES: Final = 64 << 20

Line = tuple[NDArray[np.uint64], tuple[int, ...]]
"""The position a line begins with, uint64[8], and its moves."""


def read_book(path: Path, plies: int) -> list[Line]:
    """The lines of a book, of at most `plies` moves. ConfigError when it is none."""
    if path.name.endswith(_PGN_SUFFIXES):
        lines = list(_pgn_lines(path, plies))
    else:
        lines = [(position, ()) for position in _epd_positions(path)]
    if not lines:
        raise ConfigError(f"book {path}: there is no opening in it")
    return lines


def _pgn_lines(path: Path, plies: int) -> Iterator[Line]:
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
        with path.open("rb") as raw:
            content = decompressed(raw).read(_MAX_EPD_BYTES + 1)
        text = content.decode("utf-8")
    except (*DAMAGE, UnicodeDecodeError) as error:
        raise ConfigError(f"book {path}: cannot be read: {error}") from error
    if len(content) > _MAX_EPD_BYTES:
        raise ConfigError(f"book {path}: larger than {_MAX_EPD_BYTES >> 20} MiB")
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
