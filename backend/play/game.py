"""One game of a person: its moves, what was thought of them, how it ended, and its PGN.

The result is python-chess's verdict on the board, or what a player declared: nobody else's opinion.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

import chess
import chess.pgn

from backend.errors import Matrix0Error, ReplayError
from backend.evaluation.referee import Verdict, verdict
from backend.play.clock import TimeControl, read_tag
from backend.play.openings import opening_of
from backend.replay.gametext import read_game

RESIGNED: Final = "resignation"
AGREED: Final = "agreement"
TIME: Final = "time forfeit"
_RESULTS: Final = {1: "1-0", 0: "1/2-1/2", -1: "0-1"}
_SAID: Final = {
    "checkmate": "checkmate",
    "stalemate": "stalemate",
    "insufficient": "too little material to mate",
    "fifty-moves": "fifty moves without capture or pawn move",
    "threefold": "the position stands for the third time",
    RESIGNED: "resignation",
    AGREED: "agreement",
    TIME: "out of time",
}
_DECLARED: Final = (RESIGNED, AGREED, TIME)
_VALUE: Final = re.compile(r"V ([+-]\d+\.\d+)\b")
MAX_PGN_BYTES: Final = 4 << 20


class PgnError(Matrix0Error):
    """A PGN file cannot be read as a game of standard chess."""


@dataclass
class Game:
    """Owns the board; every move goes through `play`."""

    board: chess.Board = field(default_factory=chess.Board)
    human: chess.Color | None = chess.WHITE
    """None: both sides are moved by hand."""
    opponent: str = ""
    """For the PGN and the title."""
    declared: Verdict | None = None
    """A resignation, a draw agreed, or time that was up."""
    control: TimeControl | None = None
    """None: without a clock."""
    clocks: dict[int, float] = field(default_factory=dict)
    """Seconds that the mover has left after so many plies; only with a clock."""
    values: dict[int, float] = field(default_factory=dict)
    """White's expected score, -1 to 1, after so many plies; only where somebody judged."""

    @property
    def ending(self) -> Verdict | None:
        """How it ended; None while it goes on."""
        return verdict(self.board) or self.declared

    @property
    def result(self) -> str:
        return "*" if self.ending is None else _RESULTS[self.ending.result]

    @property
    def is_humans_turn(self) -> bool:
        return self.ending is None and self.human in (None, self.board.turn)

    @property
    def ply(self) -> int:
        return len(self.board.move_stack)

    def play(self, move: chess.Move) -> None:
        """Make a legal move."""
        assert self.ending is None, "the game is over"
        assert self.board.is_legal(move), f"{move} is not legal"
        self.board.push(move)

    def take_back(self) -> int:
        """Undo up to and including the person's last move; returns the number of plies undone."""
        wanted = self.human if self.human is not None else not self.board.turn
        undone = 0
        self.declared = None
        while self.board.move_stack:
            self._pop()
            undone += 1
            if self.board.turn == wanted:
                break
        return undone

    def _pop(self) -> None:
        self.values.pop(self.ply, None)
        self.clocks.pop(self.ply, None)
        self.board.pop()

    @property
    def can_take_back(self) -> bool:
        """Whether the person has made a move."""
        return self.ply > (0 if self.human is None or self.board.root().turn == self.human else 1)

    def resign(self, side: chess.Color) -> None:
        self.declared = Verdict(-1 if side == chess.WHITE else 1, RESIGNED)

    def agree_draw(self) -> None:
        self.declared = Verdict(0, AGREED)

    def flag(self, side: chess.Color) -> None:
        """The time of `side` is up: it loses, unless the other one could never mate it."""
        other = not side
        lost = -1 if side == chess.WHITE else 1
        self.declared = Verdict(0 if self.board.has_insufficient_material(other) else lost, TIME)

    def time_left(self) -> dict[chess.Color, float]:
        """What both clocks show in the present position."""
        assert self.control is not None, "a game without a clock"
        first = self.board.root().turn
        left = {chess.WHITE: self.control.base_s, chess.BLACK: self.control.base_s}
        for ply in range(1, self.ply + 1):
            if ply in self.clocks:
                left[first if ply % 2 else not first] = self.clocks[ply]
        return left

    def sans(self) -> list[str]:
        """The moves in SAN."""
        board = self.board.root()
        sans = []
        for move in self.board.move_stack:
            sans.append(board.san_and_push(move))
        return sans

    def at(self, ply: int) -> chess.Board:
        """The board after `ply` half-moves; a copy."""
        board = self.board.copy()
        for _ in range(self.ply - ply):
            board.pop()
        return board

    # PGN -----------------------------------------------------------------------------------------

    def to_pgn(self, today: date, *, human: str = "you", event: str = "Matrix0, by hand") -> str:
        """With White's expected score after each judged move as a comment: V +0.12; and clocks."""
        game = chess.pgn.Game.from_board(self.board)
        opponent = self.opponent or "analysis"
        sides = {chess.WHITE: opponent, chess.BLACK: opponent}
        if self.human is not None:
            sides[self.human] = human
        game.headers["Event"] = event
        game.headers["Site"] = "?"
        game.headers["Date"] = today.strftime("%Y.%m.%d")
        game.headers["White"], game.headers["Black"] = sides[chess.WHITE], sides[chess.BLACK]
        game.headers["Result"] = self.result
        if self.ending is not None:
            game.headers["Termination"] = self.ending.termination
        if self.control is not None:
            game.headers["TimeControl"] = self.control.tag
        if opening := opening_of(self.board):
            game.headers["ECO"], game.headers["Opening"] = opening
        for node in game.mainline():
            ply = node.ply() - game.ply()
            if ply in self.values:
                node.comment = f"V {self.values[ply]:+.2f}"
            if ply in self.clocks:
                node.set_clock(round(self.clocks[ply], 1))
        return f"{game}\n"


