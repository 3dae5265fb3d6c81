"""The columns of a shard: their types, how their lengths hang together, and what may be in them.

    P positions, N policy entries (all legal moves of all positions), G games, M moves, T themes

    position p owns policy_index[policy_offset[p] : policy_offset[p + 1]]
    game g     owns game_moves[game_move_offset[g] : game_move_offset[g + 1]]
    game g     owns game_themes[game_theme_offset[g] : game_theme_offset[g + 1]]

`docs/data.md` shows the same table.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.replay import records

SCHEMA_VERSION: Final = 4
READABLE: Final = (1, 2, 3, 4)
"""Version 1 had no weights and did not say what played the opening, version 2 did not know sources
and themes, version 3 no value targets but result and search; see `upgrade`."""
NUM_POLICY_INDICES: Final = 4672

Array = NDArray[Any]

COLUMNS: Final[dict[str, tuple[str, tuple[str | int, ...]]]] = {
    "positions": ("uint64", ("P", 8)),
    "num_moves": ("int16", ("P",)),
    "policy_offset": ("int64", ("P+1",)),
    "policy_index": ("int16", ("N",)),
    "policy_prob": ("float16", ("N",)),
    "root_wdl": ("float32", ("P", 3)),
    "result_wdl": ("float32", ("P", 3)),
    "has_result": ("uint8", ("P",)),
    "plies_left": ("int16", ("P",)),
    "kind": ("uint8", ("P",)),
    "policy_weight": ("float16", ("P",)),
    "value_weight": ("float16", ("P",)),
    "value_wdl": ("float32", ("P", 3)),
    "value_source": ("uint8", ("P",)),
    "game_of_position": ("int32", ("P",)),
    "ply": ("int16", ("P",)),
    "game_start": ("uint64", ("G", 8)),
    "game_move_offset": ("int64", ("G+1",)),
    "game_moves": ("uint16", ("M",)),
    "game_result": ("int8", ("G",)),
    "game_outcome": ("uint8", ("G",)),
    "game_origin": ("uint8", ("G",)),
    "game_opening_plies": ("int16", ("G",)),
    "game_source": ("uint16", ("G",)),
    "game_number": ("int64", ("G",)),
    "game_rating": ("int16", ("G",)),
    "game_theme_offset": ("int64", ("G+1",)),
    "game_themes": ("uint16", ("T",)),
}
"""Name -> numpy type and shape; a letter is the same number in every column."""

MAX_POSITIONS: Final = 1 << 20
MAX_GAMES: Final = 1 << 17
PROBABILITY_TOLERANCE: Final = 4e-3
"""Distance of a float16 policy's sum from 1; rounding 218 entries moves it by at most 5e-4."""
_WDL_TOLERANCE: Final = 1e-3
_ONE: Final = 0x3C00
"""1.0 as the bits of a float16."""
_OUTCOMES: Final = (
    *(1, 2, 3, 4, 5),
    *(records.TABLEBASE, records.RESIGNED, records.EXTERNAL, records.TRUNCATED),
)


def upgrade(columns: dict[str, Array], version: int) -> dict[str, Array]:
    """The columns as today's schema has them: every row of the first has weight 1, every game of
    the first two is from the one source of its shard."""
    if "positions" not in columns or "game_result" not in columns:
        return columns
    num_games = len(columns["game_result"])
    if version == 1:
        ones = np.ones(len(columns["positions"]), np.float16)
        columns = columns | {
            "policy_weight": ones,
            "value_weight": ones,
            "game_origin": np.full(num_games, records.FROM_START, np.uint8),
            "game_opening_plies": np.zeros(num_games, np.int16),
        }
    if version <= 2:
        columns = columns | no_provenance(num_games)
    if version <= 3:
        columns = columns | open_targets(len(columns["positions"]))
    return columns


def no_provenance(num_games: int) -> dict[str, Array]:
    """The columns of games that are all from the first source, and of which no more is known."""
    return {
        "game_source": np.zeros(num_games, np.uint16),
        "game_number": np.zeros(num_games, np.int64),
        "game_rating": np.zeros(num_games, np.int16),
        "game_theme_offset": np.zeros(num_games + 1, np.int64),
        "game_themes": np.zeros(0, np.uint16),
    }


def open_targets(num_positions: int) -> dict[str, Array]:
    """The columns of positions whose value target is left to training."""
    return {
        "value_wdl": np.full((num_positions, 3), np.nan, np.float32),
        "value_source": np.full(num_positions, records.TARGET_OPEN, np.uint8),
    }


