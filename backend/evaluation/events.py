"""Events of matches and of what follows from them: a verdict, and a network that takes over."""

from typing import Literal

from backend.event_base import EventBase

Verdict = Literal["promoted", "rejected", "inconclusive"]


class MatchStarted(EventBase, frozen=True, kw_only=True):
    match: str
    candidate: str
    opponent: str
    """A checkpoint, or the name of a baseline: random, greedy."""
    games: int
    """At most: a test may end it earlier."""
    simulations: int
    llr_low: float | None = None
    """Bounds of the test that may end it; None without one."""
    llr_high: float | None = None


class MatchProgress(EventBase, frozen=True, kw_only=True):
    match: str
    played: int
    wins: int
    draws: int
    losses: int
    pairs: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    """Pairs that count so far, in the order of their openings; as in MatchFinished."""
    llr: float | None = None
    """Log-likelihood ratio of the test after these pairs; None without a test."""


class MatchFinished(EventBase, frozen=True, kw_only=True):
    """A whole match, the candidate's view; of one that a test ended, the pairs that decided it."""

    match: str
    candidate: str
    opponent: str
    wins: int
    draws: int
    losses: int
    truncated: int
    """Games cut at the ply limit; they are among the draws."""
    pairs: tuple[int, int, int, int, int]
    """Pairs of games in which the candidate scored 0, 0.5, 1, 1.5, 2."""
    elo: float
    elo_low: float
    elo_high: float
    """95 % interval from the pairs; JSON has no infinity, so all three are cut at ±1200."""
    simulations: int
    seconds: float
    pgn: str = ""
    """File under games/ that holds them."""
    results: tuple[int, int, int, int, int, int, int, int, int] = (0,) * 9
    """The pairs by what the candidate made of White and of Black, at 3 · white + black, each 0 for
    a loss, 1 for a draw, 2 for a win; all 0 in matches of before this was recorded."""
    candidate_budget: str = ""
    """What it may spend on a move, in words; empty for one that needs no search."""
    opponent_budget: str = ""


class GateDecided(EventBase, frozen=True, kw_only=True):
    """The end of a cycle."""

    cycle: int
    candidate: str
    best: str
    """The network that the candidate was measured against."""
    verdict: Verdict
    """What the gate's test says: inconclusive where nothing is proven."""
    score: float
    elo: float
    elo_low: float
    elo_high: float
    reason: str
    llr: float | None = None
    """Of the test after the last pair; None without one."""
    promotes_anyway: bool = False
    """Inconclusive, and the candidate becomes the best all the same."""

    @property
    def promotes(self) -> bool:
        return self.verdict == "promoted" or self.promotes_anyway


class Promoted(EventBase, frozen=True, kw_only=True):
    name: str
    previous: str
    """Empty for the first network of a run."""
    reason: str
    is_rollback: bool = False
    """Back to the one that was the best before `previous`."""
