"""Games of others into shards: what was played is the policy, how it ended is the value.

Each game is read by python-chess and played again by our own rules, and both must end in the same
position. A game that is there already, from this import or an earlier one, is passed over; so an
import that was interrupted is simply started again.

    sha256(start, moves) -> first byte below 13 of 256: val-…, held out for good
                            else: train-…
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from backend.commit import commit_file, sweep
from backend.errors import ReplayError
from backend.limits_config import LIMITS, LimitsConfig
from backend.replay import records
from backend.replay.boards import position_words
from backend.replay.pgn import STANDARD_INPUT, PgnFault, PgnGame, open_pgn
from backend.replay.provenance import Source
from backend.replay.records import GameRecord, SampleRecord
from backend.replay.shards import ShardWriter, list_shards, read_shard
from backend.text import clean
from model.config import Orientation
from model.encoding import policy_indices
from model.rules import (
    MAX_LEGAL_MOVES,
    Outcome,
    Position,
    legal_moves,
    make_move,
    with_repetitions,
    zobrist,
)

PRODUCER: Final = "pgn"
LEARNED: Final = "train-"
"""Prefix of shards to learn from; the kind of their sources follows."""
HELD_OUT: Final = "val-"
"""Prefix of shards that are only ever measured on."""
REPORT: Final = "rejects.tsv"
"""In the directory of the shards: what the last import refused, and why."""
SHARD_POSITIONS: Final = 16_384
"""A shard is written when it holds so many; about 4 MB, and 20 MB while it is collected."""
MAX_REJECTS: Final = 10_000
"""Further ones are counted only."""

_HELD_OUT_BELOW: Final = 13
"""Of 256: 5 % of the games, chosen by their hash, so the same ones in every import."""
_HASH_BYTES: Final = 16
_TOO_MANY: Final = (
    "it and what follows are left out: [limits] games = {limits.games}, "
    "positions = {limits.positions}"
)


@dataclass(frozen=True, slots=True)
class Reject:
    """A game that was refused."""

    file: str
    number: int
    """Its place in the file, from 1."""
    reason: str


@dataclass(kw_only=True)
class ImportTally:
    """How far an import has come; what it hands back at the end."""

    file: str = ""
    share_read: float | None = None
    """Of this file, 0 to 1; None where nobody knows its length."""
    games: int = 0
    """Taken in, held-out ones included."""
    positions: int = 0
    """With a policy to learn; held-out ones included."""
    held_out_games: int = 0
    held_out_positions: int = 0
    duplicates: int = 0
    """Games that were there already."""
    rejected: int = 0
    rejects: list[Reject] = field(default_factory=list)
    """The first MAX_REJECTS of them."""
    is_stopped: bool = False
    """Whether it was asked to stop before the end."""


def import_pgn(
    files: Sequence[str],
    directory: Path,
    orientation: Orientation,
    *,
    limits: LimitsConfig = LIMITS,
    on_progress: Callable[[ImportTally], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ImportTally:
    """Write the games of `files` (`-` is standard input) as shards into `directory`.

    `on_progress` is called after each game with the tally so far; do not keep it. ReplayError, with
    nothing done, when a file cannot be opened or a shard that is there is damaged.
    """
    for name in files:
        if name != STANDARD_INPUT:
            with open_pgn(name, limits):
                pass
    sweep(directory)
    known = known_games(directory)
    learned = _Collector(directory, LEARNED + PRODUCER, orientation)
    held_out = _Collector(directory, HELD_OUT + PRODUCER, orientation)
    tally = ImportTally()
    num_seen = 0
    for name in files:
        with open_pgn(name, limits) as source:
            tally.file = source.name
            for found in source.games():
                if should_stop():
                    tally.is_stopped = True
                    break
                num_seen += 1
                if num_seen > limits.games or tally.positions >= limits.positions:
                    _reject(tally, found.number, _TOO_MANY.format(limits=limits))
                    break
                try:
                    _take(found, known, tally, learned, held_out)
                except _ResultError as error:
                    _reject(tally, found.number, str(error))
                tally.share_read = source.share_read()
                on_progress(tally)
        if tally.is_stopped:
            break
    learned.flush()
    held_out.flush()
    if tally.rejects:
        commit_file(directory / REPORT, _report(tally.rejects))
    return tally


def known_games(directory: Path) -> set[bytes]:
    """Hashes of all games in the directory's imported shards. ReplayError names a damaged one."""
    known = set()
    for prefix in (LEARNED, HELD_OUT):
        for path in list_shards(directory, prefix):
            shard = read_shard(path)
            for number in range(shard.num_games):
                start, moves = shard.columns["game_start"][number], shard.moves(number)
                known.add(_hash(start, moves.tolist()))
    return known


