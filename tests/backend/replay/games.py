"""Whole games as records for tests: played by our rules, with policies drawn at random."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import safetensors.numpy

from backend.replay import records, schema, shards
from backend.replay.provenance import SELFPLAY
from backend.replay.records import GameRecord, SampleRecord
from backend.replay.schema import Array
from backend.replay.shardformat import ShardMetadata
from model.config import Orientation
from model.encoding import policy_indices
from model.rules import (
    START_FEN,
    Outcome,
    from_fen,
    legal_moves,
    make_move,
    uci_to_move,
    with_repetitions,
    zobrist,
)

WHITE_MATES = "e2e4 e7e5 d1h5 b8c6 f1c4 g8f6 h5f7"
BLACK_MATES = "f2f3 e7e5 g2g4 d8h4"
SHUFFLE = "g1f3 g8f6 f3g1 f6g8 g1f3 g8f6 f3g1 f6g8"
"""The starting position for the third time."""
STALEMATE_FEN = "7k/8/6K1/8/8/8/8/5Q2 w - - 0 1"
ROOT_WDL = np.array([0.5, 0.3, 0.2], np.float32)


def game_of(
    moves: str,
    outcome: int,
    result: int,
    *,
    fen: str = START_FEN,
    kind: int = records.FULL_SEARCH,
    is_sampled: Callable[[int], bool] = lambda ply: True,
    orientation: Orientation = "mover",
    seed: int = 0,
) -> GameRecord:
    """The game of these UCI moves, with a sample at each ply that `is_sampled` wants."""
    rng = np.random.default_rng(seed)
    start = position = from_fen(fen)
    codes: list[int] = []
    samples: list[SampleRecord] = []
    seen: list[int] = []
    for ply, text in enumerate(moves.split()):
        legal, index = np.zeros(256, np.uint16), np.zeros(256, np.int16)
        count = legal_moves(position, legal)
        policy_indices(position, legal, count, orientation == "mover", index)
        code = uci_to_move(position, text)
        key = int(zobrist(position))
        if is_sampled(ply):
            policy = rng.dirichlet(np.ones(count)).astype(np.float32)
            if kind == records.PLAYED_MOVE:
                policy = (legal[:count] == code).astype(np.float32)
            samples.append(
                SampleRecord(
                    position=with_repetitions(position, seen.count(key)),
                    policy_index=index[:count].copy(),
                    policy_prob=policy,
                    root_wdl=None if kind == records.PLAYED_MOVE else ROOT_WDL,
                    kind=kind,
                    ply=ply,
                )
            )
        seen.append(key)
        codes.append(code)
        child = np.zeros(8, np.uint64)
        make_move(position, code, child)
        position = child
    return GameRecord(start, codes, samples, outcome, result)


def white_mates() -> GameRecord:
    return game_of(WHITE_MATES, Outcome.CHECKMATE, records.WHITE_WON)


def black_mates() -> GameRecord:
    return game_of(BLACK_MATES, Outcome.CHECKMATE, records.BLACK_WON)


def cut_game() -> GameRecord:
    return game_of("e2e4 e7e5 g1f3", records.TRUNCATED, records.NO_RESULT)


def write(
    directory: Path, games: Sequence[GameRecord], seq: int = 0, prefix: str = "sp-selfplay-0"
) -> Path:
    """These games as a shard of self-play."""
    return shards.write_shard(
        directory,
        prefix,
        seq,
        games,
        producer="selfplay-0",
        network="step-00000000",
        orientation="mover",
    ).path


def write_columns(directory: Path, columns: dict[str, Array], **metadata: object) -> Path:
    """A file whose name fits its content, whatever the content is."""
    said = {
        "schema": schema.SCHEMA_VERSION,
        "producer": "selfplay-0",
        "network": "step-00000000",
        "orientation": "mover",
        "created": 0.0,
        "sources": (SELFPLAY,),
    }
    text = msgspec.json.encode(ShardMetadata(**(said | metadata))).decode()
    contiguous = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    content = safetensors.numpy.save(contiguous, {"matrix0": text})
    digest = hashlib.sha256(content).hexdigest()
    path = directory / f"sp-selfplay-0-000000-{digest[:16]}.safetensors"
    path.write_bytes(content)
    return path


def writable(columns: dict[str, Array]) -> dict[str, Array]:
    return {name: column.copy() for name, column in columns.items()}
