"""A playing hall: one process somewhere in which games of a match are played, by both players.

Pieces of matches come on stdin, games go out on stdout as they end. It keeps nothing, and ends with
its stdin.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import chess
import msgspec

from backend.config import Config
from backend.errors import ExitCode, Matrix0Error
from backend.evaluation.adjudication import Adjudicator
from backend.evaluation.club import Club
from backend.evaluation.match import MatchGame, play_match
from backend.evaluation.playedgame import record_of
from backend.evaluation.players import Player
from backend.hall.words import Ended, Open, Opening, Order, Said, Seated, Seats, Sorry, Thinking
from backend.processes import end_with_parent
from backend.rundir import RunDirectory
from backend.text import clean

SIGN_OF_LIFE_S: Final = 5.0

Say = Callable[[Said], None]


def main(run: Path) -> int:
    """Until the end of stdin; the exit code."""
    end_with_parent()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(word: Said) -> None:
        out.write(msgspec.json.encode(word) + b"\n")
        out.flush()

    directory = RunDirectory(run)
    hall = _Hall(directory, directory.read_config(), say)
    say(Open())
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        if not isinstance(order, Seats):
            continue  # A network is there; it is loaded when somebody plays with it.
        try:
            hall.play(order)
        except Matrix0Error as error:
            say(Sorry(reason=clean(str(error), 300)))
            return error.exit_code
    return ExitCode.DONE


class _Hall:
    def __init__(self, run: RunDirectory, config: Config, say: Say) -> None:
        self._run = run
        self._config = config
        self._say = say
        self._club: Club | None = None

    def play(self, seats: Seats) -> None:
        """Every opening of a piece twice. Matrix0Error when a player cannot play here."""
        club = self._club_for(seats)
        players: list[Player] = []
        try:
            for side, name in enumerate(seats.players):
                # A piece has lots of its own, whoever plays it and whatever was played before.
                seed = seats.seed + side + 2 * seats.openings[0].number
                players.append(club.player(name, seats.simulations[side], seed))
            names = (players[0].name, players[1].name)
            self._say(Seated(number=seats.number, names=names))
            self._play(seats, players)
        finally:
            for player in players:
                player.close()

    def _play(self, seats: Seats, players: list[Player]) -> None:
        told = 0
        due = time.monotonic() + SIGN_OF_LIFE_S

        def hear(finished: list[MatchGame]) -> None:
            nonlocal told, due
            for game in finished[told:]:
                pair = seats.openings[game.number // 2].number
                record = record_of(replace(game, number=2 * pair + game.number % 2))
                self._say(Ended(number=seats.number, game=record))
            told = len(finished)
            due = time.monotonic() + SIGN_OF_LIFE_S

        def go_on() -> bool:
            nonlocal due
            if time.monotonic() >= due:
                self._say(Thinking(number=seats.number))
                due = time.monotonic() + SIGN_OF_LIFE_S
            return True

        play_match(
            players[0],
            players[1],
            [_board(opening) for opening in seats.openings],
            max_plies=seats.max_plies,
            slots=2 * len(seats.openings),
            adjudicator=Adjudicator(seats.adjudication),
            on_game=hear,
            on_step=go_on,
        )

    def _club_for(self, seats: Seats) -> Club:
        """Networks are ready from one piece to the next, unless they are to search otherwise."""
        if self._club is None or self._config.search != seats.search:
            self._config = replace(self._config, search=seats.search)
            self._club = Club(
                self._config,
                self._run.checkpoints,
                slots=max(2 * len(seats.openings), self._config.evaluation.parallel_games),
                say=_remark,
            )
        return self._club


def _board(opening: Opening) -> chess.Board:
    board = chess.Board(opening.start)
    for uci in opening.moves:
        board.push_uci(uci)
    return board


def _remark(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
