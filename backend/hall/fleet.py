"""A match in several halls, on this machine or on a cluster's.

Pairs of games go out in pieces to halls, helpers of a fleet (`backend/cluster/fleet.py`), and games
come home as they end. Each is replayed here, and its result derived again, before it counts.
"""

import queue
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import chess
import msgspec

from backend.cluster.fleet import Fleet, Helper, Pool
from backend.cluster.pool import RayPool
from backend.commands import UseNetwork
from backend.config import Config
from backend.errors import WorkerError
from backend.evaluation.fixture import Fixture, Names
from backend.evaluation.match import MatchGame
from backend.evaluation.playedgame import game_of
from backend.evaluation.record import needs_network
from backend.evaluation.verify import ending_fault
from backend.hall.words import Ended, Open, Opening, Said, Seated, Seats, Sorry, Thinking
from backend.pool import ProcessSpec, WorkerSpec
from backend.processes import child_command, child_environment
from backend.rundir import RunDirectory
from backend.wording import plural

LOOK_S: Final = 0.2
LEASE_S: Final = 300.0
"""Networks are loaded and compared before the first move."""
PIECES_FOR_EACH: Final = 4
"""So many pieces of a match for each hall: the last ones are not waited for too long."""


@dataclass(eq=False, kw_only=True)
class _Match:
    fixture: Fixture
    config: Config
    openings: Sequence[chess.Board]
    known: set[int]
    """Games that are over."""
    waiting: deque[range]
    """Pairs that nobody had yet, in pieces."""
    results: "queue.SimpleQueue[MatchGame | WorkerError]" = field(default_factory=queue.SimpleQueue)
    names: Names | None = None
    """What the first hall's players call themselves."""


@dataclass(eq=False, frozen=True)
class _Piece:
    match: _Match
    pairs: range

    @property
    def open_pairs(self) -> list[int]:
        """Not wholly played."""
        known = self.match.known
        return [pair for pair in self.pairs if not {2 * pair, 2 * pair + 1} <= known]


