"""Processes of a teaching engine: one position each at a time, its best lines with their values.

    a position ─► a free process ─► its lines
                  crash, hang, flood, nonsense ─► once more, by a new process ─► refused

Every position begins a new game for the engine, so that the same position gets the same answer
whatever came before it, and a run that was interrupted ends as one that was not.
"""

import queue
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import chess
import chess.engine

from backend.errors import ConfigError
from backend.evaluation.engine_process import (
    STARTING_ERRORS,
    EngineFailed,
    EngineProcess,
)
from backend.evaluation.engines import EngineSpec
from backend.evaluation.leash import Leash
from backend.replay.boards import move_code
from backend.teacher.scoring import WIN_RATE_MODEL, Line
from backend.text import clean

HANG_S: Final = 120.0
"""An engine that was given no time, but nodes or a depth, is silent for good after this."""
ATTEMPTS: Final = 2
"""With one position; an engine may have been killed for what had nothing to do with it."""
NONSENSE: Final = "engine-nonsense"
SHOW_WDL: Final = "UCI_ShowWDL"
MULTI_PV: Final = "MultiPV"

_WANTED: Final = chess.engine.INFO_SCORE | chess.engine.INFO_PV


class RefusedPosition(Exception):
    """The engine gave no answer to a position, twice; the text is the reason."""


class TeachingEngine:
    """Answers by the processes of one UCI engine; to be closed."""

    def __init__(
        self,
        spec: EngineSpec,
        *,
        processes: int,
        multipv: int,
        leash: Leash,
        hang_s: float = HANG_S,
    ) -> None:
        """ConfigError when the engine does not start, or cannot tell so many lines."""
        if spec.protocol != "uci":
            raise ConfigError(f"engine {spec.word!r}: a teacher must speak UCI")
        self.spec = spec
        self.multipv = multipv
        self._hang_s = hang_s
        self.num_lost = 0
        """Processes that had to be replaced."""
        self._processes = [EngineProcess(spec, leash) for _ in range(processes)]
        self._free: queue.SimpleQueue[EngineProcess] = queue.SimpleQueue()
        for process in self._processes:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="teacher")
        try:
            self.version = self._processes[0].start()
            if multipv > 1 and not self._processes[0].has_option(MULTI_PV):
                raise ConfigError(f"engine {spec.word!r} tells only its best line; use --multipv 1")
        except STARTING_ERRORS as error:
            self.close()
            raise ConfigError(f"engine {spec.word!r}: {clean(str(error), 300)}") from error
        except ConfigError:
            self.close()
            raise
        self.tells_wdl = self._processes[0].has_option(SHOW_WDL)
        self.values = SHOW_WDL if self.tells_wdl else WIN_RATE_MODEL
        """Where win, draw and loss are from."""

    def ask(self, board: chess.Board) -> "Future[list[Line]]":
        """Its lines, best first, all legal; the future raises RefusedPosition.

        `board` has a legal move and is in Chess960 mode.
        """
        return self._threads.submit(self._answer, board)

    def close(self) -> None:
        """End all processes; they are killed if they do not obey."""
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.end()

    def _answer(self, board: chess.Board) -> list[Line]:
        process = self._free.get()
        try:
            for attempt in range(ATTEMPTS):
                try:
                    return self._lines(process, board)
                except EngineFailed as failed:
                    self.num_lost += 1
                    if attempt == ATTEMPTS - 1:
                        raise RefusedPosition(str(failed)) from failed
            raise AssertionError
        finally:
            self._free.put(process)

    def _lines(self, process: EngineProcess, board: chess.Board) -> list[Line]:
        asked = board if board.has_chess960_castling_rights() else chess.Board(board.fen())
        options = {SHOW_WDL: True} if self.tells_wdl else {}
        infos = process.ask(
            lambda engine: engine.analyse(
                asked,
                self.spec.limit,
                multipv=self.multipv,
                game=object(),
                info=_WANTED,
                options=options,
            ),
            self._hang_s,
        )
        try:
            return _checked(infos, board, asked)
        except ValueError as error:
            process.end()
            raise EngineFailed(NONSENSE) from error


def _checked(
    infos: list[chess.engine.InfoDict], board: chess.Board, asked: chess.Board
) -> list[Line]:
    """ValueError when there is no line, or one without a legal move and a value."""
    lines: dict[int, Line] = {}
    for info in infos:
        pv, score = info.get("pv"), info.get("score")
        if not pv or score is None:
            continue
        move = board.parse_uci(asked.uci(pv[0]))
        if not move:
            raise ValueError("a null move")
        own = score.pov(board.turn)
        wdl = info["wdl"].pov(board.turn) if "wdl" in info else None
        code = move_code(move)
        lines.setdefault(
            code,
            Line(
                move=code,
                cp=own.score(),
                mate=own.mate(),
                wdl=None if wdl is None else (wdl.wins, wdl.draws, wdl.losses),
            ),
        )
    if not lines:
        raise ValueError("no line with a move and a value")
    return list(lines.values())
