"""The ratings of a pool of players, jointly from all their pairs of games.

White's expected score is the logistic function of its lead: its strength over Black's, and an
advantage for moving first, as everywhere Elo is spoken of. Draws follow Davidson (1970): their
share is nu times the geometric mean of those of White's and Black's wins. (Davidson's own strengths
are the logs of those wins. They rank alike, but are no Elo where many games are drawn.) All
strengths, the advantage and nu are those of greatest likelihood, found by Fisher scoring.

Prior: of each pairing that was played, a quarter of a game is won, drawn and lost besides, so that
a clean sweep stays finite. Intervals and the likelihood of superiority (LOS) come from a bootstrap:
pairs are drawn anew from those played and, as in `rating.py`, a lost and a won one in each pairing.
What is known of a player only through players not linked to the anchor is not rated.

P players, M pairings, G = 2 M kinds of games (one for each colour), 9 kinds of pairs.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

RESAMPLES: Final = 500
_PRIOR: Final = 0.125
"""Games with each result, for each colour of each pairing."""
_ROUNDS: Final = 100
_LONGEST_STEP: Final = 2.0
"""In any parameter: the curvature says nothing of places farther away."""
_ELO: Final = 400 / math.log(10)
"""Elo of one unit of strength."""
_SWEEPS: Final = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1])
"""The two pairs that a bootstrap adds: both games lost, both won."""
Array = npt.NDArray[np.float64]


class Contestant(NamedTuple):
    """A player with what it may spend on a move: another budget is another contestant."""

    name: str
    budget: str = ""


class Pairing(NamedTuple):
    """All pairs of games that two contestants played in one match."""

    player: Contestant
    opponent: Contestant
    results: Sequence[int]
    """Nine counts, as in `MatchFinished.results`."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    player: Contestant
    elo: float
    """Above the anchor."""
    low: float
    high: float
    """Ends of the 95 % interval of the difference to the anchor, which itself has none."""
    games: int
    los: float | None
    """Probability of being stronger than the next one in the table; None for the last."""


@dataclass(frozen=True, kw_only=True)
class Standings:
    """The table, strongest first."""

    rows: tuple[Standing, ...]
    anchor: Contestant
    white_elo: float
    """What moving first is worth."""
    draw_frac: float
    """Share of draws between equals (0 to 1)."""
    unlinked: tuple[Contestant, ...]
    """Those that no chain of games links to the anchor."""


def rate(
    pairings: Iterable[Pairing], anchor: Contestant, *, resamples: int = RESAMPLES, seed: int = 0
) -> Standings:
    """The ratings of all who are linked to `anchor`, whose rating is 0.

    Raises ValueError when the anchor played nobody.
    """
    merged = _merged(pairings)
    linked = _linked(merged, anchor)
    if len(linked) < 2:
        raise ValueError(f"{anchor.name} played nobody")
    everybody = {player for pairing in merged for player in pairing}
    merged = {pairing: counts for pairing, counts in merged.items() if pairing[0] in linked}
    players = [anchor, *sorted(linked - {anchor})]
    pool = _Pool(players, list(merged))
    counts_M9 = np.array(list(merged.values()))
    found = pool.fit(counts_M9)
    drawn = _bootstrap(pool, counts_M9, found, resamples, np.random.default_rng(seed))
    elo = found.elo
    games = pool.games_of(counts_M9)
    order = sorted(range(len(players)), key=lambda p: -elo[p])
    rows = []
    for p, after in zip(order, [*order[1:], None], strict=True):
        low, high = np.percentile(drawn[:, p], (2.5, 97.5))
        los = None if after is None else _share_above(drawn[:, p] - drawn[:, after])
        rows.append(
            Standing(
                player=players[p],
                elo=float(elo[p]),
                low=min(float(low), float(elo[p])),
                high=max(float(high), float(elo[p])),
                games=games[p],
                los=los,
            )
        )
    return Standings(
        rows=tuple(rows),
        anchor=anchor,
        white_elo=found.white_elo,
        draw_frac=found.draw_frac,
        unlinked=tuple(sorted(everybody - linked)),
    )


