"""A match: paired openings with colours swapped, many boards at once, one independent referee.

Every move is checked and every result derived by python-chess from the final position; the players
are only ever asked for moves. An illegal move loses the game and is recorded as such.
"""

import datetime
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import chess
import chess.pgn

from backend.evaluation.adjudication import Adjudicator
from backend.evaluation.players import Forfeit, Player
from backend.evaluation.rating import Elo, elo_of_pairs
from backend.evaluation.referee import PLY_LIMIT, Verdict, verdict

ILLEGAL_MOVE = "illegal-move"


@dataclass(kw_only=True)
class MatchGame:
    """One game; `result` is White's: 1, 0 or -1."""

    number: int
    opening: list[chess.Move]
    candidate_is_white: bool
    board: chess.Board = field(default_factory=chess.Board)
    comments: list[str] = field(default_factory=list)
    """One for each move after the opening."""
    white_values: list[float | None] = field(default_factory=list)
    """White's expected score, -1 to 1, by whoever made the move; one for each, as the comments."""
    result: int | None = None
    termination: str = ""

    @property
    def candidate_points(self) -> float:
        """1, 0.5 or 0 for the candidate."""
        assert self.result is not None
        return 0.5 + (self.result if self.candidate_is_white else -self.result) / 2


@dataclass(frozen=True, kw_only=True)
class MatchScore:
    """A finished match from the candidate's side."""

    wins: int
    draws: int
    losses: int
    truncated: int
    """Games cut at the ply limit, which count as draws."""
    pairs: tuple[int, int, int, int, int]
    elo: Elo

    @property
    def score(self) -> float:
        """Share of the points (0 to 1)."""
        return (self.wins + self.draws / 2) / (self.wins + self.draws + self.losses)


def play_match(
    candidate: Player,
    opponent: Player,
    openings: Sequence[chess.Board],
    *,
    max_plies: int,
    slots: int,
    adjudicator: Adjudicator | None = None,
    played: Sequence[MatchGame] = (),
    on_game: Callable[[list[MatchGame]], None] | None = None,
    on_step: Callable[[], bool] | None = None,
) -> list[MatchGame] | None:
    """Play each opening twice, the candidate with White first, then with Black.

    An opening is a board with the moves that led to it.

    Raises ValueError for an opening after which there is nothing left to play.

    `played` are games of an earlier start, which are not played again.

    At most `slots` games run at once; both players must have room for them. `on_game` gets all
    games finished so far whenever one ends; `on_step` is called after each ply on all boards and
    may return False to break the match off: then None is returned.
    """
    for opening in openings:
        _check_opening(opening, max_plies)
    known = {game.number for game in played}
    waiting = [
        MatchGame(
            number=2 * k + side,
            opening=list(opening.move_stack),
            candidate_is_white=side == 0,
            board=opening.copy(),
        )
        for k, opening in enumerate(openings)
        for side in (0, 1)
        if 2 * k + side not in known
    ]
    waiting.reverse()
    seats: dict[int, MatchGame] = {}
    finished = list(played)
    if finished and on_game is not None:
        on_game(finished)
    while waiting or seats:
        for slot in range(slots):
            if slot not in seats and waiting:
                game = waiting.pop()
                for player in (candidate, opponent):
                    player.start(slot, game.board)
                seats[slot] = game
        ended = _play_one_ply(candidate, opponent, seats, max_plies, adjudicator)
        for slot in ended:
            finished.append(seats.pop(slot))
        if ended and on_game is not None:
            on_game(finished)
        if on_step is not None and not on_step():
            return None
    return sorted(finished, key=lambda game: game.number)


def _check_opening(board: chess.Board, max_plies: int) -> None:
    if len(board.move_stack) >= max_plies or verdict(board) is not None:
        line = board.root().variation_san(board.move_stack)
        raise ValueError(
            f"opening {line!r} leaves nothing to play in a game of at most {max_plies} plies"
        )


