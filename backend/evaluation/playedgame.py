"""A game of a match as data: in the log of a match, and on its way from where it was played."""

from collections.abc import Sequence

import chess
import msgspec

from backend.evaluation.match import MatchGame


class PlayedGame(msgspec.Struct, frozen=True, kw_only=True):
    """A finished `MatchGame`."""

    number: int
    candidate_is_white: bool
    start: str
    """FEN"""
    moves: tuple[str, ...]
    """UCI, those of the opening first."""
    opening_plies: int
    comments: tuple[str, ...]
    white_values: tuple[float | None, ...]
    result: int
    termination: str


def record_of(game: MatchGame) -> PlayedGame:
    """Of a game that is over."""
    assert game.result is not None
    return PlayedGame(
        number=game.number,
        candidate_is_white=game.candidate_is_white,
        start=game.board.root().fen(),
        moves=tuple(move.uci() for move in game.board.move_stack),
        opening_plies=len(game.opening),
        comments=tuple(game.comments),
        white_values=tuple(game.white_values),
        result=game.result,
        termination=game.termination,
    )


def game_of(record: PlayedGame, openings: Sequence[chess.Board]) -> MatchGame | None:
    """The game as it was, all its moves legal; None unless it is one of the match of `openings`."""
    if not 0 <= record.number < 2 * len(openings) or record.result not in (-1, 0, 1):
        return None
    opening = openings[record.number // 2]
    board = opening.root()
    try:
        for uci in record.moves:
            board.push_uci(uci)
    except ValueError:
        return None
    plies = len(opening.move_stack)
    spoken = len(record.moves) - plies
    if (
        record.start != opening.root().fen()
        or board.move_stack[:plies] != opening.move_stack
        or record.opening_plies != plies
        or record.candidate_is_white != (record.number % 2 == 0)
        or not len(record.comments) == len(record.white_values) == spoken
    ):
        return None
    return MatchGame(
        number=record.number,
        opening=list(opening.move_stack),
        candidate_is_white=record.candidate_is_white,
        board=board,
        comments=list(record.comments),
        white_values=list(record.white_values),
        result=record.result,
        termination=record.termination,
    )
