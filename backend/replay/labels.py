"""What is known of the games in a window, as numbers beside its positions: source, rating, themes.

Names of sources and sets of themes are many times the same; each is kept once.
"""

from collections.abc import Collection
from itertools import pairwise
from typing import Final

import numpy as np

from backend.replay.schema import Array
from backend.replay.shards import Shard

LABELS: Final[dict[str, tuple[type[np.generic], tuple[int, ...]]]] = {
    "source": (np.int32, ()),
    "rating": (np.int16, ()),
    "theme_set": (np.int32, ()),
}
"""Columns of a window: name -> type and shape of an entry."""


class Labels:
    """Numbers for what shards say by name."""

    def __init__(self) -> None:
        self._sources: dict[str, int] = {}
        self._theme_sets: dict[frozenset[str], int] = {}

    def columns(self, shard: Shard) -> dict[str, Array]:
        """`LABELS` of the positions of a shard; a rating of 0 is unknown."""
        names = [source.name for source in shard.metadata.sources]
        sources = [self._sources.setdefault(name, len(self._sources)) for name in names]
        of_game = shard.columns["game_source"]
        by_game = {
            "source": np.array(sources, np.int32)[of_game],
            "rating": shard.columns["game_rating"],
            "theme_set": self._theme_sets_of(shard),
        }
        game = shard.columns["game_of_position"]
        return {name: column[game] for name, column in by_game.items()}

    def names(self) -> set[str]:
        """Of all sources that the window ever had."""
        return set(self._sources)

    def source_numbers(self, names: Collection[str]) -> list[int]:
        """Of those sources that the window has."""
        return [number for name, number in self._sources.items() if name in names]

    def theme_sets_with(self, themes: Collection[str]) -> list[int]:
        """Of the sets that hold one of the themes, or none at all: nobody knows what those are."""
        wanted = frozenset(themes)
        return [number for held, number in self._theme_sets.items() if not held or held & wanted]

    def _theme_sets_of(self, shard: Shard) -> Array:
        """int32[G]."""
        offset, themes = shard.columns["game_theme_offset"], shard.columns["game_themes"]
        words = shard.metadata.themes
        numbers = np.empty(shard.num_games, np.int32)
        for game, (first, last) in enumerate(pairwise(offset.tolist())):
            held = frozenset(words[theme] for theme in themes[first:last])
            numbers[game] = self._theme_sets.setdefault(held, len(self._theme_sets))
        return numbers
