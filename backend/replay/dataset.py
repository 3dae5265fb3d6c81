"""What a run has to learn from, counted: sources, phases, results, themes, what stands twice.

Shards are read one after the other; of each position only a hash is kept, 8 bytes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from backend.replay import records
from backend.replay.boards import board_from_position, move_from_code
from backend.replay.imports import HELD_OUT, LEARNED
from backend.replay.phases import PHASES, phases_of
from backend.replay.shards import Shard, list_shards, read_shard
from backend.rundir import RunDirectory
from model.encoding import index_to_move

RESULTS: Final = {
    records.WHITE_WON: "White won",
    records.DRAW: "drawn",
    records.BLACK_WON: "Black won",
    records.NO_RESULT: "no result",
}
RATING_BAND: Final = 400
UNKNOWN: Final = "unknown"
"""Rating of what has none."""
MOST_MOVES_SHOWN: Final = 3
_NO_CLOCKS: Final = np.uint64(0x1FF | 0xFFF << 32)
"""State bits that make positions different: side, rights, en passant, rook files."""


@dataclass(kw_only=True)
class SourceCount:
    """What came from one source."""

    name: str
    kind: str
    games: int = 0
    positions: int = 0
    held_out_positions: int = 0


@dataclass(kw_only=True)
class Survey:
    """All that can be counted."""

    shards: int = 0
    games: int = 0
    positions: int = 0
    held_out_games: int = 0
    held_out_positions: int = 0
    searched: int = 0
    """Positions with a value from a search or an engine."""
    without_value: int = 0
    """Positions that teach no value: neither result nor search, and nobody decided it."""
    twice: int = 0
    """Positions that stand there already, clocks and repetitions aside."""
    leaked: int = 0
    """Held-out positions that are learned from too, as openings are."""
    sources: list[SourceCount] = field(default_factory=list)
    phases: Counter[str] = field(default_factory=Counter)
    """Positions."""
    results: Counter[str] = field(default_factory=Counter)
    """Games."""
    themes: Counter[str] = field(default_factory=Counter)
    """Games."""
    ratings: Counter[str] = field(default_factory=Counter)
    """Games, by band."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A position that was drawn at random."""

    board: chess.Board
    source: str
    number: int
    rating: int
    themes: tuple[str, ...]
    ply: int
    moves: tuple[tuple[str, float], ...]
    """The most likely first, in SAN."""
    result_wdl: tuple[float, ...] | None
    root_wdl: tuple[float, ...] | None


def survey(run: RunDirectory) -> Survey:
    """Counts all shards of a run, its own games too. ReplayError names a damaged one."""
    found = Survey()
    sources: dict[tuple[str, str, str], SourceCount] = {}
    learned: list[NDArray[np.uint64]] = []
    held_out: list[NDArray[np.uint64]] = []
    for path in shards_of(run):
        shard = read_shard(path)
        is_held_out = path.name.startswith(HELD_OUT)
        _count(found, sources, shard, is_held_out=is_held_out)
        (held_out if is_held_out else learned).append(_hashes(shard.columns["positions"]))
    found.sources = list(sources.values())
    nothing = np.empty(0, np.uint64)
    ours, theirs = np.concatenate([nothing, *learned]), np.concatenate([nothing, *held_out])
    found.twice = len(ours) - len(unique := np.unique(ours))
    found.leaked = int(np.isin(theirs, unique).sum())
    return found


def draw(run: RunDirectory, count: int, seed: int) -> list[Drawn]:
    """So many positions to learn from, each as likely as any other."""
    paths = [path for path in shards_of(run) if not path.name.startswith(HELD_OUT)]
    sizes = np.array([read_shard(path).num_positions for path in paths], np.int64)
    if not sizes.sum():
        return []
    rows = np.random.default_rng(seed).integers(sizes.sum(), size=count)
    ends = np.cumsum(sizes)
    drawn = []
    for row in rows:
        shard = int(np.searchsorted(ends, row, side="right"))
        drawn.append(_drawn(read_shard(paths[shard]), int(row - ends[shard] + sizes[shard])))
    return drawn


