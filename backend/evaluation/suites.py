"""Test suites put to a player: many positions at once, like the boards of a match.

Diagnosis only. A suite says what a network sees, not how strong it is: never choose one by it.

A puzzle is solved when every move of the solver is found; another move that mates is right too.
The rating of a player at puzzles is the one at which it would solve half of those rated the same,

    P(solved) = 1 / (1 + 10 ^ ((puzzle - player) / 400)),

fitted by maximum likelihood, its 95 % interval from the curvature of the likelihood there.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import chess

from backend.evaluation.epd import Task
from backend.evaluation.players import Forfeit, Player
from backend.replay.puzzles import Puzzle

BAND: Final = 400
"""Width of a rating band."""
MAX_RATING: Final = 4000.0
_Z95: Final = 1.959964
_ELO: Final = math.log(10) / 400

OnDone = Callable[[int, int], None]
"""Told how many tasks are done, of how many."""


class Share(NamedTuple):
    """A share of tasks with its 95 % interval (Wilson 1927), each 0 to 1."""

    of: int
    """Tasks."""
    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A puzzle, and whether it was solved."""

    rating: int
    themes: tuple[str, ...]
    is_solved: bool


def answer_tasks(
    player: Player, tasks: Sequence[Task], *, slots: int, on_done: OnDone | None = None
) -> list[float]:
    """The points of each task, 0 to 1."""
    points: list[float] = []
    for first in range(0, len(tasks), slots):
        part = tasks[first : first + slots]
        moves = _ask(player, [task.board for task in part])
        points += [
            0.0 if isinstance(move, Forfeit) else task.points.get(move, task.otherwise)
            for task, move in zip(part, moves, strict=True)
        ]
        if on_done is not None:
            on_done(len(points), len(tasks))
    return points


def solve_puzzles(
    player: Player, puzzles: Sequence[Puzzle], *, slots: int, on_done: OnDone | None = None
) -> list[Solved]:
    """Every puzzle, played until a move of the solver is wrong or none is left."""
    solved: list[Solved] = []
    for first in range(0, len(puzzles), slots):
        part = puzzles[first : first + slots]
        boards = [puzzle.board.copy() for puzzle in part]
        going = dict.fromkeys(range(len(part)), 0)
        won: set[int] = set()
        while going:
            asked = list(going)
            moves = _ask(player, [boards[k] for k in asked])
            for k, move in zip(asked, moves, strict=True):
                ply, solution = going.pop(k), part[k].solution
                if isinstance(move, Forfeit):
                    continue
                if move != solution[ply]:
                    boards[k].push(move)
                    if boards[k].is_checkmate():
                        won.add(k)
                elif ply + 1 == len(solution):
                    won.add(k)
                else:
                    boards[k].push(move)
                    boards[k].push(solution[ply + 1])
                    going[k] = ply + 2
        solved += [
            Solved(rating=puzzle.rating, themes=puzzle.themes, is_solved=k in won)
            for k, puzzle in enumerate(part)
        ]
        if on_done is not None:
            on_done(len(solved), len(puzzles))
    return solved


def _ask(player: Player, boards: Sequence[chess.Board]) -> Sequence[chess.Move | Forfeit]:
    """A move for each board, none of which the player has seen before."""
    slots = range(len(boards))
    for slot, board in zip(slots, boards, strict=True):
        player.start(slot, board)
    return player.think(slots, boards)


def puzzle_rating(solved: Sequence[Solved]) -> tuple[float, float, float]:
    """The fitted rating with the ends of its interval, cut at 0 and 4000.

    Where all or none were solved there is no estimate but a bound: the other end is the cut.
    """
    ratings = [one.rating for one in solved]
    right = sum(one.is_solved for one in solved)
    if not solved:
        raise ValueError("no puzzles")

    def expected(rating: float) -> float:
        return sum(_chance(rating, puzzle) for puzzle in ratings)

    low, high = 0.0, MAX_RATING
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) < right else (low, middle)
    rating = (low + high) / 2
    information = sum(_chance(rating, p) * (1 - _chance(rating, p)) for p in ratings) * _ELO**2
    margin = _Z95 / math.sqrt(information) if information > 0 else MAX_RATING
    return rating, max(0.0, rating - margin), min(MAX_RATING, rating + margin)


def _chance(player: float, puzzle: float) -> float:
    return 1 / (1 + 10 ** ((puzzle - player) / 400))


def by_band(solved: Iterable[Solved]) -> dict[int, Share]:
    """Shares solved of the puzzles from each multiple of BAND to the next."""
    bands: dict[int, list[bool]] = {}
    for one in solved:
        bands.setdefault(one.rating // BAND * BAND, []).append(one.is_solved)
    return {band: share_of(sum(found), len(found)) for band, found in sorted(bands.items())}


def by_theme(solved: Iterable[Solved]) -> dict[str, Share]:
    """Shares solved of each theme, most frequent themes first."""
    themes: dict[str, list[bool]] = {}
    for one in solved:
        for theme in one.themes:
            themes.setdefault(theme, []).append(one.is_solved)
    ordered = sorted(themes.items(), key=lambda item: (-len(item[1]), item[0]))
    return {theme: share_of(sum(found), len(found)) for theme, found in ordered}


def share_of(right: float, count: int) -> Share:
    """`right` of `count`; points may be parts of one."""
    if count == 0:
        return Share(0, 0.0, 0.0, 1.0)
    share = right / count
    centre = (share + _Z95**2 / (2 * count)) / (1 + _Z95**2 / count)
    margin = math.sqrt(share * (1 - share) / count + _Z95**2 / (4 * count**2))
    margin *= _Z95 / (1 + _Z95**2 / count)
    return Share(count, share, max(0.0, centre - margin), min(1.0, centre + margin))
