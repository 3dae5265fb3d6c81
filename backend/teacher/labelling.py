"""Positions to a teacher and its answers into shards, many at a time, in bounded memory.

    studies ─► open: asked, in flight ─► done, in the order they came ─► shards
                 known already: passed over          answered before: not asked again

A few positions wait for each process of the engine, so that none of them idles and no more games
are open than positions in flight.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import chess
import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.replay import records
from backend.replay.admission import CHECKMATE, INSUFFICIENT, STALEMATE
from backend.replay.boards import board_from_position, code_in_words, move_from_code
from backend.replay.records import GameRecord, SampleRecord
from backend.replay.rejects import MAX_REJECTS, in_one_line, write_rejects
from backend.teacher.engine import RefusedPosition
from backend.teacher.labels import Labels, key_of
from backend.teacher.scoring import Line, soft_policy, wdl_of
from backend.teacher.studies import Studies, Study, StudyFault
from backend.text import clean
from model.config import Orientation
from model.encoding import policy_indices
from model.rules import MAX_LEGAL_MOVES, legal_moves

REPORT: Final = "label-rejects.tsv"
"""Beside the shards: what the last call refused, and why."""
IN_FLIGHT: Final = 4
"""Positions for each process on this machine, so that none idles."""
KEEP_EVERY_S: Final = 0.5
"""Answers are written down at least so often: what a kill may cost."""
HOPELESS: Final = 20
"""Positions in a row without an answer end the work."""

_KEY_RANGE: Final = 1 << 64


class Teaching(Protocol):
    """Processes of an engine, here (`TeachingEngine`) or on a cluster (`TeachingFleet`)."""

    @property
    def version(self) -> str: ...

    @property
    def num_lost(self) -> int:
        """Processes that had to be replaced."""

    def ask(self, board: chess.Board) -> Future[list[Line]]:
        """The lines of a position, best first, all legal; the future raises RefusedPosition."""


@dataclass(kw_only=True)
class LabelTally:
    """How far the work has come; what it hands back at the end."""

    file: str = ""
    share_read: float | None = None
    """0 to 1; None where nobody knows the whole."""
    labelled: int = 0
    """Positions that the engine was asked about in this call, and answered."""
    resumed: int = 0
    """Positions whose answer an earlier call had written down without a shard for it."""
    known: int = 0
    """Positions that were labelled before; they are not again."""
    left_out: int = 0
    """Positions beyond the share that was asked for."""
    refused: int = 0
    rejects: list[tuple[str, int, int, str]] = field(default_factory=list)
    """File, number of the game or line in it, ply, reason: the first MAX_REJECTS."""
    lost: int = 0
    """Processes of the engine that were replaced."""
    is_stopped: bool = False
    """Whether it was asked to stop before the end."""


@dataclass(eq=False, slots=True)
class _Open:
    """A study with the answers to its positions, by their place in it."""

    study: Study
    answers: dict[int, tuple[Line, ...]] = field(default_factory=dict)
    num_asked: int = 0
    """Questions that are not answered yet."""


class Labelling:
    """One call of `matrix0 label`."""

    def __init__(
        self,
        engine: Teaching,
        labels: Labels,
        *,
        in_flight: int,
        temperature: float,
        orientation: Orientation,
        share: float = 1.0,
        limit: int = 0,
    ) -> None:
        """At most `in_flight` positions wait for an answer.
        `share` of all positions is asked about (0 to 1, the same ones in every call), at most
        `limit` of them; 0 is all."""
        self.tally = LabelTally()
        self._engine = engine
        self._labels = labels
        self._most = in_flight
        self._temperature = temperature
        self._orientation: Orientation = orientation
        self._below = share * _KEY_RANGE
        self._limit = limit
        self._pending: deque[_Open] = deque()
        self._asked: dict[Future[list[Line]], tuple[_Open, int, int]] = {}
        """The study, the place in it and the position's key."""
        self._unwritten: dict[int, tuple[Line, ...]] = {}
        self._kept_at = time.monotonic()
        self._in_a_row = 0

    def run(
        self,
        studies: Studies,
        *,
        on_progress: Callable[[LabelTally], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> LabelTally:
        """Label what `studies` hold; everything that was labelled is in shards when this returns.

        ReplayError when the engine answers nothing any more; what it had answered is in shards.
        """
        try:
            for study in studies:
                self.tally.file = studies.name
                if isinstance(study, StudyFault):
                    self._reject(study.number, 0, study.reason)
                    continue
                self._ask_about(study, should_stop)
                self.tally.share_read = studies.share_read()
                on_progress(self.tally)
                if self._is_over() or should_stop():
                    self.tally.is_stopped = should_stop()
                    break
        finally:
            while self._asked:
                self._settle()
            self._close_done()
            self._write_down()
            self._labels.flush()
        return self.tally

    def _ask_about(self, study: Study, should_stop: Callable[[], bool]) -> None:
        opened = _Open(study)
        self._pending.append(opened)
        for place, position in enumerate(study.positions):
            key = key_of(position)
            if key in self._labels.known:
                self.tally.known += 1
            elif key in self._labels.answers:
                self._labels.known.add(key)
                opened.answers[place] = self._labels.answers[key]
                self.tally.resumed += 1
            elif key >= self._below:
                self.tally.left_out += 1
            else:
                while len(self._asked) >= self._most:
                    self._settle()
                if self._is_over() or should_stop():
                    break
                self._labels.known.add(key)
                future = self._engine.ask(board_from_position(position))
                self._asked[future] = opened, place, key
                opened.num_asked += 1
        self._close_done()

    def _is_over(self) -> bool:
        return bool(self._limit) and self.tally.labelled + len(self._asked) >= self._limit

    def _settle(self) -> None:
        """Wait for an answer, and take all that there are."""
        done, _ = wait(self._asked, return_when=FIRST_COMPLETED)
        for future in done:
            opened, place, key = self._asked.pop(future)
            opened.num_asked -= 1
            try:
                lines = tuple(future.result())
            except RefusedPosition as refused:
                self._reject(opened.study.number, opened.study.plies[place], str(refused))
                self._in_a_row += 1
            else:
                opened.answers[place] = lines
                self._unwritten[key] = lines
                self.tally.labelled += 1
                self._in_a_row = 0
        self.tally.lost = self._engine.num_lost
        if time.monotonic() - self._kept_at >= KEEP_EVERY_S:
            self._write_down()
        self._close_done()
        if self._in_a_row >= HOPELESS:
            self._in_a_row = 0
            raise ReplayError(
                f"{self._engine.version} answered none of the last {HOPELESS} positions, the last "
                f"because of {self.tally.rejects[-1][3]}; what it had answered is kept"
            )

    def _write_down(self) -> None:
        if self._unwritten:
            self._labels.heard(self._unwritten)
            self._unwritten = {}
        self._kept_at = time.monotonic()

    def _close_done(self) -> None:
        """Hand on the studies at the front that wait for nothing."""
        while self._pending and not self._pending[0].num_asked:
            opened = self._pending.popleft()
            if opened.answers:
                self._write_down()  # An answer is a line before it may be in a shard.
                study = opened.study
                self._labels.add(
                    self._record(opened), study.themes, is_held_out=study.is_held_out()
                )

    def _record(self, opened: _Open) -> GameRecord:
        study = opened.study
        samples = [
            self._sample(study.positions[place], study.plies[place], opened.answers[place])
            for place in sorted(opened.answers)
        ]
        moves, outcome, result = study.moves, study.outcome, study.result
        if not moves:
            moves = [opened.answers[0][0].move]
            outcome, result = _end_of(study.start, moves[0])
        return GameRecord(
            start=study.start,
            moves=moves,
            samples=samples,
            outcome=outcome,
            result=result,
            origin=study.origin,
            opening_plies=study.opening_plies,
            number=study.number,
            rating=study.rating,
        )

    def _sample(
        self, position: NDArray[np.uint64], ply: int, lines: tuple[Line, ...]
    ) -> SampleRecord:
        legal, index = np.empty(MAX_LEGAL_MOVES, np.uint16), np.empty(MAX_LEGAL_MOVES, np.int16)
        num = legal_moves(position, legal)
        policy_indices(position, legal, num, self._orientation == "mover", index)
        game_ply = board_from_position(position).ply()
        prob = np.zeros(num, np.float32)
        shares = soft_policy(lines, game_ply, self._temperature)
        for line, share in zip(lines, shares, strict=True):
            prob[_place_of(line.move, legal[:num])] = share
        wdl = np.array(wdl_of(lines[0], game_ply), np.float32)
        return SampleRecord(
            position=position,
            policy_index=index[:num].copy(),
            policy_prob=prob,
            root_wdl=wdl,
            kind=records.TEACHER,
            ply=ply,
            value_wdl=wdl,
            value_source=records.TARGET_TEACHER,
        )

    def _reject(self, number: int, ply: int, reason: str) -> None:
        self.tally.refused += 1
        if len(self.tally.rejects) < MAX_REJECTS:
            file = clean(self.tally.file)
            self.tally.rejects.append((file, number, ply, in_one_line(reason)))


def write_report(directory: Path, tally: LabelTally) -> None:
    """What was refused, as `directory/label-rejects.tsv`."""
    write_rejects(directory / REPORT, ("file", "number", "ply", "reason"), tally.rejects)


def _place_of(move: int, legal: NDArray[np.uint16]) -> int:
    found = np.flatnonzero(legal == move)
    if len(found) != 1:
        raise ReplayError(
            f"our rules and python-chess disagree about {code_in_words(move)}, please report it"
        )
    return int(found[0])


def _end_of(start: NDArray[np.uint64], move: int) -> tuple[int, int]:
    """Outcome and result of the game that this one move is."""
    board = board_from_position(start)
    mover = records.WHITE_WON if board.turn else records.BLACK_WON
    board.push(move_from_code(move))
    if board.is_checkmate():
        return CHECKMATE, mover
    if board.is_stalemate():
        return STALEMATE, records.DRAW
    if board.is_insufficient_material():
        return INSUFFICIENT, records.DRAW
    return records.TRUNCATED, records.NO_RESULT
