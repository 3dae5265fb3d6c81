"""Shards against their rows and the PGN file: hashes, and every game played again."""

import io
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import chess
import chess.pgn

from backend.audit.findings import Audit
from backend.audit.index import GameRow, Index, games_of, shard_state
from backend.errors import ReplayError
from backend.replay.admission import RESULT_TEXT, TERMINATIONS, AdmittedShard, admit
from backend.replay.rescored import check_rescored
from backend.replay.shards import read_shard
from backend.replay.tablebase import Tablebase
from backend.rundir import RunDirectory

PGN: Final = "games/selfplay.pgn"
_GAME: Final = re.compile(rb'^\[Event "Matrix0 self-play"\]$', re.MULTILINE)
_GAME_ID: Final = re.compile(rb'^\[GameId "([^"\n]{1,200})"\]$', re.MULTILINE)
_ENDS: Final[dict[str, Callable[[chess.Board], bool]]] = {
    "checkmate": chess.Board.is_checkmate,
    "stalemate": chess.Board.is_stalemate,
    "insufficient material": chess.Board.is_insufficient_material,
    "fifty moves": lambda board: board.halfmove_clock >= 100,
    "threefold repetition": lambda board: board.is_repetition(3),
}
"""Ends that the board itself shows."""


def examine_shards(
    run: RunDirectory,
    index: Index,
    audit: Audit,
    *,
    replays: bool,
    is_live: bool,
    tables: Tablebase | None,
) -> None:
    """`replays`: play every game again, not only hash the files."""
    texts = _texts_by_shard(run, index, audit)
    for name, row in index.shards.items():
        if row.state == "rejected":
            continue
        audit.counted["shards"] += row.state == "admitted"
        stem = name.removesuffix(".safetensors")
        faults: list[str] = []
        if row.state == "admitted":
            faults += _faults_of_shard(run, name, texts.get(stem, b""), index, replays, tables)
        elif replays and row.games:
            rows = games_of(run.database, stem)
            faults += [f"{PGN}: {fault}" for fault in _faults_of_text(texts.get(stem, b""), rows)]
            audit.counted["games"] += len(rows)
        if row.state == "admitted" and replays:
            audit.counted["games"] += row.games
        if faults and shard_state(run.database, name) == row.state:
            for fault in faults:
                audit.problem(f"replay/{name}", fault)
    _examine_strangers(run, index, audit, is_live)


def examine_shards_without_rows(
    run: RunDirectory, audit: Audit, *, replays: bool, is_live: bool
) -> None:
    """What no row tells of: imported games, and what a pass has rescored."""
    _examine_files(run.imported, "imported shards", audit)
    examine_rescored(run, audit, replays=replays, is_live=is_live)


def examine_played_without_rows(run: RunDirectory, audit: Audit) -> None:
    """Without a database all that can be said of the run's own games is whether they are whole."""
    _examine_files(run.replay, "shards", audit)


def _examine_files(folder: Path, kind: str, audit: Audit) -> None:
    for path in sorted(folder.glob("*.safetensors")):
        audit.counted[kind] += 1
        try:
            read_shard(path)
        except ReplayError as error:
            audit.problem(f"{folder.name}/{path.name}", _without_path(error, path))


def examine_rescored(run: RunDirectory, audit: Audit, *, replays: bool, is_live: bool) -> None:
    """Each follows again from the shard that was played and the pass that it names."""
    for path in sorted(run.rescored.glob("*.safetensors")):
        name = f"rescored/{path.name}"
        audit.counted["rescored shards"] += 1
        try:
            plan = read_shard(path).metadata.rescoring
            if plan is None:
                audit.problem(name, "names no pass that has written it")
                continue
            places = [folder / plan.of for folder in (run.replay, run.imported)]
            played = next((place for place in places if place.exists()), None)
            if played is None:
                if not is_live:
                    audit.note(name, f"its games, {plan.of}, are gone; nothing reads it")
            elif replays:
                check = check_rescored(path, played)
                if check.fault:
                    audit.problem(name, check.fault)
                elif not check.is_complete:
                    audit.note(name, f"not derived again: the tables in {plan.syzygy} are others")
        except ReplayError as error:
            audit.problem(name, _without_path(error, path))


