"""What the second thread of the UCI program does: the network, the game and the search.

All that loads slowly is imported here, when it is first needed. Nothing here reads the interface's
lines or answers `isready`; what goes wrong is said in an `info string`, and play goes on.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from backend.errors import Matrix0Error
from backend.uci.options import RELOADING, Options
from backend.uci.protocol import START_FEN, Go, SetPosition

if TYPE_CHECKING:
    from backend.engine.course import Course
    from backend.engine.tables import RootTables
    from backend.engine.thinker import Report, Thinker

NO_MOVE: Final = "bestmove 0000"
"""Said where no move can be found; an interface takes it for a resignation or an error."""
_MIB: Final = 1 << 20
_MATE_IN_ONE: Final = "7k/8/6K1/8/8/8/8/R7 w - - 0 1"


@dataclass(frozen=True)
class Search:
    """A `go`, and how it is stopped."""

    go: Go
    options: Options
    stop: threading.Event
    hit: threading.Event | None
    """Set when the expected move was played; None when the engine is to move."""
    began_s: float
    debug: bool


class Desk:
    """For one thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` writes a line to the interface."""
        self._say = say
        self._thinker: Thinker | None = None
        self._loaded: tuple[object, ...] | None = None
        self._tables: RootTables | None = None
        self._tables_path = ""
        self._course: Course | None = None

    def warm_up(self) -> None:
        """Load the libraries and the kernels; a first start compiles them."""
        from backend.engine.course import Game, play_through
        from backend.engine.limits import Limits
        from backend.engine.thinker import Thinker
        from backend.search.evaluator import uniform

        thinker = Thinker(uniform, orientation="mover", max_nodes=64, max_leaves=2)
        for game in (Game(), Game(moves=("e2e4",)), Game(_MATE_IN_ONE)):
            thinker.think(game, Limits(nodes=60))
        self._course = play_through(START_FEN, ())

    def get_ready(self, options: Options) -> None:
        """Load what the options name, as far as it is not loaded already."""
        wanted = tuple(getattr(options, field) for field in RELOADING)
        if wanted != self._loaded:
            self._loaded = wanted
            self._thinker = None
            try:
                self._load(options)
            except (Matrix0Error, OSError, MemoryError) as error:
                self._remark(f"no network: {error}")
        if options.syzygy_path != self._tables_path:
            self._tables_path = options.syzygy_path
            self._open_tables(options.syzygy_path)

    def new_game(self) -> None:
        """Forget the tree; a network that could not be loaded is tried again."""
        if self._thinker is None:
            self._loaded = None
        else:
            self._thinker.new_game()

    def set_position(self, wanted: SetPosition) -> None:
        """Play the game through; one that is impossible is ignored as a whole."""
        from backend.engine.course import Game, play_through

        known = self._course
        try:
            if known is None or not known.leads_to(Game(wanted.start, wanted.moves)):
                known = play_through(wanted.start, ())
            self._course = known.followed_by(wanted.moves[len(known.moves) :])
        except ValueError as error:
            self._remark(f"position ignored: {error}")

    def think(self, search: Search) -> str:
        """Search; returns the `bestmove` line."""
        from backend.engine.course import Game, play_through
        from backend.engine.thinker import Settings
        from backend.uci.words import best_move, info_lines

        options = search.options
        self.get_ready(options)
        if self._thinker is None:
            self._remark("no network to think with; set the option Network")
            return NO_MOVE
        course = self._course or play_through(START_FEN, ())
        limits = search.go.limits(white_to_move=course.white_to_move)
        self._thinker.tables = self._tables
        self._thinker.settings = Settings(
            leaves=options.batch,
            num_lines=options.multi_pv,
            overhead_s=options.move_overhead_ms / 1000,
        )

        def on_report(report: "Report") -> None:
            self._say("\n".join(info_lines(report, show_wdl=options.show_wdl)))

        try:
            thought = self._thinker.think(
                Game(course.start, tuple(course.moves)),
                replace(limits, searchmoves=self._legal_only(course, limits.searchmoves)),
                on_report,
                search.stop,
                hit_event=search.hit,
                began_s=search.began_s,
            )
        except Matrix0Error as error:
            self._remark(str(error))
            return NO_MOVE
        if search.debug:
            report = thought.report
            self._remark(f"{report.evaluations} evaluations, {report.collisions} collisions")
        return best_move(thought)

    def _load(self, options: Options) -> None:
        from backend.engine.network import find_network, make_ready
        from backend.engine.thinker import Thinker
        from backend.search.single import BYTES_PER_NODE

        found = find_network(options.network_path)
        ready = make_ready(found.path, threads=options.threads, leaves=options.batch)
        self._thinker = Thinker(
            ready.evaluate,
            orientation=ready.orientation,
            max_nodes=options.hash_mib * _MIB // BYTES_PER_NODE,
            max_leaves=options.batch,
        )
        self._remark(f"network {found.path} ({found.reason}), {ready.words}")

    def _open_tables(self, paths: str) -> None:
        from backend.engine.tables import RootTables

        if self._tables is not None:
            self._tables.close()
        self._tables = None
        if not paths:
            return
        try:
            self._tables = RootTables(paths)
        except Matrix0Error as error:
            self._remark(str(error))

    def _legal_only(self, course: "Course", moves: tuple[str, ...]) -> tuple[str, ...]:
        """Those of `moves` that can be played; of the others it is said that they cannot."""
        legal = []
        for move in moves:
            try:
                course.followed_by((move,))
            except ValueError as error:
                self._remark(f"searchmoves: {error}")
            else:
                legal.append(move)
        return tuple(legal)

    def _remark(self, text: str) -> None:
        from backend.text import clean

        self._say(f"info string {' '.join(clean(text).split())}")