class MatchFleet(Fleet[_Piece]):
    """Plays one match after the other; to be closed."""

    def __init__(
        self,
        run: RunDirectory,
        pool: Pool,
        *,
        halls: int,
        say: Callable[[str], None],
        name: str = "hall",
        lease_s: float = LEASE_S,
    ) -> None:
        """`halls` on a cluster come to one here, where the networks are; else all are here.

        `say` is told of halls given up. `name` is that of its logs.
        """
        specs: list[ProcessSpec] = [_hall(f"{name}{n}", run) for n in range(halls)]
        if isinstance(pool, RayPool):
            specs = [_hall_here(f"{name}-here", run), *specs]
        super().__init__(specs, pool, say=say, lease_s=lease_s)
        self.why = "no hall could be opened"
        self._counted: Counter[str] = Counter()
        """Games, by the hall that they were played in."""
        self._match: _Match | None = None
        self._lent: dict[int, _Piece] = {}
        self.begin()

    @property
    def report(self) -> str:
        """'games: 30 in hall-here, 12 in hall0; 1 piece lent again'"""
        halls = ", ".join(f"{count} in {name}" for name, count in self._counted.most_common())
        again = self.leases.num_again
        lent = f"; {plural(again, 'piece')} lent again" if again else ""
        return f"games: {halls or 'none'}{lent}"

    def play(
        self,
        fixture: Fixture,
        config: Config,
        openings: Sequence[chess.Board],
        *,
        played: Sequence[MatchGame],
        on_game: Callable[[list[MatchGame]], None],
        on_step: Callable[[], bool],
    ) -> Names | None:
        """As `play_match`, with the same meaning of `played`, `on_game` and `on_step`.

        What the players call themselves; None when it was broken off, or nobody had to play.
        WorkerError when no hall is left.
        """
        finished = list(played)
        if finished:
            on_game(finished)
        match = self._begin(fixture, config, openings, {game.number for game in finished})
        self._match = match
        self.wake()
        try:
            while on_step() and len(finished) < 2 * len(openings):
                try:
                    found = match.results.get(timeout=LOOK_S)
                except queue.Empty:
                    continue
                if isinstance(found, WorkerError):
                    raise found
                finished.append(found)
                on_game(finished)
        finally:
            self._match = None
            self.in_thread(lambda: self._forget(match))
        return match.names if len(finished) == 2 * len(openings) else None

    def _begin(
        self, fixture: Fixture, config: Config, openings: Sequence[chess.Board], known: set[int]
    ) -> _Match:
        pairs = [n for n in range(len(openings)) if not {2 * n, 2 * n + 1} <= known]
        most = max(1, config.evaluation.parallel_games // 2)
        size = min(most, -(-len(pairs) // (PIECES_FOR_EACH * len(self.helpers)))) or 1
        pieces = [pairs[start : start + size] for start in range(0, len(pairs), size)]
        return _Match(
            fixture=fixture,
            config=config,
            openings=openings,
            known=known,
            waiting=deque(range(piece[0], piece[-1] + 1) for piece in pieces),
        )

    # In the thread --------------------------------------------------------------------------------

    def fresh_work(self) -> _Piece | None:
        match = self._match
        return _Piece(match, match.waiting.popleft()) if match and match.waiting else None

    def orders(self, number: int, work: _Piece) -> Sequence[UseNetwork | bytes]:
        self._lent[number] = work
        match, fixture = work.match, work.match.fixture
        seats = Seats(
            number=number,
            players=(fixture.first, fixture.second),
            simulations=fixture.budgets,
            seed=fixture.seed,
            openings=tuple(_opening(pair, match.openings[pair]) for pair in work.open_pairs),
            search=match.config.search,
            adjudication=match.config.adjudication,
            max_plies=match.config.evaluation.max_plies,
        )
        networks = [UseNetwork(name=player) for player in seats.players if needs_network(player)]
        return [*networks, msgspec.json.encode(seats) + b"\n"]

    def listen(self, helper: Helper, line: bytes) -> None:
        said = msgspec.json.decode(line, type=Said)
        match said:
            case Open():
                helper.is_up = True
            case Sorry():
                self.give_up(helper, said.reason)
            case Thinking():
                self.renew(helper)
            case Seated():
                self.renew(helper)
                self._greet(helper, said)
            case Ended():
                self.renew(helper)
                self._take(helper, said)

    def _greet(self, helper: Helper, said: Seated) -> None:
        """All halls must have the same players."""
        piece = self._lent.get(said.number)
        if piece is None:
            return
        if piece.match.names is None:
            piece.match.names = said.names
        if said.names != piece.match.names:
            ours = " and ".join(piece.match.names)
            self.give_up(helper, f"{' and '.join(said.names)} play there, elsewhere {ours}")
            self.kill(helper)

    def _take(self, helper: Helper, said: Ended) -> None:
        """A game counts once, and only as it follows from its moves."""
        piece = self._lent.get(said.number)
        if piece is None or piece.match is not self._match:
            return  # Of a match that is over.
        if helper.is_given_up or said.game.number in piece.match.known:
            return
        game = game_of(said.game, piece.match.openings)
        fault = "it is none of the match"
        if game is not None and game.result is not None and game.number // 2 in piece.pairs:
            fault = ending_fault(game.board, game.result, game.termination)
        if game is None or fault:
            self.give_up(helper, f"a game of it is not what it says: {fault}")
            self.kill(helper)
            return
        piece.match.known.add(game.number)
        self._counted[helper.name] += 1
        piece.match.results.put(game)
        if not piece.open_pairs:
            self.leases.done(said.number)
            del self._lent[said.number]

    def _forget(self, match: _Match) -> None:
        """What is left of it is not lent again."""
        for number, piece in list(self._lent.items()):
            if piece.match is match:
                self.leases.done(number)
                del self._lent[number]

    def abandon(self) -> None:
        if (match := self._match) is not None:
            match.results.put(WorkerError(f"no hall is left to play in: {self.why}"))


def _opening(pair: int, board: chess.Board) -> Opening:
    moves = tuple(move.uci() for move in board.move_stack)
    return Opening(number=pair, start=board.root().fen(), moves=moves)


def _hall(name: str, run: RunDirectory) -> ProcessSpec:
    return ProcessSpec(
        worker=name,
        argv=tuple(child_command("hall", "--run", str(run.path))),
        environment=child_environment(),
        log=run.log_file(name),
    )


def _hall_here(name: str, run: RunDirectory) -> WorkerSpec:
    """A pool on a cluster starts evaluators on this machine."""
    spec = _hall(name, run)
    return WorkerSpec(
        worker=spec.worker,
        argv=spec.argv,
        environment=spec.environment,
        log=spec.log,
        role="evaluator",
    )
