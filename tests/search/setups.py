"""How the tests of this folder make a search, and read its moves as text."""

from typing import Any

from backend.config import SearchConfig
from backend.search.evaluator import Evaluate
from backend.search.result import SearchResult
from backend.search.search import Search
from model.rules import from_fen, move_to_uci

ROOT_RULES = ("gumbel", "puct")

EVERY_MOVE = 256
"""For `gumbel_considered`: sequential halving starts with all legal moves."""


def make_search(
    root: str, *, num_games: int = 1, max_simulations: int = 256, seed: int = 1, **settings: Any
) -> Search:
    config = SearchConfig(**{"root": root, "gumbel_considered": EVERY_MOVE, **settings})
    return Search(
        config,
        num_games=num_games,
        max_simulations=max_simulations,
        orientation="mover",
        seed=seed,
    )


def search_fen(
    fen: str, evaluate: Evaluate, simulations: int, root: str, **settings: Any
) -> tuple[Search, SearchResult]:
    """One search without noise from a fresh tree."""
    search = make_search(root, max_simulations=simulations, **settings)
    search.start(0, from_fen(fen))
    return search, search.search(0, simulations, evaluate)


def uci_of(fen: str, result: SearchResult) -> list[str]:
    """The root's moves as text, in the order of the result's arrays."""
    position = from_fen(fen)
    return [move_to_uci(position, int(move)) for move in result.moves]


def best_uci(fen: str, result: SearchResult) -> str:
    return uci_of(fen, result)[result.best]
