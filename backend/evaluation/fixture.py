"""A match before it is played, and where matches are played."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import chess

from backend.config import Config
from backend.evaluation.match import MatchGame

Names = tuple[str, str]
"""What candidate and opponent call themselves: an engine tells its version."""


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """A match, before it is played."""

    first: str
    second: str
    games: int
    simulations: int
    """Leaf evaluations for one move of a network."""
    second_simulations: int = 0
    """Of the second player, if it is another number."""
    seed: int

    @property
    def budgets(self) -> tuple[int, int]:
        """Leaf evaluations for one move of each."""
        return self.simulations, self.second_simulations or self.simulations

    def identity(self, config: Config) -> str:
        """All that determines it."""
        return f"{self} {config.search} {config.evaluation} {config.adjudication}"


class Halls(Protocol):
    """Where else matches are played than in this process."""

    def play(
        self,
        fixture: Fixture,
        config: Config,
        openings: Sequence[chess.Board],
        *,
        played: Sequence[MatchGame],
        on_game: Callable[[list[MatchGame]], None],
        on_step: Callable[[], bool],
    ) -> Names | None:
        """As `play_match`; None when it was broken off, or nobody had to play."""
