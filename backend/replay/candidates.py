"""What files of others hold, one after the other: games, puzzles, tasks, each with its hash.

What is not asked for is counted, what cannot be used is refused with a reason; the arrays of a
lesson are made only when it is wanted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from backend.evaluation.epd import EpdFault, Task, tasks_of
from backend.limits_config import LimitsConfig
from backend.ranges import require as _require
from backend.replay import records
from backend.replay.boards import position_array, position_words
from backend.replay.collecting import Lesson
from backend.replay.gamereader import FoundGame, Place, found_games
from backend.replay.knowngames import game_hash, task_hash
from backend.replay.pgn import MAX_RATING, PgnFault, PgnFile, code_of
from backend.replay.played import NO_EVAL, Play, play_codes, room_for
from backend.replay.provenance import Source
from backend.replay.puzzles import MAX_MOVES, Puzzle, PuzzleFault, puzzles_of
from model.config import Orientation
from model.rules import MAX_LEGAL_MOVES, Outcome, Position, legal_moves, to_fen


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which games are wanted."""

    min_rating: int = 0
    """Of a puzzle, or the mean of the players; 0: also games of which nobody knows it."""
    max_rating: int = MAX_RATING
    """MAX_RATING: any."""
    min_plies: int = 1
    """Length of a game of PGN."""
    max_plies: int = records.MAX_PLIES
    from_ply: int = 0
    """Earlier positions of a game of PGN are not learned from."""

    def __post_init__(self) -> None:
        _require(
            0 <= self.min_rating <= self.max_rating <= MAX_RATING,
            "min_rating",
            self.min_rating,
            f"0 to max_rating, and that at most {MAX_RATING}",
        )
        _require(
            1 <= self.min_plies <= self.max_plies, "min_plies", self.min_plies, "1 to max_plies"
        )
        _require(self.from_ply >= 0, "from_ply", self.from_ply, "must not be negative")

    def wants_rating(self, rating: int) -> bool:
        """0 is the rating of what has none."""
        return self.min_rating <= rating <= self.max_rating


NO_FILTERS: Final = Filters()


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is wanted of a file, and from where on."""

    source: Source
    """What its games shall name."""
    limits: LimitsConfig
    orientation: Orientation
    filters: Filters
    place: Place


class ResultError(Exception):
    """The result that the file names cannot be that of the final position."""


@dataclass(slots=True)
class Candidate:
    """A game that could be read."""

    number: int
    offset: int
    digest: bytes
    lesson: Callable[[], Lesson] | None
    """Makes it, before the next candidate is asked for; ResultError. None: it is not wanted."""
    play: Play
    """Its moves, once the lesson was made."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A game that could not, and why."""

    number: int
    offset: int
    reason: str


def pgn_candidates(file: PgnFile, asked: Asked) -> Iterator[Candidate | Refusal]:
    """Games: the moves that were played, how it ended, and what `[%eval]` says."""
    filters, offset = asked.filters, asked.place.offset
    for found in found_games(file, asked.limits, asked.orientation, asked.place):
        if isinstance(found, PgnFault):
            yield Refusal(found.number, offset, found.reason)
            continue
        offset = found.offset
        play = found.play
        if play.is_all_book:
            yield Refusal(found.number, offset, "every move is a book move: nothing to learn")
            continue
        if filters.from_ply:
            play.is_book[: filters.from_ply] = True
        wants = (
            filters.wants_rating(found.rating)
            and filters.min_plies <= play.num_plies <= filters.max_plies
            and not (filters.from_ply and play.is_all_book)
        )
        digest = game_hash(found.start, play.moves[: play.num_plies])

        def lesson(found: FoundGame = found) -> Lesson:
            outcome, result = _settle(found.play, found.result)
            return Lesson(
                start=found.start,
                kind=records.PLAYED_MOVE,
                outcome=outcome,
                result=result,
                source=asked.source,
                number=found.number,
                rating=found.rating,
            )

        yield Candidate(found.number, offset, digest, lesson if wants else None, play)