def _merged(
    pairings: Iterable[Pairing],
) -> dict[tuple[Contestant, Contestant], npt.NDArray[np.int64]]:
    """Counts [9] of each two who met, from the view of the first in alphabetical order."""
    merged: dict[tuple[Contestant, Contestant], npt.NDArray[np.int64]] = {}
    for player, opponent, results in pairings:
        counts = np.asarray(results, np.int64)
        if player == opponent or not counts.any():
            continue
        if opponent < player:
            # Its white games are the other's black ones, its wins the other's losses.
            player, opponent = opponent, player
            counts = counts.reshape(3, 3)[::-1, ::-1].T.ravel()
        key = (player, opponent)
        merged[key] = merged.get(key, np.zeros(9, np.int64)) + counts
    return merged


def _linked(
    met: Iterable[tuple[Contestant, Contestant]], anchor: Contestant
) -> frozenset[Contestant]:
    opponents: dict[Contestant, set[Contestant]] = {}
    for one, other in met:
        opponents.setdefault(one, set()).add(other)
        opponents.setdefault(other, set()).add(one)
    linked, new = {anchor}, [anchor]
    while new:
        found = opponents.get(new.pop(), set()) - linked
        linked |= found
        new += found
    return frozenset(linked)


class _Fit(NamedTuple):
    parameters: Array
    """[P + 1]: strengths above the anchor's (without it), White's advantage, ln nu."""

    @property
    def elo(self) -> Array:
        """[P], the anchor first."""
        return np.concatenate(([0.0], self.parameters[:-2])) * _ELO

    @property
    def white_elo(self) -> float:
        return float(self.parameters[-2]) * _ELO

    @property
    def draw_frac(self) -> float:
        nu = math.exp(self.parameters[-1])
        return nu / (2 + nu)


class _Pool:
    """Who met whom, as matrices; the first player is the anchor."""

    def __init__(
        self, players: list[Contestant], pairings: list[tuple[Contestant, Contestant]]
    ) -> None:
        place = {player: p for p, player in enumerate(players)}
        self._met = [(place[one], place[other]) for one, other in pairings]
        num_pairings, num_players = len(pairings), len(players)
        strength_GP = np.zeros((2 * num_pairings, num_players + 1))
        for m, (one, other) in enumerate(self._met):
            strength_GP[m, one] = strength_GP[num_pairings + m, other] = 1
            strength_GP[m, other] = strength_GP[num_pairings + m, one] = -1
        strength_GP[:, -1] = 1
        self._strength = strength_GP[:, 1:]
        """How White's lead depends on the parameters but the last; the anchor's strength is 0."""
        self._num_players = num_players

    def games_of(self, counts_M9: npt.NDArray[np.int64]) -> list[int]:
        games = [0] * self._num_players
        for (one, other), pairs in zip(self._met, counts_M9.sum(1), strict=True):
            games[one] += 2 * int(pairs)
            games[other] += 2 * int(pairs)
        return games

    def fit(self, counts_M9: npt.NDArray[np.int64], start: _Fit | None = None) -> _Fit:
        """The most likely parameters, from `start` on."""
        results_G3 = _by_colour(counts_M9) + _PRIOR
        at = np.zeros(self._num_players + 1) if start is None else start.parameters
        value = self._likelihood(results_G3, at)
        for _ in range(_ROUNDS):
            step = self._step(results_G3, at)
            step = step * (_LONGEST_STEP / max(_LONGEST_STEP, np.abs(step).max()))
            while (new := self._likelihood(results_G3, at + step)) < value - 1e-9:
                step = step / 2
            at, value = at + step, new
            if np.abs(step).max() < 1e-8:
                break
        return _Fit(at)

    def _likelihood(self, results_G3: Array, at: Array) -> float:
        return float((results_G3 * np.log(_chances(self._strength @ at[:-1], at[-1]).p_G3)).sum())

    def _step(self, results_G3: Array, at: Array) -> Array:
        """Slope of the likelihood over its expected curvature."""
        p_G3, by_lead_G3, by_draws_G3 = _chances(self._strength @ at[:-1], at[-1])
        games_G = results_G3.sum(1)
        slope = np.append(
            self._strength.T @ (results_G3 * by_lead_G3).sum(1), (results_G3 * by_draws_G3).sum()
        )
        curvature = np.empty((len(at), len(at)))
        lead_G = games_G * (p_G3 * by_lead_G3**2).sum(1)
        across_G = games_G * (p_G3 * by_lead_G3 * by_draws_G3).sum(1)
        curvature[:-1, :-1] = self._strength.T @ (self._strength * lead_G[:, None])
        curvature[:-1, -1] = curvature[-1, :-1] = self._strength.T @ across_G
        curvature[-1, -1] = (games_G * (p_G3 * by_draws_G3**2).sum(1)).sum()
        return np.linalg.solve(curvature, slope)


