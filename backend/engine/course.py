"""A game given as its start and its moves: the position reached, and the keys of those before."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.rules import START_FEN, black_to_move, from_fen, make_move, uci_to_move, zobrist
from model.rules.position import KINGS, STATE, WHITE, has_right, rook_file


@dataclass(frozen=True)
class Game:
    """A position with the game that led to it."""

    start: str = START_FEN
    """FEN."""
    moves: tuple[str, ...] = ()
    """UCI notation."""


class Course:
    """A game that was played through; moves may be added."""

    def __init__(self, start: str) -> None:
        """ValueError when `start` is not the FEN of a position of standard chess."""
        self.start = start
        self.moves: list[str] = []
        self.keys: list[int] = []
        """Zobrist keys of the positions before the present one."""
        self.position = from_fen(start)
        _require_standard_castling(self.position)

    def push(self, move: str) -> int:
        """Make a move; returns it as the rules write it. ValueError when it is not legal."""
        number = uci_to_move(self.position, move)
        after = np.zeros(8, np.uint64)
        make_move(self.position, number, after)
        self.keys.append(int(zobrist(self.position)))
        self.moves.append(move)
        self.position = after
        return number

    def followed_by(self, moves: Sequence[str]) -> "Course":
        """A course that goes on with these moves; this one stays. ValueError for an illegal one."""
        course = copy.copy(self)
        course.moves, course.keys = list(self.moves), list(self.keys)
        for move in moves:
            course.push(move)
        return course

    def leads_to(self, game: Game) -> bool:
        """Whether `game` is this one or goes on from it."""
        return self.start == game.start and list(game.moves[: len(self.moves)]) == self.moves

    @property
    def white_to_move(self) -> bool:
        return not black_to_move(self.position)


def play_through(start: str, moves: Sequence[str]) -> Course:
    """The whole game. ValueError says what is wrong with it."""
    return Course(start).followed_by(moves)


def _require_standard_castling(position: NDArray[np.uint64]) -> None:
    state = position[STATE]
    for right in range(4):
        if not has_right(state, np.uint64(right)):
            continue
        home = 4 if right < 2 else 60
        own = int(position[WHITE]) if right < 2 else ~int(position[WHITE])
        corner = 7 if right % 2 == 0 else 0
        at_home = int(position[KINGS]) & own & 1 << home
        if not at_home or int(rook_file(state, np.uint64(right))) != corner:
            raise ValueError("castling as in Chess960 is not supported")