def _play_one_ply(
    candidate: Player,
    opponent: Player,
    seats: dict[int, MatchGame],
    max_plies: int,
    adjudicator: Adjudicator | None,
) -> list[int]:
    """One move on every board; returns the slots whose game has ended."""
    ended = []
    for player in (candidate, opponent):
        slots = [
            slot
            for slot, game in seats.items()
            if ((game.board.turn == chess.WHITE) == game.candidate_is_white)
            == (player is candidate)
        ]
        moved = [slot for slot in slots if len(seats[slot].board.move_stack) < max_plies]
        boards = [seats[slot].board for slot in moved]
        moves = player.think(moved, boards) if moved else []
        for slot, move in zip(moved, moves, strict=True):
            game = seats[slot]
            if isinstance(move, Forfeit) or not game.board.is_legal(move):
                reason = move.reason if isinstance(move, Forfeit) else ILLEGAL_MOVE
                _end(game, Verdict(-1 if game.board.turn == chess.WHITE else 1, reason))
                ended.append(slot)
                continue
            value = player.value(slot)
            if value is not None and game.board.turn == chess.BLACK:
                value = -value
            game.board.push(move)
            game.comments.append(player.comment(slot))
            game.white_values.append(value)
            for other in (candidate, opponent):
                other.played(slot, move)
            found = verdict(game.board)
            if found is None and adjudicator is not None:
                found = adjudicator.judge(game.board, game.white_values)
            if found is None and len(game.board.move_stack) >= max_plies:
                found = Verdict(0, PLY_LIMIT)
            if found is not None:
                _end(game, found)
                ended.append(slot)
        if player is candidate:
            # A board where the candidate has just moved waits for the next round.
            seats = {slot: game for slot, game in seats.items() if slot not in slots}
    return ended


def _end(game: MatchGame, found: Verdict) -> None:
    game.result = found.result
    game.termination = found.termination


def score_of(games: Sequence[MatchGame]) -> MatchScore:
    """Add up the finished games of whole pairs; a game without its counterpart is left out."""
    numbers = {game.number for game in games}
    games = [game for game in games if game.number ^ 1 in numbers]
    points = {game.number: game.candidate_points for game in games}
    pairs = [0] * 5
    for number, first in points.items():
        if number % 2 == 0:
            pairs[round(2 * (first + points[number + 1]))] += 1
    values = list(points.values())
    return MatchScore(
        wins=values.count(1.0),
        draws=values.count(0.5),
        losses=values.count(0.0),
        truncated=sum(game.termination == PLY_LIMIT for game in games),
        pairs=(pairs[0], pairs[1], pairs[2], pairs[3], pairs[4]),
        elo=elo_of_pairs(pairs),
    )


def to_pgn(
    games: Sequence[MatchGame],
    candidate: str,
    opponent: str,
    event: str,
    budgets: tuple[str, str] = ("", ""),
) -> str:
    """All games as PGN text, with the players' comments and how each game ended.

    `budgets`: what candidate and opponent may spend on a move, and an engine's version.
    """
    out = io.StringIO()
    date = datetime.datetime.now(datetime.UTC).strftime("%Y.%m.%d")
    for game in games:
        pgn = chess.pgn.Game()
        pgn.setup(game.board.root())
        white, black = (candidate, opponent) if game.candidate_is_white else (opponent, candidate)
        result = {1: "1-0", 0: "1/2-1/2", -1: "0-1", None: "*"}[game.result]
        pgn.headers.update(
            Event=event,
            Site="Matrix0",
            Date=date,
            Round=f"{game.number // 2 + 1}.{game.number % 2 + 1}",
            White=white,
            Black=black,
            Result=result,
        )
        pgn.headers["Termination"] = game.termination
        spent = budgets if game.candidate_is_white else budgets[::-1]
        for side, budget in zip(("White", "Black"), spent, strict=True):
            if budget:
                pgn.headers[f"{side}Budget"] = budget
        node: chess.pgn.GameNode = pgn
        for ply, move in enumerate(game.board.move_stack):
            node = node.add_variation(move)
            spoken = ply - len(game.opening)
            node.comment = "opening" if spoken < 0 else game.comments[spoken]
        print(pgn, file=out, end="\n\n")
    return out.getvalue()
