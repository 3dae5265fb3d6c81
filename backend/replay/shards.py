"""Shards: finished games with their training targets, one safetensors file each.

A file's name ends in the first 16 digits of its SHA-256, so a reader can tell a damaged file
without asking anybody. Files are read whole, never mapped: a mapped file that shrinks kills the
process, and a shard of one game is 30 kB. Never rewritten, only removed.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from backend.clock import wall
from backend.commit import Writer, commit_hashed
from backend.errors import ReplayError
from backend.filesystem import OS, FileSystem
from backend.replay import records, schema
from backend.replay.provenance import (
    MAX_SOURCES,
    MAX_THEMES,
    SELFPLAY,
    Source,
)
from backend.replay.records import GameRecord
from backend.replay.schema import Array
from backend.replay.shardformat import ShardMetadata, decode_shard, encode_shard, metadata_of
from model.config import Orientation

MAX_SHARD_BYTES: Final = 512 * 1024 * 1024
_MAX_HEADER_BYTES: Final = 1 << 20
_HASH_DIGITS: Final = 16
_NAME: Final = re.compile(
    r"(?P<prefix>[^/\0]+)-(?P<seq>\d{6,})-(?P<hash>[0-9a-f]{16})\.safetensors"
)


@dataclass(frozen=True)
class Shard:
    """One shard in memory, its hash and every structural promise checked."""

    name: str
    """File name."""
    sha256: str
    metadata: ShardMetadata
    columns: dict[str, Array]
    """As `schema.COLUMNS` says; read-only."""

    @property
    def num_positions(self) -> int:
        return len(self.columns["positions"])

    @property
    def num_games(self) -> int:
        return len(self.columns["game_result"])

    @cached_property
    def stem(self) -> str:
        return self.name.removesuffix(".safetensors")

    def game_id(self, game: int) -> str:
        return f"{self.stem}:{game}"

    def moves(self, game: int) -> Array:
        """uint16: every ply of a game."""
        offset = self.columns["game_move_offset"]
        return self.columns["game_moves"][offset[game] : offset[game + 1]]


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """What a writer may announce: the file is on disk and will survive a power cut."""

    path: Path
    sha256: str
    num_games: int
    num_positions: int

    @property
    def name(self) -> str:
        return self.path.name


class ShardWriter:
    """Numbers and commits the shards of one producer in one directory."""

    def __init__(
        self,
        directory: Path,
        prefix: str,
        *,
        producer: str,
        orientation: Orientation,
        network: str = "",
    ) -> None:
        """`prefix` as in sp-sp0; numbering goes on after the files that are there."""
        self.network = network
        """Said in the next shard; set it when the network changes."""
        self._directory = directory
        self._prefix = prefix
        self._producer = producer
        self._orientation: Orientation = orientation
        self._next_seq = _next_seq(directory, prefix)

    def write(
        self,
        games: Sequence[GameRecord],
        *,
        sources: tuple[Source, ...] = (SELFPLAY,),
        themes: tuple[str, ...] = (),
    ) -> WrittenShard:
        """Commit these games as one file. They are safe when this returns.

        `sources` and `themes` are what the games name by number. ReplayError when a record
        contradicts itself; errors of the commit pass through.
        """
        return self.write_columns(
            build_columns(games), sources=sources, themes=themes, created=wall()
        )

    def write_columns(
        self,
        columns: dict[str, Array],
        *,
        sources: tuple[Source, ...],
        themes: tuple[str, ...],
        created: float,
    ) -> WrittenShard:
        """The same for games that are columns already."""
        metadata = ShardMetadata(
            schema=schema.SCHEMA_VERSION,
            producer=self._producer,
            network=self.network,
            orientation=self._orientation,
            created=created,
            sources=sources,
            themes=themes,
        )
        written = commit_columns(self._directory, self._prefix, self._next_seq, columns, metadata)
        self._next_seq += 1
        return written


def write_shard(
    directory: Path,
    prefix: str,
    seq: int,
    games: Sequence[GameRecord],
    *,
    producer: str,
    network: str,
    orientation: Orientation,
    fs: FileSystem = OS,
) -> WrittenShard:
    """Commit `games` of self-play as `<prefix>-<seq>-<hash>.safetensors` in `directory`."""
    metadata = ShardMetadata(
        schema=schema.SCHEMA_VERSION,
        producer=producer,
        network=network,
        orientation=orientation,
        created=wall(),
        sources=(SELFPLAY,),
    )
    return commit_columns(directory, prefix, seq, build_columns(games), metadata, fs)


def commit_columns(
    directory: Path,
    prefix: str,
    seq: int,
    columns: dict[str, Array],
    metadata: ShardMetadata,
    fs: FileSystem = OS,
) -> WrittenShard:
    """Commit columns as `<prefix>-<seq>-<hash>.safetensors`; the same ones make the same file."""
    _check(columns, metadata)

    def name(sha256: str) -> str:
        return f"{prefix}-{seq:06d}-{sha256[:_HASH_DIGITS]}.safetensors"

    def write(writer: Writer) -> None:
        for part in encode_shard(columns, metadata):
            writer.write(part)

    path, sha256 = commit_hashed(directory, name, write, fs=fs)
    return WrittenShard(path, sha256, len(columns["game_result"]), len(columns["positions"]))


def _check(columns: dict[str, Array], metadata: ShardMetadata) -> None:
    schema.check_columns(columns)
    schema.check_targets(columns)
    schema.check_provenance(columns, len(metadata.sources), len(metadata.themes))
    if len(metadata.sources) > MAX_SOURCES or len(metadata.themes) > MAX_THEMES:
        raise ReplayError(
            f"{len(metadata.sources)} sources and {len(metadata.themes)} themes; at most "
            f"{MAX_SOURCES} and {MAX_THEMES} fit a shard"
        )


def read_shard(path: Path) -> Shard:
    """Load and verify a shard. ReplayError names the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SHARD_BYTES + 1)
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_SHARD_BYTES:
        raise ReplayError(f"{path}: larger than {MAX_SHARD_BYTES} bytes; not a shard of Matrix0")
    digest = hashlib.sha256(content).hexdigest()
    promised = hash_in_name(path.name)
    if not digest.startswith(promised):
        raise ReplayError(
            f"{path}: damaged: SHA-256 begins {digest[:_HASH_DIGITS]}, the name says {promised}"
        )
    try:
        metadata, columns = decode_shard(content)
        _check(columns, metadata)
    except ReplayError as error:
        raise type(error)(f"{path}: {error}") from error
    return Shard(path.name, digest, metadata, columns)


