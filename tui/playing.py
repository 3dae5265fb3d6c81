"""A person's game with its engine: what is thought about when, and what is known. No widgets.

    your turn, an earlier position, analysis   the watching network looks, if there is one
    the opponent's turn                        the opponent thinks, then moves

With a clock, the time of the side to move runs from the first move on. It stands in analysis, after
the end, while the screen is left, while a network is loaded, and when the engine has failed.

Whatever changes the position changes the order; the newest order is the only one that is heard.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import chess
from msgspec.structs import replace

from backend.play.clock import GameClock, TimeControl
from backend.play.game import Game
from backend.play.opponents import Opponent
from backend.play.wire import Answer, Busy, Cancel, Failed, Order, Think, Thought, TimeLeft

GLANCE: Final = 64
"""Simulations of the watching network for the value alone."""
LOOK: Final = 512
"""The same when its moves are shown, too."""
STUDY: Final = 4096
"""In analysis."""
SIMULATIONS: Final = (1, 16, 50, 100, 200, 400, 800, 1600)
"""A network's strength, to choose from."""
MIN_PLIES_TO_AGREE: Final = 20
"""Nobody agrees to a draw before."""


class Engine(Protocol):
    """Takes orders; what it answers is brought to `Playing.hear`."""

    def send(self, order: Order) -> None: ...


@dataclass(frozen=True)
class Setup:
    """What a new game is played with."""

    opponent: Opponent
    human: chess.Color = chess.WHITE
    simulations: int = 100
    control: TimeControl | None = None
    """None: without a clock."""


