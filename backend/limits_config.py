"""The table [limits]: how much of what strangers made is taken, before memory is given to it."""

from dataclasses import dataclass
from typing import Final

from backend.ranges import require as _require


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """Caps on files, games and engines of others; what is larger is refused, and said."""

    file_gib: float = 64.0
    """Largest file of games, puzzles or tasks as it lies on disk, GiB."""
    unpacked_gib: float = 512.0
    """What a compressed one may unpack to, GiB."""
    games: int = 50_000_000
    """Games of one import, those refused included."""
    positions: int = 2_000_000_000
    """Positions of one import."""
    puzzles: int = 20_000_000
    """Rows of one file of puzzles."""
    game_kib: int = 1024
    """Text of one game, remarks included, KiB."""
    game_tags_kib: int = 64
    """The tags among it, KiB."""
    game_plies: int = 1024
    """Plies of one game; the longest ever played between people had 538."""
    game_variation_moves: int = 20_000
    """Words inside the variations of one game, which are passed over."""
    game_s: float = 10.0
    """Seconds that the reading of one game may take."""
    checkpoint_gib: float = 4.0
    """A checkpoint of the earlier program, GiB; its tensors may not take more either."""
    checkpoint_memory_gib: float = 12.0
    """Memory of the process that reads it, GiB (Linux)."""
    checkpoint_s: float = 600.0
    """Seconds that it may take."""
    engine_memory_gib: float = 8.0
    """Memory of each process of an engine of others, GiB (Linux); 0: as much as it wants."""
    engine_log_kib: int = 256
    """What is kept of that which an engine writes on stderr, KiB for each start."""

    def __post_init__(self) -> None:
        for name in ("file_gib", "unpacked_gib", "game_s", "checkpoint_gib", "checkpoint_s"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "must be > 0")
        for name in ("games", "positions", "puzzles", "game_variation_moves"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        for name in ("game_kib", "game_tags_kib"):
            _require(1 <= getattr(self, name) <= 65_536, name, getattr(self, name), "1 to 65536")
        _require(1 <= self.game_plies <= 8192, "game_plies", self.game_plies, "must be in 1..8192")
        _require(
            self.checkpoint_memory_gib >= 2,
            "checkpoint_memory_gib",
            self.checkpoint_memory_gib,
            "must be at least 2, which torch alone takes",
        )
        for name in ("engine_memory_gib", "engine_log_kib"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")


LIMITS: Final = LimitsConfig()
"""In force where there is no run whose settings say otherwise."""
