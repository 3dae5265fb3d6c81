"""A stored game as a sequence of boards with what its search thought of each.

Self-play comes from its shard, with value and policy; when the shard has left the window, from the
PGN file, with the moves alone. Match games have the values that the players noted. Blocks.
"""

import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess
import chess.pgn
import numpy as np

from backend.errors import ReplayError
from backend.events import BoardSeen, MoveSeen
from backend.replay.boards import board_from_position, code_in_words, move_from_code
from backend.replay.gametext import read_game
from backend.replay.policy_moves import policy_index
from backend.replay.shards import Shard, read_shard
from tui.archive import StoredGame

MAX_GAME_BYTES: Final = 1 << 20
NUM_MOVES: Final = 8
"""Moves of a search that are shown."""
_VALUE: Final = re.compile(r"^\s*([+-]\d\.\d+)")
Wdl = tuple[float, float, float]
UNKNOWN: Final[Wdl] = (0.0, 0.0, 0.0)
"""Of a position that no search saw."""


@dataclass(frozen=True)
class Replay:
    entry: StoredGame
    frames: tuple[BoardSeen, ...]
    """The start, then the board after every ply."""
    values: tuple[float | None, ...]
    """For White, -1 to 1, of the search before every ply; one less than `frames`."""
    note: str
    """Where the thoughts come from, or why there are none."""
    pgn: str


def load(entry: StoredGame, run_dir: Path) -> Replay:
    """Raises ReplayError, saying why, when the game cannot be shown."""
    if entry.pgn is not None:
        return _from_pgn(entry, _text_at(entry.pgn, entry.offset), "values as noted")
    stem, _, number = entry.id.rpartition(":")
    shard = run_dir / "replay" / f"{stem}.safetensors"
    if shard.is_file():
        return _from_shard(entry, read_shard(shard), int(number))
    path = run_dir / "games" / "selfplay.pgn"
    text = _text_of_id(path, entry.id)
    return _from_pgn(entry, text, "moves only: the shard is gone")


def _from_shard(entry: StoredGame, shard: Shard, number: int) -> Replay:
    columns = shard.columns
    if not 0 <= number < shard.num_games:
        raise ReplayError(f"{shard.name}: no game {number}")
    board = board_from_position(columns["game_start"][number])
    rows = np.flatnonzero(columns["game_of_position"] == number)
    thought = {int(columns["ply"][row]): int(row) for row in rows}
    moves, thoughts = [], []
    for ply, code in enumerate(shard.moves(number).tolist()):
        move = move_from_code(code)
        if not board.is_legal(move):
            raise ReplayError(f"{entry.id}, ply {ply}: {code_in_words(code)} is not legal")
        row = thought.get(ply)
        thoughts.append(None if row is None else _thought(shard, row, board, move))
        moves.append(move)
        board.push(move)
    return _replay(entry, board, thoughts, "value and policy")


_Thought = tuple[Wdl | None, tuple[MoveSeen, ...]]


def _thought(shard: Shard, row: int, board: chess.Board, played: chess.Move) -> _Thought:
    """What the search of a position said, its likeliest moves first."""
    columns = shard.columns
    first, last = columns["policy_offset"][row : row + 2]
    shares = dict(
        zip(
            columns["policy_index"][first:last].tolist(),
            columns["policy_prob"][first:last].astype(float).tolist(),
            strict=True,
        )
    )
    orientation = shard.metadata.orientation
    seen = [
        MoveSeen(
            san=board.san(move),
            policy=shares.get(policy_index(board, move, orientation), 0.0),
            visits=0,
            is_played=move == played,
        )
        for move in board.legal_moves
    ]
    seen.sort(key=lambda move: -move.policy)
    shown = [move for i, move in enumerate(seen) if i < NUM_MOVES or move.is_played]
    wdl = columns["root_wdl"][row].astype(float)
    value = None if np.isnan(wdl).any() else (float(wdl[0]), float(wdl[1]), float(wdl[2]))
    return value, tuple(shown)


def _from_pgn(entry: StoredGame, text: str, note: str) -> Replay:
    try:
        game = read_game(text)
    except ReplayError as error:
        raise ReplayError(f"{entry.id}: {error}") from error
    if game.errors:
        raise ReplayError(f"{entry.id}: {game.errors[0]}")
    board = game.board()
    thoughts: list[_Thought | None] = []
    for node in game.mainline():
        found = _VALUE.match(node.comment)
        wdl = None
        if found:
            value = min(max(float(found[1]), -1.0), 1.0)
            wdl = (max(value, 0.0), 1 - abs(value), max(-value, 0.0))
        thoughts.append((wdl, ()) if wdl else None)
        board.push(node.move)
    return _replay(entry, board, thoughts, note, text.strip() + "\n")


def _replay(
    entry: StoredGame,
    end: chess.Board,
    thoughts: list[_Thought | None],
    note: str,
    pgn: str = "",
) -> Replay:
    board = end.root()
    moves = end.move_stack
    frames = [BoardSeen(worker="", game=entry.label, fen=board.fen(), ply=0, wdl=UNKNOWN)]
    values: list[float | None] = []
    for ply, (move, thought) in enumerate(zip(moves, thoughts, strict=True), 1):
        wdl, seen = thought or (None, ())
        mover = 1 if board.turn == chess.WHITE else -1
        values.append(None if wdl is None else mover * (wdl[0] - wdl[2]))
        last = board.uci(move, chess960=False)
        board.push(move)
        frames.append(
            BoardSeen(
                worker="",
                game=entry.label,
                fen=board.fen(),
                ply=ply,
                last_move=last,
                wdl=wdl or UNKNOWN,
                moves=seen,
            )
        )
    return Replay(entry, tuple(frames), tuple(values), note, pgn or _as_pgn(entry, end))


def _as_pgn(entry: StoredGame, board: chess.Board) -> str:
    game = chess.pgn.Game.from_board(board)
    if not board.root().has_chess960_castling_rights():
        del game.headers["Variant"]
    game.headers.update({"Event": "Matrix0 self-play", "Site": entry.id, "Result": entry.result})
    return f"{game}\n"


def _text_at(path: Path, offset: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(MAX_GAME_BYTES)
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror or error}") from error
    end = data.find(b"\n[Event ", 1)
    return data[: end if end > 0 else None].decode("utf-8", "replace")


def _text_of_id(path: Path, id: str) -> str:
    """The game with this id among the many of a file, which is searched and not read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(f'\n[GameId "{id}"]'.encode())
            start = data.rfind(b"[Event ", 0, at) if at >= 0 else -1
    except (OSError, ValueError) as error:
        raise ReplayError(f"{path}: {error}") from error
    if start < 0:
        raise ReplayError(f"{id}: neither its shard nor its PGN is there any more")
    return _text_at(path, start)