class Playing:
    """Owns the game; the screen shows it and hands over what the person and the engine do."""

    def __init__(
        self,
        engine: Engine,
        setup: Setup,
        watcher: Opponent | None,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`watcher` is the network that judges positions for the person; None where there is none.

        Nothing is thought before `consider`.
        """
        self._engine = engine
        self._now = now
        self._last_id = 0
        self._order: Think | None = None
        """The newest; None when there is none, or it was carried out by a move."""
        self._is_answered = False
        self.watcher = watcher
        self.version = 0
        """Rises with everything that can be seen."""
        self.hints = False
        self.thought: Thought | None = None
        """The newest, and where it belongs to:"""
        self.thought_ply = -1
        self.busy = ""
        self.error = ""
        self._is_left = False
        self.set_up(setup)

    def set_up(self, setup: Setup, game: Game | None = None) -> None:
        """Begin a game, or go on with one that was read."""
        self.setup = setup
        self.game = game or Game(control=setup.control)
        self.game.human = setup.human
        self.game.opponent = setup.opponent.label
        control = self.game.control
        self.clock = None if control is None else GameClock(control, self._now)
        self._set_clock_back()
        self.viewed: int | None = None
        self.opponents_value: float | None = None
        """What the opponent expects for itself, -1 to 1; None if it has no idea."""
        self.thought = None
        self.error = ""
        self._changed()

    # What is seen --------------------------------------------------------------------------------

    @property
    def analysing(self) -> bool:
        """Both sides are moved by hand."""
        return self.game.human is None

    @property
    def ply(self) -> int:
        """Of the position that is shown."""
        return self.game.ply if self.viewed is None else self.viewed

    @property
    def board(self) -> chess.Board:
        """The position that is shown; not to be changed."""
        return self.game.board if self.viewed is None else self.game.at(self.viewed)

    @property
    def is_opponents_turn(self) -> bool:
        return self.game.ending is None and not self.game.is_humans_turn

    @property
    def is_thinking(self) -> bool:
        return self._order is not None and not self._is_answered

    @property
    def shown_thought(self) -> Thought | None:
        """The thought that belongs to the shown position, or the one just before it."""
        recent = self.thought is not None and self.ply - self.thought_ply in (0, 1)
        return self.thought if recent else None

    @property
    def may_show_moves(self) -> bool:
        """Whether candidates are no spoilers: hints, analysis, or the position is past."""
        return self.hints or self.analysing or self.thought_ply < self.game.ply

    # What the person does ------------------------------------------------------------------------

    def move(self, move: chess.Move) -> str:
        """Make a move in the shown position; why not, or an empty string."""
        self.tick()
        if self.viewed is not None:
            if not self.analysing:
                return "this is an earlier position: go to the last one first"
            while self.game.ply > self.viewed:
                self.game.take_back()
            self.viewed = None
            self._set_clock_back()
        if self.game.ending is not None:
            return "the game is over"
        if not self.game.is_humans_turn:
            return f"{self.setup.opponent.label} is to move"
        self._play(move)
        self._moved()
        return ""

    def take_back(self) -> None:
        """To before the person's last move; what is being thought is dropped, clocks go back."""
        self.game.take_back()
        self.viewed = None
        self._set_clock_back()
        self._moved()

    def resign(self) -> None:
        assert self.game.human is not None, "nobody resigns in analysis"
        self.game.resign(self.game.human)
        self._moved()

    def offer_draw(self) -> bool:
        """Whether the opponent takes it: it must expect no more than a draw."""
        value = self.opponents_value
        accepted = value is not None and value <= 0.0 and self.game.ply >= MIN_PLIES_TO_AGREE
        if accepted:
            self.game.agree_draw()
            self._moved()
        return accepted

    def toggle_hints(self) -> None:
        self.hints = not self.hints
        self._moved()

    def toggle_analysis(self) -> None:
        """Between playing and moving both sides by hand."""
        self.game.human = self.setup.human if self.analysing else None
        self._moved()

    def step(self, by: int) -> None:
        """Look at an earlier or later position of the game."""
        target = min(self.game.ply, max(0, self.ply + by))
        self.viewed = None if target == self.game.ply else target
        self._moved()

    def try_again(self) -> None:
        """After a failure: give the order that failed once more."""
        self._moved()

    # The clock -----------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Whether somebody's time was up just now, which ends the game."""
        side = None if self.clock is None else self.clock.flagged
        if side is None:
            return False
        self.game.flag(side)
        self._moved()
        return True

    def leave(self, is_left: bool = True) -> None:
        """The person goes away from the board, or comes back to it."""
        self._is_left = is_left
        self._wind()

    def _wind(self) -> None:
        """Let the time run that should."""
        if self.clock is None:
            return
        game = self.game
        stands = self.analysing or self._is_left or self.error or game.ending is not None
        waits = self.is_opponents_turn and self.busy
        self.clock.run(None if stands or waits or game.ply == 0 else game.board.turn)

    def _play(self, move: chess.Move) -> None:
        side = self.game.board.turn
        self.game.play(move)
        if self.clock is not None:
            self.clock.press()
            self.game.clocks[self.game.ply] = self.clock.left_s(side)

    def _set_clock_back(self) -> None:
        if self.clock is not None:
            self.clock.set_back(self.game.time_left())

    def _time_left(self) -> TimeLeft | None:
        clock = self.clock
        if clock is None:
            return None
        white_s, black_s = clock.left_s(chess.WHITE), clock.left_s(chess.BLACK)
        return TimeLeft(white_s, black_s, clock.control.increment_s)

    # What is thought -----------------------------------------------------------------------------

    def consider(self) -> None:
        """Give the order that the position calls for, unless it is given already."""
        wanted = self._wanted()
        if wanted is None:
            if self._order is not None:
                self._engine.send(Cancel())
            self._order = None
        elif self._order is None or not _is_same(wanted, self._order):
            self._last_id += 1
            self._order = replace(wanted, id=self._last_id)
            self._is_answered = False
            self._engine.send(self._order)

    def _wanted(self) -> Think | None:
        board = self.board
        clock = None
        if self.is_opponents_turn and self.viewed is None:
            player, simulations, steady = self.setup.opponent, self.setup.simulations, False
            clock = self._time_left()
        else:
            if self.watcher is None or not any(board.legal_moves):
                return None
            budget = STUDY if self.analysing else LOOK if self.hints else GLANCE
            player, simulations, steady = self.watcher, budget, True
        return Think(
            id=0,
            kind=player.kind,
            player=player.player,
            start=board.root().fen(),
            moves=tuple(move.uci() for move in board.move_stack),
            simulations=simulations,
            steady=steady,
            clock=clock,
        )

    def hear(self, answer: Answer) -> None:
        """Take in what the engine says; answers to orders of before are not heard."""
        match answer:
            case Busy():
                self.busy = answer.text
            case Failed() if answer.id == 0 or self._is_current(answer.id):
                self.busy, self.error, self._order = "", answer.error, None
            case Thought() if self._is_current(answer.id):
                self.busy = ""
                self._take(answer)
            case _:
                return
        self._changed()

    def _is_current(self, id: int) -> bool:
        return self._order is not None and id == self._order.id

    def _take(self, thought: Thought) -> None:
        order = self._order
        assert order is not None
        if not order.steady and self.tick():
            return  # It moved when its time was up already.
        self.thought, self.thought_ply = thought, len(order.moves)
        if thought.wdl is not None:
            self.game.values[self.thought_ply] = thought.wdl[0] - thought.wdl[2]
        self._is_answered = thought.final
        if order.steady:
            return
        self._order = None
        if thought.wdl is not None:
            white = thought.wdl[0] - thought.wdl[2]
            self.opponents_value = white if self.game.board.turn == chess.WHITE else -white
        move = chess.Move.from_uci(thought.move)
        if not self.game.board.is_legal(move):
            self.error = f"{self.setup.opponent.label} wants {thought.move}, which is not legal"
            return
        self._play(move)
        self._moved()

    def _moved(self) -> None:
        self.error = ""
        self._changed()
        self.consider()

    def _changed(self) -> None:
        self.version += 1
        self._wind()


def _is_same(wanted: Think, given: Think) -> bool:
    """Whether nothing but the time has changed."""
    return replace(wanted, id=given.id, clock=given.clock) == given