def puzzle_candidates(file: PgnFile, asked: Asked) -> Iterator[Candidate | Refusal]:
    """Puzzles: the solver's moves, and that he wins where the last of them mates."""
    play = room_for(MAX_MOVES)
    most, passed_over = asked.limits.puzzles, asked.place.number
    for found in puzzles_of(file.name, file.stream(), most, passed_over=passed_over):
        if isinstance(found, PuzzleFault):
            yield Refusal(found.line, 0, found.reason)
            continue
        board = found.board.root()
        start = position_array(position_words(board))
        codes = []
        for move in (found.board.peek(), *found.solution):
            codes.append(code_of(board, move))
            board.push(move)
        moves = np.array(codes, np.uint16)

        def lesson(
            found: Puzzle = found, start: np.ndarray = start, moves: np.ndarray = moves
        ) -> Lesson:
            _play(moves, start, play, asked)
            play.is_book[: len(moves) : 2] = True
            outcome, result = _settle(play, records.NO_RESULT)
            return Lesson(
                start=start,
                kind=records.SOLUTION,
                outcome=outcome,
                result=result,
                origin=records.ARCHIVED,
                opening_plies=1,
                source=asked.source,
                number=found.line,
                rating=found.rating,
                themes=tuple(dict.fromkeys(found.themes)),
            )

        is_wanted = asked.filters.wants_rating(found.rating)
        digest = game_hash(start, moves)
        yield Candidate(found.line, 0, digest, lesson if is_wanted else None, play)


def epd_candidates(file: PgnFile, asked: Asked) -> Iterator[Candidate | Refusal]:
    """Tasks: each move as often as it has points, and what `ce` or `dm` say of the position."""
    play = room_for(1)
    for found in tasks_of(file.name, file.stream(), passed_over=asked.place.number):
        if isinstance(found, EpdFault):
            yield Refusal(found.line, 0, found.reason)
        elif found.otherwise:
            yield Refusal(found.line, 0, "only moves to avoid: no move to learn")
        elif found.board.has_chess960_castling_rights():
            yield Refusal(found.line, 0, "castling rights of Chess960")
        else:
            start = position_array(position_words(found.board))

            def lesson(found: Task = found, start: np.ndarray = start) -> Lesson:
                return _task_lesson(play, found, start, asked)

            yield Candidate(found.line, 0, task_hash(start), lesson, play)


def _play(codes: NDArray[np.uint16], start: Position, play: Play, asked: Asked) -> None:
    """ResultError where what python-chess found legal is not so for us."""
    if not play_codes(codes, start, play, is_turned=asked.orientation == "mover"):
        raise ResultError("our rules and python-chess disagree, please report it")


def _task_lesson(play: Play, task: Task, start: Position, asked: Asked) -> Lesson:
    points = {code_of(task.board, move): points for move, points in task.points.items()}
    best = max(points, key=lambda code: points[code])
    _play(np.array([best], np.uint16), start, play, asked)
    legal = np.empty(MAX_LEGAL_MOVES, np.uint16)
    num = legal_moves(start, legal)
    prob = np.array([points.get(int(code), 0.0) for code in legal[:num]])
    cp = task.value_cp
    white_cp = NO_EVAL if cp is None else (cp if task.board.turn == chess.WHITE else -cp)
    return Lesson(
        start=start,
        prob=(prob / prob.sum()).astype(np.float16),
        eval_cp=white_cp,
        kind=records.SOLUTION,
        outcome=records.TRUNCATED,
        result=records.NO_RESULT,
        source=asked.source,
        number=task.line,
        themes=(task.theme,) if task.theme else (),
    )


def _settle(play: Play, said: int) -> tuple[int, int]:
    """Outcome and result; a mate, stalemate or bare kings on the board overrule an open result.

    Fifty moves and repetition end nothing by themselves: a player has to claim them.
    """
    if play.is_mate:
        outcome = Outcome.CHECKMATE
        result = records.WHITE_WON if int(play.end[7]) & 1 else records.BLACK_WON
    elif play.is_stalemate:
        outcome, result = Outcome.STALEMATE, records.DRAW
    elif play.is_dead:
        outcome, result = Outcome.INSUFFICIENT, records.DRAW
    elif said == records.NO_RESULT:
        return records.TRUNCATED, records.NO_RESULT
    elif said == records.DRAW and play.halfmoves >= 100:
        return Outcome.FIFTY_MOVES, records.DRAW
    elif said == records.DRAW and play.repetitions >= 2:
        return Outcome.THREEFOLD, records.DRAW
    else:
        return records.EXTERNAL, said
    if said not in (result, records.NO_RESULT):
        what = f"{outcome.name.lower()} on the board ({to_fen(play.end)})"
        raise ResultError(f"its result is wrong: {what}")
    return outcome, result
