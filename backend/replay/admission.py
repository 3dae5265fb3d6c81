"""The referee: whether a shard may be learned from.

Every game is played again with python-chess, which shares no code with our rules. Its moves, its
result and how it ended, the stored positions, their legal moves and value targets must be what that
board says. Costs about 0.15 ms a ply. Never imports torch or compiled kernels: the supervisor calls
it in a thread.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import chess
import numpy as np

from backend.errors import ReplayError
from backend.replay import records
from backend.replay.boards import (
    board_from_position,
    code_in_words,
    move_code,
    move_from_code,
    position_array,
    position_key,
    position_words,
)
from backend.replay.shards import Shard, read_shard
from backend.replay.tablebase import Tablebase

NONE, CHECKMATE, STALEMATE, INSUFFICIENT, FIFTY_MOVES, THREEFOLD = range(6)
"""As `model.rules.Outcome`, which a test compares."""

TERMINATIONS: Final = {
    CHECKMATE: "checkmate",
    STALEMATE: "stalemate",
    INSUFFICIENT: "insufficient material",
    FIFTY_MOVES: "fifty moves",
    THREEFOLD: "threefold repetition",
    records.TABLEBASE: "tablebase",
    records.RESIGNED: "resignation",
    records.EXTERNAL: "decided away from the board",
    records.TRUNCATED: "truncated",
}
ORIGINS: Final = {
    records.FROM_START: "start",
    records.RANDOM_OPENING: "random",
    records.BOOK_OPENING: "book",
    records.NETWORK_OPENING: "network",
    records.ARCHIVED: "archive",
}
RESULT_TEXT: Final = {
    records.WHITE_WON: "1-0",
    records.DRAW: "1/2-1/2",
    records.BLACK_WON: "0-1",
    records.NO_RESULT: "*",
}
_PLANES_A_SQUARE: Final = 73
_PGN_WIDTH: Final = 80


@dataclass(frozen=True, slots=True)
class AdmittedGame:
    id: str
    result: int
    """1 white, 0 draw, -1 black, 2 truncated."""
    outcome: int
    """Outcome of the rules, TABLEBASE, RESIGNED or TRUNCATED."""
    plies: int

    @property
    def termination(self) -> str:
        return TERMINATIONS[self.outcome]


@dataclass(frozen=True, slots=True)
class AdmittedShard:
    """What the database and the screen need to know of a shard that counts."""

    name: str
    sha256: str
    positions: int
    network: str
    """Checkpoint that played; empty where none did."""
    producer: str
    """Worker that wrote it."""
    games: list[AdmittedGame]
    pgn: str
    """All its games as PGN text, ending in an empty line."""

    @property
    def white_wins(self) -> int:
        return self._count(records.WHITE_WON)

    @property
    def draws(self) -> int:
        return self._count(records.DRAW)

    @property
    def black_wins(self) -> int:
        return self._count(records.BLACK_WON)

    @property
    def truncated(self) -> int:
        return self._count(records.NO_RESULT)

    @property
    def plies(self) -> int:
        return sum(game.plies for game in self.games)

    def _count(self, result: int) -> int:
        return sum(game.result == result for game in self.games)


def admit(path: Path, tables: Tablebase | None = None) -> AdmittedShard:
    """Verify a shard of self-play whole. ReplayError names the first fault, game and ply.

    Without `tables` no game may claim to be decided by any.
    """
    shard = read_shard(path)
    try:
        games, texts = [], []
        for number in range(shard.num_games):
            admitted, text = _admit_game(shard, number, tables)
            games.append(admitted)
            texts.append(text)
        _check_value_targets(shard)
    except ReplayError as error:
        raise ReplayError(f"{path}: {error}") from error
    return AdmittedShard(
        shard.name,
        shard.sha256,
        shard.num_positions,
        shard.metadata.network,
        shard.metadata.producer,
        games,
        "".join(texts),
    )


def _admit_game(shard: Shard, number: int, tables: Tablebase | None) -> tuple[AdmittedGame, str]:
    columns = shard.columns
    moves = shard.moves(number).tolist()
    try:
        board = board_from_position(columns["game_start"][number])
    except ReplayError as error:
        raise ReplayError(f"game {number}: start: {error}") from error
    start_fen = board.fen()
    start = board.copy(stack=False)
    outcome = _replay(shard, number, board, moves)

    stored_outcome = int(columns["game_outcome"][number])
    result = int(columns["game_result"][number])
    if stored_outcome == records.TRUNCATED and outcome == NONE:
        derived_outcome, derived_result = records.TRUNCATED, records.NO_RESULT
    elif stored_outcome == records.RESIGNED and outcome == NONE:
        _check_resignation(shard, number, board.turn)
        derived_outcome, derived_result = records.RESIGNED, _lost_by(board.turn)
    elif stored_outcome == records.TABLEBASE and outcome == NONE:
        derived_outcome = records.TABLEBASE
        derived_result = _probe(f"game {number}, ply {len(moves)}", board, tables)
    else:
        derived_outcome, derived_result = outcome, _result(outcome, board.turn)
    if stored_outcome != derived_outcome:
        raise ReplayError(
            f"game {number}, ply {len(moves)}: stored as {_name(stored_outcome)}, "
            f"the board says {_name(derived_outcome)} ({board.fen()})"
        )
    if result != derived_result:
        raise ReplayError(
            f"game {number}, ply {len(moves)}: stored result {RESULT_TEXT[result]}, "
            f"{_name(outcome)} on the board means {RESULT_TEXT[derived_result]} ({board.fen()})"
        )
    game = AdmittedGame(shard.game_id(number), result, derived_outcome, len(moves))
    return game, _pgn(shard, number, game, start, start_fen, moves)


def _replay(shard: Shard, number: int, board: chess.Board, moves: list[int]) -> int:
    """Play all moves on `board`, comparing every stored position; the final Outcome."""
    columns = shard.columns
    first, last = np.searchsorted(columns["game_of_position"], [number, number + 1])
    samples = dict(zip(columns["ply"][first:last].tolist(), range(first, last), strict=True))
    seen: Counter[tuple[int, ...]] = Counter()
    for ply, code in enumerate(moves):
        words = position_words(board)
        key = position_key(words)
        repetitions = seen[key]
        seen[key] += 1
        legal = [(move.from_square, move_code(move)) for move in board.generate_legal_moves()]
        outcome = _outcome(board, len(legal), repetitions)
        if outcome != NONE:
            raise ReplayError(f"game {number}, ply {ply}: played on after {_name(outcome)}")
        if ply in samples:
            words = position_words(board, repetitions)
            _check_sample(shard, number, samples[ply], words, [origin for origin, _ in legal])
        if all(code != known for _, known in legal):
            raise ReplayError(
                f"game {number}, ply {ply}: {code_in_words(code)} is not legal in {board.fen()}"
            )
        board.push(move_from_code(code))
    repetitions = seen[position_key(position_words(board))]
    num_legal = sum(1 for _ in board.generate_legal_moves())
    return _outcome(board, num_legal, repetitions)


def _check_sample(
    shard: Shard, number: int, position: int, words: tuple[int, ...], origins: list[int]
) -> None:
    """The stored position is the board's, and its policy has one entry for each legal move."""
    columns = shard.columns
    ply = int(columns["ply"][position])
    if (columns["positions"][position] != position_array(words)).any():
        raise ReplayError(
            f"game {number}, ply {ply}: the stored position is not the one on the board: "
            f"{columns['positions'][position].tolist()} instead of {list(words)}"
        )
    offset = columns["policy_offset"]
    index = columns["policy_index"][offset[position] : offset[position + 1]].tolist()
    if shard.metadata.orientation == "mover" and words[7] & 1:
        origins = [origin ^ 56 for origin in origins]
    if len(set(index)) != len(index) or Counter(origins) != Counter(
        entry // _PLANES_A_SQUARE for entry in index
    ):
        raise ReplayError(
            f"game {number}, ply {ply}: the policy is not about the {len(origins)} legal moves"
        )


