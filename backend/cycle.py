"""The director: which checkpoint is measured against what, and when a cycle is decided. Pure.

    CheckpointSaved(cycle) ─► waiting (newest only) ─► match against the best ─► against random,
    greedy ─► Decide ─► (the supervisor records, maybe promotes) ─► concluded ─► next waiting one

It knows no worker and no file. What it was told so far is all in the database, so after a restart
it is made again from there and goes on at the same point: finished matches are not played twice.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from backend.commands import PlayMatch
from backend.config import BASELINES, EvaluationConfig
from backend.events import CheckpointSaved, GateDecided, MatchFinished


@dataclass(frozen=True)
class PromoteFirst:
    """There is no best network yet: this is it."""

    name: str


@dataclass(frozen=True)
class Play:
    """The evaluator shall play this."""

    order: PlayMatch


@dataclass(frozen=True)
class Decide:
    """All matches of a candidate are there."""

    candidate: str
    against_best: MatchFinished
    baselines: Mapping[str, MatchFinished] = field(default_factory=dict)


@dataclass(frozen=True)
class Skip:
    """A candidate that never got its turn: a newer one came."""

    candidate: str
    newer: str


Action = PromoteFirst | Play | Decide | Skip


@dataclass(kw_only=True)
class _Evaluation:
    candidate: str
    best: str
    opponents: tuple[str, ...]
    by_hand: str = ""
    """Ending of the match's name when a person asked for it; such a match decides nothing."""
    results: dict[str, MatchFinished] = field(default_factory=dict)

    @property
    def next_opponent(self) -> str | None:
        return next((o for o in self.opponents if o not in self.results), None)


class Director:
    """Told what happened, answers what to do now."""

    def __init__(
        self,
        config: EvaluationConfig,
        *,
        simulations: int,
        seed: int,
        best: str = "",
        cycle: int = 0,
        finished: Iterable[MatchFinished] = (),
    ) -> None:
        """`finished`: every match of the run so far."""
        self._config = config
        self.simulations = simulations
        """Leaf evaluations for one move of the matches to come, unless [evaluation] says so."""
        self._seed = seed
        self._finished = {match.match: match for match in finished}
        self._evaluation: _Evaluation | None = None
        self.best = best
        self.cycle = cycle
        """Cycles that are decided."""
        self.waiting = ""
        """The candidate whose turn is next; empty when none is."""

    # What happened --------------------------------------------------------------------------------

    def checkpoint(self, saved: CheckpointSaved) -> list[Action]:
        """A checkpoint is there and sound."""
        if not self.best:
            return [PromoteFirst(saved.name)]
        if saved.reason != "cycle" or saved.name == self.best:
            return []
        actions: list[Action] = []
        if self.waiting and self.waiting != saved.name:
            actions.append(Skip(self.waiting, saved.name))
        self.waiting = saved.name
        return actions + self._take_next()

    def match_finished(self, match: MatchFinished) -> list[Action]:
        """A result came in; one that nobody waits for is only kept."""
        self._finished[match.match] = match
        running = self._evaluation
        if running is None or match.match != self._match_id(running, running.next_opponent or ""):
            return []
        return self._go_on(running)

    def promoted(self, name: str) -> None:
        """There is a new best network, by decision or by hand."""
        self.best = name
        if self.waiting == name:
            self.waiting = ""

    def concluded(self, cycle: int) -> list[Action]:
        """The decision on the candidate is recorded; the next one may have its turn."""
        self.cycle = cycle
        self._evaluation = None
        return self._take_next()

    def evaluate(self, name: str) -> list[Action] | str:
        """Measures a checkpoint by hand, without a decision; or the reason why not."""
        if not self.best:
            return "there is no best network yet"
        if name == self.best:
            return f"{name} is the best network itself"
        if self._evaluation is not None:
            return f"{self._evaluation.candidate} is being measured"
        self._evaluation = _Evaluation(
            candidate=name,
            best=self.best,
            opponents=(self.best,),
            by_hand=f"{BY_HAND}{len(self._finished)}",
        )
        return self._go_on(self._evaluation)

    # Questions ------------------------------------------------------------------------------------

    def order(self) -> PlayMatch | None:
        """The match that should be played now; for an evaluator that has just started."""
        running = self._evaluation
        if running is None or running.next_opponent is None:
            return None
        return self._order(running, running.next_opponent)

    def in_use(self) -> frozenset[str]:
        """Checkpoints that must stay on disk."""
        names = {self.best, self.waiting}
        if self._evaluation is not None:
            names |= {self._evaluation.candidate, self._evaluation.best}
        return frozenset(names - {""})

    # Inside ---------------------------------------------------------------------------------------

    def _take_next(self) -> list[Action]:
        if self._evaluation is not None or not self.waiting:
            return []
        ladder = BASELINES if self._config.baseline_games else ()
        self._evaluation = _Evaluation(
            candidate=self.waiting,
            best=self.best,
            opponents=(self.best, *ladder),
        )
        self.waiting = ""
        return self._go_on(self._evaluation)

    def _go_on(self, running: _Evaluation) -> list[Action]:
        while (opponent := running.next_opponent) is not None:
            known = self._finished.get(self._match_id(running, opponent))
            if known is None:
                return [Play(self._order(running, opponent))]
            running.results[opponent] = known
        if running.by_hand:
            self._evaluation = None
            return self._take_next()
        results = dict(running.results)
        return [Decide(running.candidate, results.pop(running.best), results)]

    def _match_id(self, running: _Evaluation, opponent: str) -> str:
        """The same after a restart, so that a finished match is known again."""
        return match_name(running.candidate, opponent) + running.by_hand

    def _order(self, running: _Evaluation, opponent: str) -> PlayMatch:
        match = self._match_id(running, opponent)
        config = self._config
        return PlayMatch(
            match=match,
            candidate=running.candidate,
            opponent=opponent,
            games=config.baseline_games if opponent in BASELINES else config.games,
            simulations=config.simulations or self.simulations,
            seed=(self._seed + zlib.crc32(match.encode())) % 2**31,
            decides=opponent == running.best and not running.by_hand,
        )


BY_HAND: Final = "-by-hand-"
"""Follows the name of a match that a person wanted; then comes a number."""


def match_name(candidate: str, opponent: str) -> str:
    """Of the match that is part of the decision on a candidate."""
    return f"{candidate}-vs-{opponent}"


def games_of_evaluation(config: EvaluationConfig) -> int:
    """Of all matches that decide on one candidate."""
    return config.games + len(BASELINES) * config.baseline_games


def undecided(
    checkpoints: Iterable[CheckpointSaved], decisions: Iterable[GateDecided], best: str
) -> CheckpointSaved | None:
    """The newest candidate that nobody has decided on, nor passed over for a newer one."""
    decided = {decision.candidate for decision in decisions}
    candidates = [c for c in checkpoints if c.reason == "cycle"]
    newest = max(candidates, key=lambda c: c.step, default=None)
    if newest is None or newest.name in decided or newest.name == best:
        return None
    return newest
