"""An engine of others as a player: some of its processes serve all boards.

    boards 0 1 2 3 …  ─►  a free process  ─►  move        crash, hang, flood, illegal move
                                          ─►  forfeit     that game is lost; the process is replaced

Nothing an engine does ends the match: whatever it says instead of a legal move within its time
loses the game it was asked about, with the reason. Its own opinion of the rules is never asked.
"""

import queue
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import chess
import chess.engine

from backend.errors import ConfigError
from backend.evaluation.engine_process import (
    HANG_S,
    NO_MOVE,
    STARTING_ERRORS,
    EngineFailed,
    EngineProcess,
)
from backend.evaluation.engines import EngineSpec
from backend.evaluation.leash import Leash
from backend.evaluation.players import Forfeit
from backend.text import clean

NO_LOG: Final = Leash()

_WANTED: Final = chess.engine.INFO_BASIC | chess.engine.INFO_SCORE


class ExternalPlayer:
    """Plays by the processes of one engine; to be closed."""

    def __init__(
        self,
        spec: EngineSpec,
        *,
        processes: int,
        hang_s: float = HANG_S,
        leash: Leash = NO_LOG,
    ) -> None:
        """ConfigError when the engine does not start, or lacks an option it was given."""
        self.spec = spec
        self._hang_s = hang_s
        self._free: queue.SimpleQueue[EngineProcess] = queue.SimpleQueue()
        self._processes = [EngineProcess(spec, leash) for _ in range(processes)]
        for process in self._processes:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="engine")
        self._games: dict[int, int] = {}
        self._num_games = 0
        self._comments: dict[int, str] = {}
        self._values: dict[int, float | None] = {}
        try:
            self.version = self._processes[0].start()
        except STARTING_ERRORS as error:
            self.close()
            raise ConfigError(f"engine {spec.word!r}: {clean(str(error), 300)}") from error
        self.name = f"{self.version} ({spec.budget})"

    def start(self, slot: int, board: chess.Board) -> None:
        self._num_games += 1
        self._games[slot] = self._num_games
        self._comments.pop(slot, None)
        self._values.pop(slot, None)

    def think(
        self, slots: Sequence[int], boards: Sequence[chess.Board]
    ) -> list[chess.Move | Forfeit]:
        return list(self._threads.map(self._move, slots, boards))

    def played(self, slot: int, move: chess.Move) -> None:
        pass

    def comment(self, slot: int) -> str:
        return self._comments.get(slot, "")

    def value(self, slot: int) -> float | None:
        return self._values.get(slot)

    def close(self) -> None:
        """End all processes; they are killed if they do not obey."""
        self._threads.shutdown()
        for process in self._processes:
            process.end()

    def _move(self, slot: int, board: chess.Board) -> chess.Move | Forfeit:
        process = self._free.get()
        try:
            answer = self._answer(process, board, self._games[slot])
        finally:
            self._free.put(process)
        self._comments[slot], self._values[slot] = answer.comment, answer.value
        return answer.move

    def _answer(self, process: EngineProcess, board: chess.Board, game: int) -> "_Answer":
        began = time.monotonic()
        try:
            found = process.ask(
                lambda engine: engine.play(board, self.spec.limit, game=game, info=_WANTED),
                self._hang_s,
            )
        except EngineFailed as failed:
            return _Answer(Forfeit(str(failed)))
        seconds = time.monotonic() - began
        if found.move is None or not board.is_legal(found.move):
            process.end()
            return _Answer(Forfeit(NO_MOVE))
        return _Answer(
            found.move, _comment(found.info, board.turn, seconds), _value(found.info, board)
        )


class _Answer(NamedTuple):
    """A legal move, or why there is none."""

    move: chess.Move | Forfeit
    comment: str = ""
    value: float | None = None


def _value(info: chess.engine.InfoDict, board: chess.Board) -> float | None:
    """The mover's expected score, -1 to 1, from centipawns as Stockfish converts them."""
    score = info.get("score")
    if score is None:
        return None
    return 2 * score.pov(board.turn).wdl(model="sf", ply=board.ply()).expectation() - 1


def _comment(info: chess.engine.InfoDict, turn: chess.Color, seconds: float) -> str:
    """'+0.35/12 1,004 nodes 0.021 s': score for the mover in pawns, depth, nodes, time."""
    parts = []
    score = info.get("score")
    if score is not None:
        pov = score.pov(turn)
        mate = pov.mate()
        pawns = pov.score()
        said = f"#{mate:+d}" if mate is not None else f"{(pawns or 0) / 100:+.2f}"
        parts.append(f"{said}/{info.get('depth', 0)}")
    if "nodes" in info:
        parts.append(f"{info['nodes']:,} nodes")
    return " ".join([*parts, f"{seconds:.3f} s"])