def check_columns(columns: Mapping[str, Array]) -> None:
    """ReplayError unless names, types, shapes and ragged offsets are those of the schema."""
    if columns.keys() != COLUMNS.keys():
        missing = sorted(COLUMNS.keys() - columns.keys())
        unknown = sorted(columns.keys() - COLUMNS.keys())
        raise ReplayError(f"columns missing {missing}, unknown {unknown}")
    sizes: dict[str, int] = {}
    for name, (dtype, shape) in COLUMNS.items():
        _check_shape(name, columns[name], dtype, shape, sizes)
    if sizes["P"] > MAX_POSITIONS or sizes["G"] > MAX_GAMES:
        raise ReplayError(
            f"{sizes['P']} positions and {sizes['G']} games; at most {MAX_POSITIONS} and "
            f"{MAX_GAMES} fit a shard"
        )
    _check_offsets("policy_offset", columns["policy_offset"], sizes["N"])
    _check_offsets("game_move_offset", columns["game_move_offset"], sizes["M"])
    _check_offsets("game_theme_offset", columns["game_theme_offset"], sizes["T"])
    if (columns["game_number"] < 0).any() or (columns["game_rating"] < 0).any():
        raise ReplayError("a game's number or rating is negative")
    if sizes["P"]:
        _check_games(columns, sizes["G"])
    _check_codes(columns)


def check_targets(columns: Mapping[str, Array]) -> None:
    """ReplayError naming game and ply when a policy or value target is not a distribution."""
    if not len(columns["positions"]):
        return
    index = columns["policy_index"]
    # Less than none is more than all of them without a sign: one comparison for both ends.
    is_outside = index.view(np.uint16) >= NUM_POLICY_INDICES
    reason = f"a policy index is outside 0..{NUM_POLICY_INDICES - 1}"
    _refuse(columns, _owners(columns, is_outside), reason)
    if not _is_one_move_each(columns):
        _check_sums(columns)

    for name, is_bad in (
        ("policy_weight", ~(columns["policy_weight"] >= 0)),
        ("value_weight", ~(columns["value_weight"] > 0)),
    ):
        infinite = ~np.isfinite(columns[name])
        _refuse(columns, np.flatnonzero(is_bad | infinite), f"{name} is out of range")

    is_open = columns["value_source"] == records.TARGET_OPEN
    unsaid = _is_unsaid(columns["value_wdl"])
    _refuse(columns, np.flatnonzero(unsaid != is_open), "nobody, or two, decided the value target")
    bad_value = ~_is_distribution(columns["value_wdl"]) & ~is_open
    _refuse(columns, np.flatnonzero(bad_value), "the value target is not a distribution")
    unsearched = _is_unsaid(columns["root_wdl"])
    searched_kind = np.isin(columns["kind"], records.SEARCHED)
    _refuse(columns, np.flatnonzero(unsearched & searched_kind), "the search value is missing")
    bad_root = ~_is_distribution(columns["root_wdl"]) & ~unsearched
    _refuse(columns, np.flatnonzero(bad_root), "the search value is not a distribution")
    has_result = columns["has_result"] == 1
    bad_result = has_result & ~_is_distribution(columns["result_wdl"])
    _refuse(columns, np.flatnonzero(bad_result), "the result is not a distribution")


def check_provenance(columns: Mapping[str, Array], num_sources: int, num_themes: int) -> None:
    """ReplayError when a game names a source or theme that the shard does not have."""
    if (columns["game_source"] >= num_sources).any():
        raise ReplayError(f"a game is from none of the {num_sources} sources")
    if (columns["game_themes"] >= num_themes).any():
        raise ReplayError(f"a game has none of the {num_themes} themes")


def where(columns: Mapping[str, Array], position: int) -> str:
    """'game 3, ply 17': how errors name a position."""
    game = int(columns["game_of_position"][position])
    return f"game {game}, ply {int(columns['ply'][position])}"