class _Chances(NamedTuple):
    """Of the games [G, 3]: White loses, draws, wins."""

    p_G3: Array
    by_lead_G3: Array
    """Slope of ln p as White's lead grows."""
    by_draws_G3: Array
    """The same as ln nu grows."""


def _chances(lead_G: Array, log_nu: float) -> _Chances:
    """With w = ln sqrt(win / loss), h = nu / 2, the odds of loss : draw : win are e^-w : 2h : e^w.

    lead = ln((e^w + h) / (e^-w + h)) is the log of the odds of White's score; it is solved for w.
    """
    h = math.exp(log_nu) / 2
    odds_G = np.exp(np.abs(lead_G))
    b_G = h * (odds_G - 1)
    e_G = (b_G + np.sqrt(b_G**2 + 4 * odds_G)) / 2
    w_G = np.copysign(np.log(e_G), lead_G)
    e_G = np.exp(w_G)
    lead_by_w_G = e_G / (e_G + h) + 1 / (1 + h * e_G)
    lead_by_log_nu_G = h / (e_G + h) - h * e_G / (1 + h * e_G)
    odds_G3 = np.stack([1 / e_G, np.full_like(e_G, 2 * h), e_G], 1)
    p_G3 = odds_G3 / odds_G3.sum(1, keepdims=True)
    loss_to_win = np.array([-1.0, 0.0, 1.0])
    by_lead_G3 = loss_to_win / lead_by_w_G[:, None]
    by_draws_G3 = np.array([0.0, 1.0, 0.0]) - by_lead_G3 * lead_by_log_nu_G[:, None]
    return _Chances(
        p_G3,
        by_lead_G3 - (p_G3 * by_lead_G3).sum(1, keepdims=True),
        by_draws_G3 - (p_G3 * by_draws_G3).sum(1, keepdims=True),
    )


def _by_colour(counts_M9: npt.NDArray[np.int64]) -> Array:
    """Games [G, 3] that White lost, drew, won: first those with the first player as White."""
    pairs_M33 = counts_M9.reshape(-1, 3, 3)
    as_white_M3, as_black_M3 = pairs_M33.sum(2), pairs_M33.sum(1)
    return np.concatenate([as_white_M3, as_black_M3[:, ::-1]]).astype(np.float64)


def _bootstrap(
    pool: _Pool,
    counts_M9: npt.NDArray[np.int64],
    found: _Fit,
    resamples: int,
    rng: np.random.Generator,
) -> Array:
    """Ratings [resamples, P] from pairs drawn anew."""
    totals_M = counts_M9.sum(1)
    urns_M9 = (counts_M9 + _SWEEPS) / (totals_M[:, None] + 2)
    drawn = rng.multinomial(totals_M, urns_M9, size=(resamples, len(totals_M)))
    return np.array([pool.fit(sample_M9, found).elo for sample_M9 in drawn])


def _share_above(differences: Array) -> float:
    return float((differences > 0).mean() + (differences == 0).mean() / 2)