def _probe(where: str, board: chess.Board, tables: Tablebase | None) -> int:
    """What the tables make of the final position; a claim alone is worth nothing."""
    if tables is None:
        raise ReplayError(f"{where}: decided by endgame tables, but no syzygy_path is configured")
    result = tables.result(board)
    if result is None:
        raise ReplayError(f"{where}: the endgame tables say nothing of {board.fen()}")
    return result


def _check_resignation(shard: Shard, number: int, loser: chess.Color) -> None:
    """The last stored search of the side to move had given up hope: what can be known of it."""
    columns = shard.columns
    first, last = np.searchsorted(columns["game_of_position"], [number, number + 1])
    black = (columns["positions"][first:last, 7] & np.uint64(1)).astype(bool)
    own = columns["root_wdl"][first:last][black == (loser == chess.BLACK)]
    if not len(own) or not own[-1, 0] - own[-1, 2] <= -records.MIN_RESIGN_VALUE:
        raise ReplayError(
            f"game {number}, ply {len(shard.moves(number))}: resigned by the side to move, whose "
            "last search does not say that it loses"
        )


def _check_value_targets(shard: Shard) -> None:
    """Stored results of samples follow from the game's result and the side to move."""
    columns = shard.columns
    for number in range(shard.num_games):
        first, last = np.searchsorted(columns["game_of_position"], [number, number + 1])
        result = int(columns["game_result"][number])
        plies = columns["ply"][first:last].astype(np.int64)
        if result == records.NO_RESULT:
            wanted = np.zeros((last - first, 3), np.float32)
            left = np.full(last - first, records.UNKNOWN_PLIES)
        else:
            black = (columns["positions"][first:last, 7] & np.uint64(1)).astype(bool)
            wins = np.where(black, result == records.BLACK_WON, result == records.WHITE_WON)
            is_draw = np.full(last - first, result == records.DRAW)
            wanted = np.stack([wins, is_draw, ~wins & ~is_draw], axis=1).astype(np.float32)
            left = len(shard.moves(number)) - plies
        wrong = (
            (columns["result_wdl"][first:last] != wanted).any(axis=1)
            | (columns["has_result"][first:last] != (result != records.NO_RESULT))
            | (columns["plies_left"][first:last] != left)
            | (columns["value_source"][first:last] != records.TARGET_OPEN)
        )
        if wrong.any():
            ply = int(plies[np.flatnonzero(wrong)[0]])
            raise ReplayError(
                f"game {number}, ply {ply}: the value target does not follow from "
                f"{RESULT_TEXT[result]}"
            )