class _Collector:
    """Gathers games into shards of a good size."""

    def __init__(self, directory: Path, prefix: str, orientation: Orientation) -> None:
        self.orientation: Orientation = orientation
        self._writer = ShardWriter(directory, prefix, producer=PRODUCER, orientation=orientation)
        self._games: list[GameRecord] = []
        self._positions = 0

    def add(self, game: GameRecord) -> None:
        self._games.append(game)
        self._positions += len(game.samples)
        if self._positions >= SHARD_POSITIONS:
            self.flush()

    def flush(self) -> None:
        if self._games:
            self._writer.write(self._games, sources=(Source(name="pgn", kind="pgn"),))
        self._games, self._positions = [], 0


class _ResultError(Exception):
    """The result that the file names cannot be that of the final position."""


def _take(
    found: PgnGame | PgnFault,
    known: set[bytes],
    tally: ImportTally,
    learned: _Collector,
    held_out: _Collector,
) -> None:
    if isinstance(found, PgnFault):
        _reject(tally, found.number, found.reason)
        return
    digest = _hash(found.start, found.moves)
    if digest in known:
        tally.duplicates += 1
        return
    outcome, result = _settle(found)
    is_held_out = digest[0] < _HELD_OUT_BELOW
    collector = held_out if is_held_out else learned
    record = _record(found, outcome, result, collector.orientation)
    if not record.samples:
        _reject(tally, found.number, "every move is a book move: nothing to learn")
        return
    known.add(digest)
    collector.add(record)
    tally.games += 1
    tally.positions += len(record.samples)
    if is_held_out:
        tally.held_out_games += 1
        tally.held_out_positions += len(record.samples)


def _settle(game: PgnGame) -> tuple[int, int]:
    """Outcome and result; a mate, stalemate or bare kings on the board overrule an open result.

    Fifty moves and repetition end nothing by themselves: a player has to claim them.
    """
    board = game.final
    if board.is_checkmate():
        outcome = Outcome.CHECKMATE
        result = records.BLACK_WON if board.turn else records.WHITE_WON
    elif board.is_stalemate():
        outcome, result = Outcome.STALEMATE, records.DRAW
    elif board.is_insufficient_material():
        outcome, result = Outcome.INSUFFICIENT, records.DRAW
    elif game.result == records.NO_RESULT:
        return records.TRUNCATED, records.NO_RESULT
    elif game.result == records.DRAW and board.halfmove_clock >= 100:
        return Outcome.FIFTY_MOVES, records.DRAW
    elif game.result == records.DRAW and board.is_repetition(3):
        return Outcome.THREEFOLD, records.DRAW
    else:
        return records.EXTERNAL, game.result
    if game.result not in (result, records.NO_RESULT):
        raise _ResultError(
            f"its result is wrong: {outcome.name.lower()} on the board ({board.fen()})"
        )
    return outcome, result


def _record(game: PgnGame, outcome: int, result: int, orientation: Orientation) -> GameRecord:
    """The game played by our rules, with a sample for each move that somebody chose.

    ReplayError when they do not reach the position that python-chess has reached.
    """
    position, child = game.start.copy(), np.empty(8, np.uint64)
    legal, index = np.empty(MAX_LEGAL_MOVES, np.uint16), np.empty(MAX_LEGAL_MOVES, np.int16)
    seen: Counter[int] = Counter()
    samples = []
    for ply, move in enumerate(game.moves):
        num_moves = legal_moves(position, legal)
        chosen = np.flatnonzero(legal[:num_moves] == move)
        if len(chosen) != 1:
            raise _disagreement(game, ply)
        key = int(zobrist(position))
        if ply not in game.book:
            policy_indices(position, legal, num_moves, orientation == "mover", index)
            policy = np.zeros(num_moves, np.float32)
            policy[chosen[0]] = 1.0
            samples.append(
                SampleRecord(
                    position=with_repetitions(position, seen[key]),
                    policy_index=index[:num_moves].copy(),
                    policy_prob=policy,
                    root_wdl=None,
                    kind=records.PLAYED_MOVE,
                    ply=ply,
                )
            )
        seen[key] += 1
        make_move(position, move, child)
        position, child = child, position
    if tuple(position.tolist()) != position_words(game.final):
        raise _disagreement(game, len(game.moves))
    return GameRecord(game.start, game.moves, samples, outcome, result)


def _disagreement(game: PgnGame, ply: int) -> ReplayError:
    return ReplayError(
        f"game {game.number}, ply {ply}: our rules and python-chess disagree, please report it "
        f"({game.final.fen()})"
    )


def _hash(start: Position, moves: Sequence[int]) -> bytes:
    content = start.astype("<u8").tobytes() + np.array(moves, "<u2").tobytes()
    return hashlib.sha256(content).digest()[:_HASH_BYTES]


def _reject(tally: ImportTally, number: int, reason: str) -> None:
    tally.rejected += 1
    if len(tally.rejects) < MAX_REJECTS:
        one_line = clean(reason.replace("\n", " ").replace("\t", " "), 200)
        tally.rejects.append(Reject(clean(tally.file), number, one_line))


def _report(rejects: Sequence[Reject]) -> bytes:
    lines = [f"{reject.file}\t{reject.number}\t{reject.reason}\n" for reject in rejects]
    return "".join(["file\tgame\treason\n", *lines]).encode()
