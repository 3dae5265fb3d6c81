"""Self-play: many games at once, each recorded whole, with its own result.

A game starts with an opening that no search chose, so that no two are alike. Then every move is
searched, cheaply or in full; early moves are drawn from the search's policy, later ones are its
best. A game ends by the rules, by endgame tables or by resignation, or is cut at `max_plies` and
then has no result. Who resigns does so instead of moving: the loser is to move at the end.

Every move and every searched position is recorded, whatever its budget was: what a position teaches
is said by its weights, and its result by the record of the whole game.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from backend.config import SearchConfig, SelfPlayConfig
from backend.replay.boards import board_from_position
from backend.replay.records import (
    BLACK_WON,
    DRAW,
    FROM_START,
    NO_RESULT,
    RANDOM_OPENING,
    RESIGNED,
    TABLEBASE,
    TRUNCATED,
    WHITE_WON,
    GameRecord,
    SampleRecord,
)
from backend.replay.tablebase import open_tables
from backend.search.evaluator import Evaluate, Request, judge
from backend.search.result import SearchResult
from backend.search.search import Search
from backend.selfplay.budget import Budget, Budgets
from backend.selfplay.resign import Resignation, decided
from backend.selfplay.starts import Opening, Starts
from backend.selfplay.surprise import divergence, policy_weights
from backend.selfplay.tally import Tally
from backend.selfplay.temperature import temperature_at
from model.config import Orientation
from model.rules import Outcome, black_to_move


@dataclass(kw_only=True)
class _Running:
    """A game on the board; `number` counts the games of this process."""

    number: int
    opening: Opening
    moves: list[int]
    opening_plies: int
    """The first plies of `moves`, which no search chose."""
    network_plies: int
    """Plies of the opening that the policy alone has still to play."""
    is_played_through: bool
    """Nobody may resign it."""
    budget: Budget | None = None
    """Of the search in progress; None in the opening."""
    samples: list[SampleRecord] = field(default_factory=list)
    """Their policy weights are 1 for full searches and 0 for cheap ones until the game ends."""
    divergences: list[float] = field(default_factory=list)
    """KL(target || prior) of each sample; NaN where the network was not asked."""
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
    """Plays `config.num_games` games in lock-step; `step` returns those that have just ended."""

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
        self._orientation = orientation
        self._search = self._searching(search, int(search_seed))
        self._starts = Starts(config)
        self._tables = open_tables(config)
        self._num_started = 0
        self._games = [self._new_game(slot) for slot in range(config.num_games)]

    @property
    def num_games(self) -> int:
        """Games on the board."""
        return len(self._games)

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

    def retune(self, config: SelfPlayConfig, search: SearchConfig) -> None:
        """Go on with other settings; all games stay on the board, only trees are grown anew.

        What belongs to the openings, the tables and the calibration of resigning stays as it was.
        """
        self._config = config
        self._budgets = Budgets(config, search.simulations, step=self._budgets.step)
        self._search = self._searching(search, int(self._rng.integers(2**32)))
        for slot, game in enumerate(self._games):
            self._search.start(slot, game.opening.start)
            for move in game.moves:
                self._search.play(slot, move)
            self._begin(slot, game)

    def _searching(self, search: SearchConfig, seed: int) -> Search:
        """Trees with room for these settings, without a position yet."""
        return Search(
            search,
            num_games=self._config.num_games,
            max_simulations=search.simulations,
            orientation=self._orientation,
            seed=seed,
        )

    def step(self) -> list[GameRecord]:
        """One leaf for each game, and a move wherever a search is complete."""
        return self.answer(*judge(self._evaluate, self.select()))

    def select(self) -> Request:
        """The first half of a step: the positions that wait for the network."""
        return self._search.select()

    def answer(self, logits: NDArray[np.float32], wdl: NDArray[np.float32]) -> list[GameRecord]:
        """The second half of a step, with the network's answer; returns games that ended."""
        ended = []
        for slot in self._search.answer(logits, wdl):
            game = self._games[slot]
            outcome = self._finish_search(slot, game)
            if outcome == Outcome.NONE:
                self._begin(slot, game)
                continue
            if game.samples:
                ended.append(self._end(slot, game, outcome))
            self._games[slot] = self._new_game(slot)
        return ended

    def _begin(self, slot: int, game: _Running) -> None:
        """Start the search of the game's next move."""
        if game.network_plies:
            # Only the root's priors are wanted; no search has less than one leaf.
            self._search.begin(slot, 1, noise=False)
            return
        game.budget = self._budgets.draw(
            self._rng, decided=decided(game.white_values, self._config)
        )
        self._search.begin(slot, game.budget.simulations, noise=game.budget.is_full)

    def _finish_search(self, slot: int, game: _Running) -> int:
        """Resign or move, as the search of this slot says; returns how the game stands then.

        An Outcome of the rules, RESIGNED, TABLEBASE or TRUNCATED.
        """
        result = self._search.result(slot)
        if game.network_plies:
            return self._make_opening_move(slot, game, result)
        black_moves = black_to_move(self._search.position(slot))
        game.white_values.append(-result.value if black_moves else result.value)
        if not game.is_played_through and self.resignation.resigns(
            game.white_values, black_moves=black_moves
        ):
            return RESIGNED
        outcome = self._make_move(slot, game, result)
        if outcome != Outcome.NONE:
            return outcome
        if self._probe(slot) is not None:
            return TABLEBASE
        return TRUNCATED if len(game.moves) >= self._config.max_plies else outcome

    def _probe(self, slot: int) -> int | None:
        """The result that endgame tables give the position on the board; None if none speaks."""
        if self._tables is None:
            return None
        position = self._search.position(slot)
        men = int(np.bitwise_or.reduce(position[:6])).bit_count()
        if men > self._tables.max_men:
            return None
        return self._tables.result(board_from_position(position))

    def _make_opening_move(self, slot: int, game: _Running, result: SearchResult) -> int:
        """Play a move drawn from the policy of the network; nothing is recorded to learn from."""
        prior = result.priors.astype(np.float64)
        move = int(self._rng.choice(result.moves, p=prior / prior.sum()))
        game.moves.append(move)
        game.opening_plies += 1
        game.network_plies -= 1
        return self._search.play(slot, move)

    def _make_move(self, slot: int, game: _Running, result: SearchResult) -> int:
        """Record the search, choose, play; returns the Outcome."""
        assert game.budget is not None
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
        surprise = divergence(result.policy, result.priors) if result.is_judged else math.nan
        game.divergences.append(surprise)
        self.tally.positions += 1
        if game.budget.is_full:
            self.tally.full_searches += 1
            if result.is_judged:
                self.tally.judged_searches += 1
                self.tally.surprise += surprise
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
        """The index of the move to play; random plies count as the game's own, others do not."""
        own = game.opening.origin in (FROM_START, RANDOM_OPENING)
        ply = len(game.moves) - (0 if own else game.opening_plies)
        temperature = temperature_at(self._config, ply)
        return result.sample(temperature, self._rng) if temperature > 0 else result.best

    def _new_game(self, slot: int) -> _Running:
        """Put a game with its opening into the slot and start its first search."""
        while True:
            opening = self._starts.draw(self._rng)
            outcome, moves = self._set_up(slot, opening)
            if outcome == Outcome.NONE:
                break
        game = _Running(
            number=self._num_started,
            opening=opening,
            moves=moves,
            opening_plies=len(moves),
            network_plies=opening.network_plies,
            is_played_through=self.resignation.plays_through(self._rng),
        )
        self._num_started += 1
        self._begin(slot, game)
        return game

    def _set_up(self, slot: int, opening: Opening) -> tuple[int, list[int]]:
        """Play the known and the random moves of an opening; the Outcome, and all of them."""
        outcome = self._search.start(slot, opening.start)
        moves = list(opening.moves)
        for move in moves:
            outcome = self._search.play(slot, move)
        for _ in range(opening.random_plies):
            if outcome != Outcome.NONE:
                break
            moves.append(int(self._rng.choice(self._search.legal(slot))))
            outcome = self._search.play(slot, moves[-1])
        return outcome, moves

    def _end(self, slot: int, game: _Running, outcome: int) -> GameRecord:
        """The game as it stands on the board of the slot, with the weights of its samples."""
        result = self._result(slot, outcome)
        black_moves = black_to_move(self._search.position(slot))
        if game.is_played_through and result != NO_RESULT:
            self.resignation.observe(game.white_values, black_moved=not black_moves, result=result)
        self.tally.games += 1
        self.tally.resigned += outcome == RESIGNED
        weights = policy_weights(
            game.divergences,
            [sample.policy_weight for sample in game.samples],
            self._config.policy_surprise_frac,
        )
        record = GameRecord(
            start=game.opening.start,
            moves=game.moves,
            samples=[
                replace(sample, policy_weight=float(weight))
                for sample, weight in zip(game.samples, weights, strict=True)
            ],
            outcome=outcome,
            result=result,
            origin=game.opening.origin,
            opening_plies=game.opening_plies,
        )
        self._starts.remember(record)
        return record

    def _result(self, slot: int, outcome: int) -> int:
        """Who has won the game on the board of the slot, which ended by `outcome`."""
        if outcome == TRUNCATED:
            return NO_RESULT
        if outcome == TABLEBASE:
            result = self._probe(slot)
            assert result is not None
            return result
        if outcome in (Outcome.CHECKMATE, RESIGNED):
            return WHITE_WON if black_to_move(self._search.position(slot)) else BLACK_WON
        return DRAW