def shards_of(run: RunDirectory) -> Sequence[Path]:
    """Those of self-play, then those imported."""
    return [
        *list_shards(run.replay),
        *list_shards(run.imported, LEARNED),
        *list_shards(run.imported, HELD_OUT),
    ]


def _count(
    found: Survey,
    sources: dict[tuple[str, str, str], SourceCount],
    shard: Shard,
    *,
    is_held_out: bool,
) -> None:
    columns = shard.columns
    found.shards += 1
    found.games += shard.num_games
    found.positions += shard.num_positions
    if is_held_out:
        found.held_out_games += shard.num_games
        found.held_out_positions += shard.num_positions
    is_searched = np.isfinite(columns["root_wdl"]).all(axis=1)
    found.searched += int(is_searched.sum())
    is_open = columns["value_source"] == records.TARGET_OPEN
    found.without_value += int((~is_searched & is_open & (columns["has_result"] == 0)).sum())
    for phase, count in enumerate(np.bincount(phases_of(columns["positions"]), minlength=3)):
        found.phases[PHASES[phase]] += int(count)
    for result, name in RESULTS.items():
        found.results[name] += int((columns["game_result"] == result).sum())
    for theme, count in enumerate(np.bincount(columns["game_themes"])):
        found.themes[shard.metadata.themes[theme]] += int(count)
    rated = columns["game_rating"][columns["game_rating"] > 0]
    found.ratings[UNKNOWN] += shard.num_games - len(rated)
    for band, count in enumerate(np.bincount(rated // RATING_BAND)):
        if count:
            found.ratings[f"{band * RATING_BAND}-{(band + 1) * RATING_BAND - 1}"] += int(count)
    source_of_position = columns["game_source"][columns["game_of_position"]]
    for number, source in enumerate(shard.metadata.sources):
        key = (source.kind, source.name, source.sha256)
        known = sources.setdefault(key, SourceCount(name=source.name, kind=source.kind))
        known.games += int((columns["game_source"] == number).sum())
        num_positions = int((source_of_position == number).sum())
        known.positions += num_positions
        known.held_out_positions += num_positions if is_held_out else 0


def _hashes(positions: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """uint64[P]: equal for positions that are the same but for their clocks."""
    hashes = positions[:, 7] & _NO_CLOCKS
    for word in range(7):
        hashes = (hashes ^ positions[:, word]) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _drawn(shard: Shard, row: int) -> Drawn:
    columns = shard.columns
    position = columns["positions"][row]
    game = int(columns["game_of_position"][row])
    own = slice(*columns["policy_offset"][row : row + 2])
    prob, index = columns["policy_prob"][own], columns["policy_index"][own]
    board = board_from_position(position)
    moves = []
    for entry in np.argsort(-prob, kind="stable")[:MOST_MOVES_SHOWN]:
        if prob[entry] > 0:
            code = index_to_move(position, int(index[entry]), shard.metadata.orientation)
            moves.append((board.san(move_from_code(code)), float(prob[entry])))
    themes = columns["game_themes"][slice(*columns["game_theme_offset"][game : game + 2])]
    source = shard.metadata.sources[columns["game_source"][game]]
    root = columns["root_wdl"][row]
    return Drawn(
        board=board,
        source=source.name,
        number=int(columns["game_number"][game]),
        rating=int(columns["game_rating"][game]),
        themes=tuple(shard.metadata.themes[theme] for theme in themes),
        ply=int(columns["ply"][row]),
        moves=tuple(moves),
        result_wdl=tuple(columns["result_wdl"][row].tolist())
        if columns["has_result"][row]
        else None,
        root_wdl=tuple(root.tolist()) if np.isfinite(root).all() else None,
    )
