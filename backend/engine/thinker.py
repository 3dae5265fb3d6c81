"""A position, limits, a move: the searching session behind play, analysis and UCI.

It knows no protocol and no process. One thread thinks; others stop it through events.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from backend.engine.course import Course, Game, play_through
from backend.engine.limits import Limits, TimePlan, plan_time
from backend.search.evaluator import Evaluate
from backend.search.lines import MoveLine, read_lines, root_proofs, root_values, root_visits
from backend.search.single import SingleSearch
from backend.search.tree import UNKNOWN, WIN
from model.config import Orientation
from model.rules import to_fen, uci_to_move

if TYPE_CHECKING:
    from backend.engine.tables import RootTables, TableVerdict

REPORT_EVERY_S: Final = 1.0
"""A report is made at least so often, if the search goes on."""
_REPORT_AT_MOST_EVERY_S: Final = 0.05
_POLL_S: Final = 0.02
"""How often a search that has nothing left to do looks whether the awaited move was played."""
_IDLE_FACTOR: Final = 16
"""A search of n nodes ends after so many times n simulations, if decided positions take them."""
_KEEP_FRAC: Final = 0.75
"""A tree that is fuller than this when a search begins is forgotten."""
_LEAST_FOR_RATE: Final = 64
"""Nodes before the speed of a search says how many are still to come."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a Thinker searches; may be changed between two searches."""

    leaves: int = 8
    """Positions in one batch, at most."""
    num_lines: int = 1
    """Moves that are reported with their lines."""
    overhead_s: float = 0.05
    """Time of a clock that is lost on the way; kept back."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far a search has come."""

    lines: tuple[MoveLine, ...]
    """Best first, as many as are asked for."""
    depth: int
    """Mean length of the simulations, plies."""
    deepest: int
    nodes: int
    """Positions put into the tree in this search."""
    elapsed_s: float
    fill_frac: float
    """Of the tree's room."""
    table_hits: int
    evaluations: int
    collisions: int

    @property
    def nodes_per_s(self) -> float:
        return self.nodes / max(1e-3, self.elapsed_s)


@dataclass(frozen=True, kw_only=True)
class Thought:
    """What a search came to."""

    best: str
    """UCI notation; empty where the game has ended."""
    ponder: str
    """The reply that is expected; empty where none is known."""
    report: Report


OnReport = Callable[[Report], None]


class Thinker:
    """Searches one position after the other; a tree lives on while its game goes on."""

    def __init__(
        self,
        evaluate: Evaluate,
        *,
        orientation: Orientation,
        max_nodes: int,
        max_leaves: int = 256,
        tables: "RootTables | None" = None,
        settings: Settings | None = None,
    ) -> None:
        """`max_nodes` bounds the tree, `max_leaves` every later `settings.leaves`."""
        self.settings = settings or Settings()
        self.tables = tables
        self._evaluate = evaluate
        self._search = SingleSearch(
            max_nodes=max_nodes, max_batch=max_leaves, orientation=orientation
        )
        self._course: Course | None = None

    def new_game(self) -> None:
        """Forget the tree."""
        self._course = None

    def think(
        self,
        game: Game,
        limits: Limits,
        on_report: OnReport | None = None,
        stop_event: threading.Event | None = None,
        *,
        hit_event: threading.Event | None = None,
        began_s: float | None = None,
    ) -> Thought:
        """Search until a limit, a proof, or `stop_event`; ValueError for an impossible game.

        With `hit_event` the opponent is still to make the last move of `game`: until the event the
        limits do not count, and the clock begins with it. `began_s` (time.monotonic) is when the
        clock began otherwise; None means now. `on_report` is called in this thread.
        """
        stop = stop_event or threading.Event()
        course = self._take_up(game)
        # What fails half-way leaves a tree that nobody may go on with.
        self._course = None
        run = _Run(
            self._search,
            self._evaluate,
            self.settings,
            self._ask_tables(),
            limits,
            on_report,
            time.monotonic() if began_s is None else began_s,
        )
        run.go(stop, hit_event)
        self._course = course
        return run.thought()

    def _take_up(self, game: Game) -> Course:
        """Bring the tree to the game's position, with what it knows of it already."""
        course = self._course
        if course is not None and course.leads_to(game):
            for move in game.moves[len(course.moves) :]:
                self._course = None  # An illegal move leaves the tree half-way.
                self._search.play(course.push(move))
            if self._search.fill > _KEEP_FRAC:
                self._search.forget()
            return course
        course = play_through(game.start, game.moves)
        self._search.start(course.position, course.keys)
        return course

    def _ask_tables(self) -> "TableVerdict | None":
        if self.tables is None or self._search.num_moves == 0:
            return None
        import chess

        return self.tables.ask(chess.Board(to_fen(self._search.position)))