def _outcome(board: chess.Board, num_legal: int, repetitions: int) -> int:
    """The rules' order: mate and stalemate, then material, fifty moves, repetition."""
    if num_legal == 0:
        return CHECKMATE if board.is_check() else STALEMATE
    if board.is_insufficient_material():
        return INSUFFICIENT
    if board.halfmove_clock >= 100:
        return FIFTY_MOVES
    if repetitions >= 2:
        return THREEFOLD
    return NONE


def _result(outcome: int, loser_if_mated: chess.Color) -> int:
    """The side to move in the final position is the one that was mated."""
    if outcome == NONE:
        return records.NO_RESULT
    return _lost_by(loser_if_mated) if outcome == CHECKMATE else records.DRAW


def _lost_by(loser: chess.Color) -> int:
    return records.BLACK_WON if loser == chess.WHITE else records.WHITE_WON


def _name(outcome: int) -> str:
    return TERMINATIONS.get(outcome, "not over")


def _pgn(
    shard: Shard,
    number: int,
    game: AdmittedGame,
    board: chess.Board,
    start_fen: str,
    moves: list[int],
) -> str:
    network = shard.metadata.network or shard.metadata.producer
    day = time.strftime("%Y.%m.%d", time.gmtime(shard.metadata.created))
    headers = {
        "Event": "Matrix0 self-play",
        "Site": shard.metadata.producer,
        "Date": day,
        "Round": "-",
        "White": network,
        "Black": network,
        "Result": RESULT_TEXT[game.result],
        "GameId": game.id,
        "Termination": game.termination,
        "Network": network,
        "Origin": _origin(shard, number),
        "Searches": _searches(shard, number),
    }
    if start_fen != chess.Board(chess960=True).fen():
        headers |= {"SetUp": "1", "FEN": start_fen}
    lines = [f'[{name} "{_quote(text)}"]' for name, text in headers.items()]
    tokens = [*_movetext(board, moves), RESULT_TEXT[game.result]]
    return "\n".join([*lines, "", *_wrap(tokens), "", ""])


def _origin(shard: Shard, number: int) -> str:
    """'archive, 37 plies': where the game came from, and how many plies no search of it chose."""
    origin = ORIGINS[int(shard.columns["game_origin"][number])]
    plies = int(shard.columns["game_opening_plies"][number])
    return f"{origin}, {plies} plies" if plies else origin


def _searches(shard: Shard, number: int) -> str:
    """'57 full, 120 cheap': how the moves of the game were chosen."""
    kinds = shard.columns["kind"][shard.columns["game_of_position"] == number]
    full = int((kinds == records.FULL_SEARCH).sum())
    return f"{full} full, {int((kinds == records.CHEAP_SEARCH).sum())} cheap"


def _movetext(board: chess.Board, moves: list[int]) -> Iterator[str]:
    for number, code in enumerate(moves):
        if board.turn == chess.WHITE:
            yield f"{board.fullmove_number}."
        elif number == 0:
            yield f"{board.fullmove_number}..."
        yield board.san_and_push(move_from_code(code))


def _wrap(tokens: list[str]) -> Iterator[str]:
    line = ""
    for token in tokens:
        if line and len(line) + 1 + len(token) > _PGN_WIDTH:
            yield line
            line = token
        else:
            line = f"{line} {token}" if line else token
    yield line


def _quote(text: str) -> str:
    """A header value; metadata comes from a file, so nothing in it may start a new line."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text[:200])
    return printable.replace("\\", "\\\\").replace('"', '\\"')
