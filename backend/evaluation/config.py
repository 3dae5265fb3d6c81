"""When a referee ends a game early. Imports nothing, so any process may read it."""

from dataclasses import dataclass

from backend.ranges import require


@dataclass(frozen=True, kw_only=True)
class AdjudicationConfig:
    """When a game of a match is ended before the rules end it; recorded with its reason."""

    resign_score: float = 0.0
    """Both sides expect at least this score (0 to 1, of -1 to 1) for the same side; 0: never."""
    resign_moves: int = 4
    """So many moves of each side in a row."""
    draw_score: float = 0.0
    """Both sides expect at most this score for either side; 0: never."""
    draw_moves: int = 8
    """So many moves of each side in a row."""
    draw_after_plies: int = 80
    """No draw is agreed before."""
    syzygy_path: str = ""
    """Directory of Syzygy tables that end games; empty: none."""
    syzygy_men: int = 5
    """Men on the board, kings included, from which on they are asked."""

    def __post_init__(self) -> None:
        for name in ("resign_score", "draw_score"):
            value = getattr(self, name)
            require(0 <= value < 1, name, value, "must be in 0..1, below 1")
        for name in ("resign_moves", "draw_moves"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        require(
            self.draw_after_plies >= 0,
            "draw_after_plies",
            self.draw_after_plies,
            "must not be negative",
        )
        require(3 <= self.syzygy_men <= 7, "syzygy_men", self.syzygy_men, "must be in 3..7")
