"""Openings of a match: random plies, or lines of a book; each is used for one pair of games.

An opening is a board with the moves that led to it. No line is used twice before the book is
exhausted.
"""

import random
from pathlib import Path

import chess
import chess.polyglot
import numpy as np
from numpy.typing import NDArray

from backend.config import EvaluationConfig
from backend.errors import ConfigError
from backend.evaluation.referee import verdict
from backend.replay.boards import board_from_position, move_from_code
from backend.replay.book import read_book


def openings_of(config: EvaluationConfig, count: int, seed: int) -> list[chess.Board]:
    """`count` openings as the settings say. ConfigError when they cannot be had."""
    if config.book_path:
        return book_openings(Path(config.book_path), count, config.book_plies, seed)
    try:
        return random_openings(count, config.opening_plies, seed)
    except ValueError as error:
        raise ConfigError(f"[evaluation] opening_plies: {error}") from error


def random_openings(count: int, plies: int, seed: int) -> list[chess.Board]:
    """`count` different positions after `plies` uniformly random moves; none ends the game.

    Raises ValueError where so many different positions do not exist.
    """
    rng = random.Random(seed)
    found: dict[str, chess.Board] = {}
    tries = 0
    while len(found) < count:
        tries += 1
        if tries > 100 * count + 1000:
            raise ValueError(f"{count} different openings of {plies} plies were not found")
        board = chess.Board()
        for _ in range(plies):
            board.push(rng.choice(list(board.legal_moves)))
            if verdict(board) is not None:
                break
        if verdict(board) is None:
            found.setdefault(board.epd(), board)
    return list(found.values())


def book_openings(path: Path, count: int, plies: int, seed: int) -> list[chess.Board]:
    """`count` openings from a book of EPD, FEN, PGN or Polyglot (.bin); `seed` draws their order.

    Of a game, and along a Polyglot book, at most `plies` moves are taken. ConfigError when the book
    cannot be used.
    """
    rng = random.Random(seed)
    if path.suffix == ".bin":
        lines = _polyglot_lines(path, plies)
    else:
        lines = [_board(start, moves) for start, moves in read_book(path, plies)]
    lines = list({board.epd(): board for board in lines if verdict(board) is None}.values())
    if not lines:
        raise ConfigError(f"book {path}: no game can go on from any of its openings")
    openings: list[chess.Board] = []
    while len(openings) < count:
        rng.shuffle(lines)
        openings += (board.copy() for board in lines[: count - len(openings)])
    return openings


def _board(start: NDArray[np.uint64], moves: tuple[int, ...]) -> chess.Board:
    """The end of a line as an engine wants it: castling by the king's own move where it can be."""
    board = board_from_position(start)
    standard = chess.Board(board.fen())
    if not standard.is_valid():
        standard = chess.Board(board.fen(), chess960=True)
    for code in moves:
        move = move_from_code(code)
        standard.push(standard.parse_uci(move.uci()))
    return standard


def _polyglot_lines(path: Path, plies: int) -> list[chess.Board]:
    """All lines of the book that are `plies` long, or end before; each position once."""
    try:
        with chess.polyglot.open_reader(path) as book:
            level = [chess.Board()]
            ends: list[chess.Board] = []
            for _ in range(plies):
                following: dict[int, chess.Board] = {}
                for board in level:
                    moves = [entry.move for entry in book.find_all(board) if entry.weight]
                    if not moves:
                        ends.append(board)
                    for move in moves:
                        after = board.copy()
                        after.push(move)
                        following.setdefault(chess.polyglot.zobrist_hash(after), after)
                level = list(following.values())
    except (OSError, ValueError) as error:
        raise ConfigError(f"book {path}: cannot be read: {error}") from error
    return [board for board in ends + level if board.move_stack]
