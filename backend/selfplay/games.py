"""Self-play: many games at once, each recorded whole, with its own result.

A game starts with a few uniformly random plies, so that no two are alike. Then every move is
searched; early moves are drawn from the search's policy, later ones are its best. A game ends by
the rules, or is cut at `max_plies` and then has no result at all.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import (
    BLACK_WON,
    DRAW,
    FULL_SEARCH,
    NO_RESULT,
    TRUNCATED,
    WHITE_WON,
    GameRecord,
    SampleRecord,
)
from backend.search.evaluator import Evaluate
from backend.search.result import SearchResult
from backend.search.search import Search
from model.config import Orientation
from model.rules import Outcome, black_to_move, start_position


@dataclass(kw_only=True)
class _Running:
    """A game on the board; `number` counts the games of this process."""

    number: int
    start: NDArray[np.uint64]
    moves: list[int] = field(default_factory=list)
    samples: list[SampleRecord] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Glimpse:
    """The last searched move of one running game, for a viewer."""

    number: int
    ply: int
    before: NDArray[np.uint64]
    """Position that was searched."""
    result: SearchResult
    chosen: int
    """Index of the move that was played."""


class SelfPlay:
    """Plays `config.games` games in lock-step; `step` returns those that have just ended."""

    def __init__(
        self,
        config: SelfPlayConfig,
        search: SearchConfig,
        evaluate: Evaluate,
        *,
        orientation: Orientation,
        seed: int,
    ) -> None:
        search_seed, own_seed = np.random.SeedSequence(seed).generate_state(2)
        self.positions = 0
        """Searched positions so far."""
        self.glimpse: Glimpse | None = None
        """Of the game in the first slot."""
        self._config = config
        self._simulations = search.simulations
        self._evaluate = evaluate
        self._rng = np.random.default_rng(own_seed)
        self._search = Search(
            search,
            num_games=config.games,
            max_simulations=search.simulations,
            orientation=orientation,
            seed=int(search_seed),
        )
        self._num_started = 0
        self._games = [self._new_game(slot) for slot in range(config.games)]

    @property
    def mean_ply(self) -> float:
        """Plies played so far in a running game, on average."""
        return float(np.mean([len(game.moves) for game in self._games]))

    def use(self, evaluate: Evaluate) -> None:
        """Go on with another network; what the old one thought of the positions is forgotten."""
        self._evaluate = evaluate
        for slot in range(len(self._games)):
            self._search.forget(slot)
            self._search.begin(slot, self._simulations, noise=True)

    def step(self) -> list[GameRecord]:
        """One leaf for each game, and a move wherever a search is complete."""
        ended = []
        for slot in self._search.step(self._evaluate):
            outcome = self._make_move(slot)
            game = self._games[slot]
            if outcome != Outcome.NONE or len(game.moves) >= self._config.max_plies:
                ended.append(self._record(slot, outcome))
                self._games[slot] = self._new_game(slot)
            else:
                self._search.begin(slot, self._simulations, noise=True)
        return ended

    def _make_move(self, slot: int) -> int:
        """Record the search of this slot, choose, play; returns the Outcome."""
        game = self._games[slot]
        result = self._search.result(slot)
        position = self._search.position(slot)
        if len(game.moves) < self._config.temperature_plies:
            chosen = result.sample(self._config.temperature, self._rng)
        else:
            chosen = result.best
        game.samples.append(
            SampleRecord(
                position=position,
                policy_index=result.move_index,
                policy_prob=result.policy,
                root_wdl=result.root_wdl,
                kind=FULL_SEARCH,
                ply=len(game.moves),
            )
        )
        if slot == 0:
            self.glimpse = Glimpse(
                number=game.number,
                ply=len(game.moves) + 1,
                before=position,
                result=result,
                chosen=chosen,
            )
        move = int(result.moves[chosen])
        game.moves.append(move)
        self.positions += 1
        return self._search.play(slot, move)

    def _new_game(self, slot: int) -> _Running:
        """Put a game with a random opening into the slot and start its first search."""
        start = start_position()
        while True:
            game = _Running(number=self._num_started, start=start)
            outcome = self._search.start(slot, start)
            for _ in range(int(self._rng.integers(self._config.opening_plies + 1))):
                move = int(self._rng.choice(self._search.legal(slot)))
                game.moves.append(move)
                outcome = self._search.play(slot, move)
                if outcome != Outcome.NONE:
                    break
            if outcome == Outcome.NONE:
                break
        self._num_started += 1
        self._search.begin(slot, self._simulations, noise=True)
        return game

    def _record(self, slot: int, outcome: int) -> GameRecord:
        game = self._games[slot]
        if outcome == Outcome.NONE:
            return GameRecord(game.start, game.moves, game.samples, TRUNCATED, NO_RESULT)
        result = DRAW
        if outcome == Outcome.CHECKMATE:
            result = WHITE_WON if black_to_move(self._search.position(slot)) else BLACK_WON
        return GameRecord(game.start, game.moves, game.samples, outcome, result)