def read_metadata(path: Path) -> ShardMetadata:
    """What a shard says about itself, from its header alone; nothing else is verified."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = file.read(min(length, _MAX_HEADER_BYTES))
        return metadata_of(header)
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ReplayError as error:
        raise type(error)(f"{path}: {error}") from error


def hash_in_name(name: str) -> str:
    """The 16 digits that a shard's name promises; ReplayError when it is not a shard's name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise ReplayError(f"{name!r}: not a shard's name (prefix-000123-<16 digits>.safetensors)")
    return match["hash"]


def place_in_name(name: str) -> tuple[str, int]:
    """Prefix and number in a shard's name; ReplayError when it is not a shard's name."""
    hash_in_name(name)
    prefix, seq, _ = name.rsplit("-", 2)
    return prefix, int(seq)


def list_shards(directory: Path, prefix: str = "") -> list[Path]:
    """Shards in `directory` whose name starts with `prefix`, in the order of their names."""
    return sorted(
        path
        for path in directory.glob("*.safetensors")
        if path.name.startswith(prefix) and _NAME.fullmatch(path.name)
    )


def build_columns(games: Sequence[GameRecord]) -> dict[str, Array]:
    """The columns of these games. ReplayError names the game whose record is inconsistent."""
    for number, game in enumerate(games):
        try:
            records.check_record(game)
        except ReplayError as error:
            raise ReplayError(f"game {number}: {error}") from error
    samples = [sample for game in games for sample in game.samples]
    targets = [records.result_targets(game) for game in games]
    num_moves = np.array([len(s.policy_index) for s in samples], dtype=np.int16)
    nothing = np.full(3, np.nan, dtype=np.float32)
    return {
        "positions": _stack([s.position for s in samples], np.uint64, 8),
        "num_moves": num_moves,
        "policy_offset": offsets_of(num_moves),
        "policy_index": _join([s.policy_index for s in samples], np.int16),
        "policy_prob": _join([s.policy_prob for s in samples], np.float16),
        "root_wdl": _stack(
            [nothing if s.root_wdl is None else s.root_wdl for s in samples], np.float32, 3
        ),
        "result_wdl": _join([t.wdl for t in targets], np.float32).reshape(-1, 3),
        "has_result": _join([t.has_result for t in targets], np.uint8),
        "plies_left": _join([t.plies_left for t in targets], np.int16),
        "kind": np.array([s.kind for s in samples], dtype=np.uint8),
        "policy_weight": np.array([s.policy_weight for s in samples], dtype=np.float16),
        "value_weight": np.array([s.value_weight for s in samples], dtype=np.float16),
        "value_wdl": _stack(
            [nothing if s.value_wdl is None else s.value_wdl for s in samples], np.float32, 3
        ),
        "value_source": np.array([s.value_source for s in samples], dtype=np.uint8),
        "game_of_position": np.repeat(
            np.arange(len(games), dtype=np.int32), [len(game.samples) for game in games]
        ),
        "ply": np.array([s.ply for s in samples], dtype=np.int16),
        "game_start": _stack([game.start for game in games], np.uint64, 8),
        "game_move_offset": offsets_of(np.array([len(game.moves) for game in games], np.int64)),
        "game_moves": _join([np.asarray(game.moves, np.uint16) for game in games], np.uint16),
        "game_result": np.array([game.result for game in games], dtype=np.int8),
        "game_outcome": np.array([game.outcome for game in games], dtype=np.uint8),
        "game_origin": np.array([game.origin for game in games], dtype=np.uint8),
        "game_opening_plies": np.array([game.opening_plies for game in games], dtype=np.int16),
        "game_source": np.array([game.source for game in games], dtype=np.uint16),
        "game_number": np.array([game.number for game in games], dtype=np.int64),
        "game_rating": np.array([game.rating for game in games], dtype=np.int16),
        "game_theme_offset": offsets_of(np.array([len(game.themes) for game in games], np.int64)),
        "game_themes": _join([np.asarray(game.themes, np.uint16) for game in games], np.uint16),
    }


def _next_seq(directory: Path, prefix: str) -> int:
    taken = [-1]
    for path in list_shards(directory, prefix):
        match = _NAME.fullmatch(path.name)
        if match is not None and match["prefix"] == prefix:
            taken.append(int(match["seq"]))
    return max(taken) + 1


def offsets_of(lengths: Array) -> Array:
    """int64[n + 1]: where each of n parts begins, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _join(parts: Sequence[Array], dtype: type[np.generic]) -> Array:
    if not parts:
        return np.empty(0, dtype)
    return np.concatenate([np.asarray(part, dtype) for part in parts])


def _stack(rows: Sequence[Array], dtype: type[np.generic], width: int) -> Array:
    return np.array(rows, dtype=dtype).reshape(-1, width)