def _faults_of_shard(
    run: RunDirectory,
    name: str,
    text: bytes,
    index: Index,
    replays: bool,
    tables: Tablebase | None,
) -> Iterator[str]:
    path = run.replay / name
    row = index.shards[name]
    if not path.exists():
        yield "its row says admitted, the file is gone"
        return
    admitted: AdmittedShard | None = None
    try:
        if replays:
            admitted = admit(path, tables)
            sha256, positions = admitted.sha256, admitted.positions
        else:
            shard = read_shard(path)
            sha256, positions = shard.sha256, shard.num_positions
    except ReplayError as error:
        yield _without_path(error, path)
        return
    if row.sha256 and sha256 != row.sha256:
        yield f"SHA-256 is {sha256[:16]}…, its row says {row.sha256[:16]}…"
    if positions != row.positions:
        yield f"{positions} positions, its row says {row.positions}"
    rows = games_of(run.database, path.stem)
    if len(rows) != row.games:
        yield f"{len(rows)} rows of games, the row of the shard says {row.games}"
    if admitted is None:
        return
    played = [GameRow(game.id, game.result, game.outcome, game.plies) for game in admitted.games]
    for game, kept in zip(played, rows, strict=False):
        if game != kept:
            yield f"game {game.id} was {game[1:]} (result, end, plies), its row says {kept[1:]}"
    if text != admitted.pgn.encode():
        yield f"its games are not in {PGN} as they were played"


def _texts_by_shard(run: RunDirectory, index: Index, audit: Audit) -> dict[str, bytes]:
    """The PGN text of each shard, by stem, as far as rows vouch for the file."""
    path = run.games / "selfplay.pgn"
    data = path.read_bytes() if path.exists() else b""
    if len(data) < index.pgn_bytes:
        audit.problem(PGN, f"{len(data)} bytes, the database vouches for {index.pgn_bytes}")
    data = data[: index.pgn_bytes]
    starts = [match.start() for match in _GAME.finditer(data)]
    found: dict[str, bytes] = {}
    seen: set[bytes] = set()
    for start, end in pairwise([*starts, len(data)]):
        match = _GAME_ID.search(data, start, end)
        if match is None:
            audit.problem(PGN, f"a game without its id at byte {start}")
            continue
        if match[1] in seen:
            audit.problem(PGN, f"game {match[1].decode('utf-8', 'replace')} is there twice")
        seen.add(match[1])
        stem = match[1].decode("utf-8", "replace").rpartition(":")[0]
        found[stem] = found.get(stem, b"") + data[start:end]
    return found


def _faults_of_text(text: bytes, rows: list[GameRow]) -> Iterator[str]:
    """Games whose shard has left the window: their PGN is all there is, so that is played."""
    known = {row.id: row for row in rows}
    stream = io.StringIO(text.decode("utf-8", "replace"))
    while (game := chess.pgn.read_game(stream)) is not None:
        row = known.pop(game.headers.get("GameId", ""), None)
        if row is None:
            continue  # The database was made anew: it does not know the games of old shards.
        yield from (f"game {row.id}: {fault}" for fault in _faults_of_game(game, row))
    yield from (f"game {name} is not there" for name in known)


def _faults_of_game(game: chess.pgn.Game, row: GameRow) -> Iterator[str]:
    if game.errors:
        yield f"cannot be played again: {game.errors[0]}"
        return
    board = game.end().board()
    end, result = game.headers.get("Termination", ""), game.headers.get("Result", "*")
    if end != TERMINATIONS.get(row.outcome) or result != RESULT_TEXT.get(row.result):
        yield f"{end}, {result}; its row says {row.outcome}, {row.result}"
    if board.ply() - game.board().ply() != row.plies:
        yield f"{board.ply() - game.board().ply()} plies, its row says {row.plies}"
    if end in _ENDS and not _ENDS[end](board):
        yield f"the board does not show {end} ({board.fen()})"
    if end == "checkmate" and result != ("0-1" if board.turn == chess.WHITE else "1-0"):
        yield f"{result} after checkmate with {'White' if board.turn else 'Black'} to move"


def _examine_strangers(run: RunDirectory, index: Index, audit: Audit, is_live: bool) -> None:
    for path in sorted(run.replay.iterdir()):
        row = index.shards.get(path.name)
        if is_live or (row is not None and row.state == "admitted"):
            continue
        if ".tmp." in path.name:
            audit.note(f"replay/{path.name}", "half-written; the next start sweeps it")
        elif row is None:
            audit.note(f"replay/{path.name}", "has no row; the next start looks at it")
        else:
            audit.note(
                f"replay/{path.name}", f"its row says {row.state}; the next start sees to it"
            )


def _without_path(error: ReplayError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
