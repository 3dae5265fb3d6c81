"""Self-play: many games at once, each recorded whole, with its own result.

A game starts with a few uniformly random plies, so that no two are alike. Then every move is
searched, cheaply or in full; early moves are drawn from the search's policy, later ones are its
best. A game ends by the rules or by resignation, or is cut at `max_plies` and then has no result.
Who resigns does so instead of moving: the loser is the side to move at the end.

Every move and every searched position is recorded, whatever its budget was: what a position teaches
is said by its weights, and its result by the record of the whole game.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.records import (
    BLACK_WON,
    DRAW,
    FROM_START,
    NO_RESULT,
    RANDOM_OPENING,
    RESIGNED,
    TRUNCATED,
    WHITE_WON,
    GameRecord,
    SampleRecord,
)
from backend.search.evaluator import Evaluate
from backend.search.result import SearchResult
from backend.search.search import Search
from backend.selfplay.budget import Budget, Budgets
from backend.selfplay.resign import Resignation, decided
from backend.selfplay.surprise import divergence, policy_weights
from backend.selfplay.tally import Tally
from backend.selfplay.temperature import temperature_at
from model.config import Orientation
from model.rules import Outcome, black_to_move, start_position


@dataclass(kw_only=True)
class _Running:
    """A game on the board; `number` counts the games of this process."""

    number: int
    start: NDArray[np.uint64]
    moves: list[int]
    opening_plies: int
    is_played_through: bool
    """Nobody may resign it."""
    budget: Budget
    """Of the search in progress."""
    samples: list[SampleRecord] = field(default_factory=list)
    """Their policy weights are 1 for full searches and 0 for cheap ones until the game ends."""
    divergences: list[float] = field(default_factory=list)
    """KL(target || prior) of each sample."""
    white_values: list[float] = field(default_factory=list)
    """White's expected score, -1 to 1, by each search."""


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
        step: int = 0,
    ) -> None:
        """`step` is the training step of the network behind `evaluate`."""
        search_seed, own_seed = np.random.SeedSequence(seed).generate_state(2)
        self.tally = Tally()
        self.glimpse: Glimpse | None = None
        """Of the game in the first slot."""
        self._config = config
        self.resignation = Resignation(config)
        self._budgets = Budgets(config, search.simulations, step=step)
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

    @property
    def simulations(self) -> int:
        """Simulations of a full search with the network in use."""
        return self._budgets.full

    def use(self, evaluate: Evaluate, *, step: int) -> None:
        """Go on with another network; what the old one thought of the positions is forgotten."""
        self._evaluate = evaluate
        self._budgets.step = step
        for slot, game in enumerate(self._games):
            self._search.forget(slot)
            self._begin(slot, game)

    def step(self) -> list[GameRecord]:
        """One leaf for each game, and a move wherever a search is complete."""
        ended = []
        for slot in self._search.step(self._evaluate):
            game = self._games[slot]
            outcome = self._finish_search(slot, game)
            if outcome == Outcome.NONE and len(game.moves) >= self._config.max_plies:
                outcome = TRUNCATED
            if outcome == Outcome.NONE:
                self._begin(slot, game)
            else:
                ended.append(self._end(slot, game, outcome))
                self._games[slot] = self._new_game(slot)
        return ended

    def _begin(self, slot: int, game: _Running) -> None:
        """Start the search of the game's next move."""
        game.budget = self._budgets.draw(
            self._rng, decided=decided(game.white_values, self._config)
        )
        self._search.begin(slot, game.budget.simulations, noise=game.budget.is_full)

    def _finish_search(self, slot: int, game: _Running) -> int:
        """Resign or move, as the search of this slot says; returns the Outcome or RESIGNED."""
        result = self._search.result(slot)
        black_moves = black_to_move(self._search.position(slot))
        game.white_values.append(-result.value if black_moves else result.value)
        if not game.is_played_through and self.resignation.resigns(
            game.white_values, black_moves=black_moves
        ):
            return RESIGNED
        return self._make_move(slot, game, result)

    def _make_move(self, slot: int, game: _Running, result: SearchResult) -> int:
        """Record the search, choose, play; returns the Outcome."""
        position = self._search.position(slot)
        chosen = self._choose(game, result)
        game.samples.append(
            SampleRecord(
                position=position,
                policy_index=result.move_index,
                policy_prob=result.policy,
                root_wdl=result.root_wdl,
                kind=game.budget.kind,
                ply=len(game.moves),
                policy_weight=game.budget.weight if game.budget.is_full else 0.0,
                value_weight=game.budget.weight,
            )
        )
        game.divergences.append(divergence(result.policy, result.priors))
        self.tally.positions += 1
        if game.budget.is_full:
            self.tally.full_searches += 1
            self.tally.surprise += game.divergences[-1]
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
        return self._search.play(slot, move)

    def _choose(self, game: _Running, result: SearchResult) -> int:
        temperature = temperature_at(self._config, len(game.moves))
        return result.sample(temperature, self._rng) if temperature > 0 else result.best

    def _new_game(self, slot: int) -> _Running:
        """Put a game with a random opening into the slot and start its first search."""
        start = start_position()
        while True:
            moves: list[int] = []
            outcome = self._search.start(slot, start)
            for _ in range(int(self._rng.integers(self._config.opening_plies + 1))):
                move = int(self._rng.choice(self._search.legal(slot)))
                moves.append(move)
                outcome = self._search.play(slot, move)
                if outcome != Outcome.NONE:
                    break
            if outcome == Outcome.NONE:
                break
        budget = self._budgets.draw(self._rng)
        game = _Running(
            number=self._num_started,
            start=start,
            moves=moves,
            opening_plies=len(moves),
            is_played_through=self.resignation.plays_through(self._rng),
            budget=budget,
        )
        self._num_started += 1
        self._search.begin(slot, budget.simulations, noise=budget.is_full)
        return game

    def _end(self, slot: int, game: _Running, outcome: int) -> GameRecord:
        """The game as it stands on the board of the slot, with the weights of its samples."""
        black_moves = black_to_move(self._search.position(slot))
        result = DRAW
        if outcome == TRUNCATED:
            result = NO_RESULT
        elif outcome in (Outcome.CHECKMATE, RESIGNED):
            result = WHITE_WON if black_moves else BLACK_WON
        if game.is_played_through and result != NO_RESULT:
            self.resignation.observe(game.white_values, black_moved=not black_moves, result=result)
        self.tally.games += 1
        self.tally.resigned += outcome == RESIGNED
        weights = policy_weights(
            game.divergences,
            [sample.policy_weight for sample in game.samples],
            self._config.policy_surprise_frac,
        )
        return GameRecord(
            start=game.start,
            moves=game.moves,
            samples=[
                replace(sample, policy_weight=float(weight))
                for sample, weight in zip(game.samples, weights, strict=True)
            ],
            outcome=outcome,
            result=result,
            origin=RANDOM_OPENING if game.opening_plies else FROM_START,
            opening_plies=game.opening_plies,
        )