def _check_shape(
    name: str, column: Array, dtype: str, shape: tuple[str | int, ...], sizes: dict[str, int]
) -> None:
    if column.dtype != np.dtype(dtype):
        raise ReplayError(f"column {name} is {column.dtype}, not {dtype}")
    if column.ndim != len(shape):
        raise ReplayError(f"column {name} has {column.ndim} dimensions, not {len(shape)}")
    for length, wanted in zip(column.shape, shape, strict=True):
        if isinstance(wanted, str):
            extra = 1 if wanted.endswith("+1") else 0
            wanted = sizes.setdefault(wanted.removesuffix("+1"), length - extra) + extra
        if length != wanted:
            raise ReplayError(f"column {name} has length {length}, not {wanted}")


def _check_offsets(name: str, offsets: Array, end: int) -> None:
    if offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets) < 0).any():
        raise ReplayError(f"{name} does not rise from 0 to {end}")


def _check_games(columns: Mapping[str, Array], num_games: int) -> None:
    widths = np.diff(columns["policy_offset"])
    if (widths != columns["num_moves"]).any():
        raise ReplayError("num_moves and policy_offset disagree")
    if widths.min() < 1 or widths.max() > records.MAX_LEGAL_MOVES:
        raise ReplayError(f"a position has {widths.min()} or {widths.max()} legal moves")
    game = columns["game_of_position"]
    if (np.diff(game) < 0).any() or game[0] < 0 or game[-1] >= num_games:
        raise ReplayError(f"game_of_position does not rise within 0..{num_games - 1}")
    plies = np.diff(columns["game_move_offset"])
    if (columns["ply"] < 0).any() or (columns["ply"] >= plies[game]).any():
        raise ReplayError("a position's ply lies outside its game")
    if (columns["ply"] < columns["game_opening_plies"][game]).any():
        raise ReplayError("a position of an opening, which no search chose")
    same_game = np.diff(game) == 0
    if (np.diff(columns["ply"].astype(np.int32))[same_game] <= 0).any():
        raise ReplayError("the positions of a game are not in the order of play")


def _check_codes(columns: Mapping[str, Array]) -> None:
    allowed: dict[str, tuple[int, ...]] = {
        "kind": records.KINDS,
        "value_source": records.TARGETS,
        "has_result": (0, 1),
        "game_result": (
            records.WHITE_WON,
            records.DRAW,
            records.BLACK_WON,
            records.NO_RESULT,
        ),
        "game_outcome": _OUTCOMES,
        "game_origin": records.ORIGINS,
    }
    for name, codes in allowed.items():
        if not np.isin(columns[name], codes).all():
            raise ReplayError(f"column {name} holds a value that is none of {codes}")


def _is_one_move_each(columns: Mapping[str, Array]) -> bool:
    """Whether every policy is one move for certain: so are those of games that were played, which
    need no sums then."""
    bits, offset = columns["policy_prob"].view(np.uint16), columns["policy_offset"]
    listed = np.flatnonzero(bits != 0)
    return bool(
        len(listed) == len(offset) - 1
        and (bits[listed] == _ONE).all()
        and (listed >= offset[:-1]).all()
        and (listed < offset[1:]).all()
    )


def _check_sums(columns: Mapping[str, Array]) -> None:
    prob = columns["policy_prob"].astype(np.float32)
    total = np.add.reduceat(prob, columns["policy_offset"][:-1])
    wrong = ~(np.abs(total - 1) <= PROBABILITY_TOLERANCE)
    if wrong.any() or not prob.min() >= 0:
        _refuse(columns, _owners(columns, ~np.isfinite(prob)), "the policy is not finite")
        _refuse(columns, _owners(columns, prob < 0), "the policy has a negative probability")
        _refuse(columns, np.flatnonzero(wrong), "the policy does not sum to 1")


def _is_distribution(wdl: Array) -> Array:
    # By columns: sums along rows of three take six times as long. What is not finite is not close.
    win, draw, loss = wdl.T
    close = np.abs(win + draw + loss - 1) <= _WDL_TOLERANCE
    return np.asarray(close & (win >= 0) & (draw >= 0) & (loss >= 0))


def _is_unsaid(wdl: Array) -> Array:
    win, draw, loss = np.isnan(wdl).T
    return np.asarray(win & draw & loss)


def _owners(columns: Mapping[str, Array], is_bad: Array) -> Array:
    """The positions that these entries of the policies belong to."""
    bad = np.flatnonzero(is_bad)
    return np.searchsorted(columns["policy_offset"], bad, side="right") - 1


def _refuse(columns: Mapping[str, Array], positions: Array, reason: str) -> None:
    if len(positions):
        raise ReplayError(f"{where(columns, int(positions[0]))}: {reason}")