class _Run:
    """One search."""

    def __init__(
        self,
        search: SingleSearch,
        evaluate: Evaluate,
        settings: Settings,
        verdict: "TableVerdict | None",
        limits: Limits,
        on_report: OnReport | None,
        began_s: float,
    ) -> None:
        self._search = search
        self._evaluate = evaluate
        self._settings = settings
        self._verdict = verdict
        self._limits = limits
        self._on_report = on_report
        self._began_s = began_s
        self._plan: TimePlan = plan_time(limits, settings.overhead_s)
        self._pondering = False
        self._step_s = 0.0
        self._reported: tuple[int, int] = (-1, -1)
        self._reported_s = -math.inf

    def go(self, stop: threading.Event, hit: threading.Event | None) -> None:
        search = self._search
        self._pondering = hit is not None
        search.begin(self._allowed())
        while search.num_moves > 0:
            began_s = time.monotonic()
            nodes = None if self._pondering or self._limits.infinite else self._limits.nodes
            search.step(self._evaluate, leaves=self._settings.leaves, nodes=nodes)
            self._step_s = time.monotonic() - began_s
            if hit is not None and self._pondering and hit.is_set():
                self._end_pondering()
            if stop.is_set() or self._is_done():
                break
            if self._is_exhausted():
                self._wait(stop, hit)
                break
            self._report_now_and_then()

    def thought(self) -> Thought:
        """The move, after the last report."""
        report = self._report()
        if self._on_report is not None and report.lines:
            self._on_report(report)
        if not report.lines:
            return Thought(best="", ponder="", report=report)
        line = report.lines[0]
        ponder = line.pv[1] if len(line.pv) > 1 else ""
        return Thought(best=line.move, ponder=ponder, report=report)

    def _allowed(self) -> set[int]:
        """Moves that the search may look at; empty: all. What is asked for is not second-guessed
        by the tables unless both agree on some move."""
        position = self._search.position
        asked = {uci_to_move(position, move) for move in self._limits.searchmoves}
        if self._verdict is None:
            return asked
        kept = {uci_to_move(position, move) for move in self._verdict.moves}
        return (asked & kept or asked) if asked else kept

    def _is_done(self) -> bool:
        """Whether a limit is reached, or thinking on cannot change the move."""
        limits, search = self._limits, self._search
        if self._pondering or limits.is_open:
            return False
        if limits.nodes is not None and (
            search.nodes >= limits.nodes or search.simulations >= _IDLE_FACTOR * limits.nodes
        ):
            return True
        if limits.depth is not None and search.mean_depth >= limits.depth:
            return True
        elapsed_s = time.monotonic() - self._began_s
        if elapsed_s + self._step_s >= self._plan.hard_s:
            return True
        if limits.clock is not None:
            return self._is_time_well_spent(elapsed_s)
        return elapsed_s >= self._plan.soft_s

    def _is_time_well_spent(self, elapsed_s: float) -> bool:
        """There is no choice, the soft limit is over, or nobody can overtake the leader."""
        search = self._search
        if search.allowed.sum() == 1:
            return True
        visits = np.where(search.allowed, root_visits(search), -1)
        leader = int(visits.argmax())
        if elapsed_s >= self._plan.soft_s:
            return leader == int(np.where(search.allowed, root_values(search), -2.0).argmax())
        if search.nodes < _LEAST_FOR_RATE:
            return False
        to_come = search.nodes / elapsed_s * (self._plan.soft_s - elapsed_s)
        second = int(np.partition(visits, -2)[-2])
        return bool(visits[leader] - second > to_come)

    def _is_exhausted(self) -> bool:
        """Nothing is left to find out: the tree is full, or a win or all moves are proven."""
        search = self._search
        if search.is_full:
            return True
        proofs = root_proofs(search)[search.allowed]
        if (proofs != UNKNOWN).all():
            return True
        if self._settings.num_lines > 1 or not (proofs == WIN).any():
            return False
        mate = self._limits.mate
        if mate is None:
            return True
        shortest = read_lines(search, 0)[0].mate
        return shortest is not None and shortest <= 2 * mate - 1

    def _wait(self, stop: threading.Event, hit: threading.Event | None) -> None:
        """The answer must not come before somebody asks for it."""
        self._report_now_and_then()
        while self._pondering and hit is not None and not stop.wait(_POLL_S):
            if hit.is_set():
                self._end_pondering()
        if self._limits.infinite:
            stop.wait()

    def _end_pondering(self) -> None:
        self._pondering = False
        self._began_s = time.monotonic()

    def _report_now_and_then(self) -> None:
        """Report a new best move, a new depth, and otherwise once a second."""
        if self._on_report is None:
            return
        depth = int(self._search.mean_depth)
        visits = np.where(self._search.allowed, root_visits(self._search), -1)
        state = int(visits.argmax()), depth
        now_s = time.monotonic()
        least_s = REPORT_EVERY_S if state == self._reported else _REPORT_AT_MOST_EVERY_S
        if now_s - self._reported_s < least_s:
            return
        self._reported, self._reported_s = state, now_s
        self._on_report(self._report())

    def _report(self) -> Report:
        search = self._search
        lines = read_lines(search, max(1, self._settings.num_lines)) if search.num_moves else []
        lines = lines[: self._settings.num_lines]
        exact = None if self._verdict is None else self._verdict.wdl
        if exact is not None:
            kept = set(self._verdict.moves) if self._verdict is not None else set()
            lines = [
                replace(line, wdl=exact) if line.mate is None and line.move in kept else line
                for line in lines
            ]
        return Report(
            lines=tuple(lines),
            depth=max(1, int(search.mean_depth)) if search.num_moves else 0,
            deepest=search.deepest,
            nodes=search.nodes,
            elapsed_s=max(0.0, time.monotonic() - self._began_s),
            fill_frac=search.fill,
            table_hits=0 if self._verdict is None else self._verdict.hits,
            evaluations=search.evaluations,
            collisions=search.collisions,
        )