def ending_in_words(ending: Verdict) -> str:
    """'0-1: checkmate'."""
    if ending == Verdict(0, TIME):
        return f"{_RESULTS[0]}: out of time, and the other side has too little material to mate"
    return f"{_RESULTS[ending.result]}: {_SAID[ending.termination]}"


def read_pgn(text: str, where: str) -> Game:
    """The first game of a PGN. PgnError when it is none, or none of standard chess.

    Its moves decide how it ended; its Result tag counts only for what the board cannot know.
    """
    try:
        parsed = read_game(text)
    except ReplayError as error:
        raise PgnError(f"{where}: {error}") from error
    if parsed.errors:
        raise PgnError(f"{where}: {parsed.errors[0]}")
    board = parsed.end().board()
    if type(board) is not chess.Board or board.chess960:
        raise PgnError(f"{where}: not a game of standard chess")
    if not board.is_valid():
        raise PgnError(f"{where}: not a position of standard chess")
    headers = parsed.headers
    humans = [c for c in (chess.WHITE, chess.BLACK) if headers[_tag(c)] == "you"]
    game = Game(board=board, human=humans[0] if humans else None)
    game.opponent = headers[_tag(not game.human)] if game.human is not None else ""
    game.values = dict(_values(parsed))
    game.control = read_tag(headers.get("TimeControl", ""))
    if game.control is not None:
        game.clocks = dict(_clocks(parsed))
    game.declared = _declared(headers)
    return game


def _tag(side: chess.Color) -> Literal["White", "Black"]:
    return "White" if side == chess.WHITE else "Black"


def _values(parsed: chess.pgn.Game) -> Mapping[int, float]:
    """What `to_pgn` wrote in the comments."""
    found = {}
    for node in parsed.mainline():
        if written := _VALUE.match(node.comment):
            found[node.ply() - parsed.ply()] = min(1.0, max(-1.0, float(written.group(1))))
    return found


def _clocks(parsed: chess.pgn.Game) -> Mapping[int, float]:
    found = {}
    for node in parsed.mainline():
        left_s = node.clock()
        if left_s is not None:
            found[node.ply() - parsed.ply()] = left_s
    return found


def _declared(headers: chess.pgn.Headers) -> Verdict | None:
    if headers.get("Termination") not in _DECLARED:
        return None
    results = {text: number for number, text in _RESULTS.items()}
    result = results.get(headers["Result"])
    return None if result is None else Verdict(result, headers["Termination"])
