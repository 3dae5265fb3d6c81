"""Draws batches from several sources by weight; the weights may change by step.

    mix     selfplay 3, pgn 2, puzzles 1      [training.mix], or that of the phase
    batch   128 rows | 86 | 42                of 256; expected exactly 128, 85 1/3, 42 2/3
    order   shuffled: a micro-batch, and what is shown masked, is a sample of the whole

The rounding is systematic: one random number shifts all boundaries between sources, so that the
expected number of rows is exactly the weight's share, and no batch is further than one from it.
Within a source every position that the phase lets through has the same chance, as without a mix.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from backend.errors import ReplayError
from backend.replay.augment import mirror_some
from backend.replay.batch import Batch, joined
from backend.replay.phases import PHASES as STAGES
from backend.replay.phases import phases_of
from backend.replay.sampler import Sampler
from backend.replay.schema import Array
from backend.replay.window import Window
from backend.training.curriculum import PhaseConfig, phase_name, phase_number

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """Positions that go by one name in a mix: a window, or the part of it that bears names."""

    window: Window
    sampler: Sampler
    """Over that window."""
    only: frozenset[str] | None = None
    """Names of the files they are from; None: all but those of `but`."""
    but: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase of the curriculum as people see it; the fields of `PhaseBegan`."""

    number: int
    """From 1."""
    phases: int
    name: str
    until_step: int
    mix: dict[str, float]
    """Shares that are wanted (0 to 1)."""
    learning_rate_factor: float


OCCUPIED: Final = slice(0, 6)
"""Bitboards of a position that hold its pieces by type."""


class Mixture:
    """Draws with replacement from samplers, each over the window of one source.

    The samplers only gather: all chance is in one generator, whose state can be saved as JSON.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        mix: Mapping[str, float],
        phases: Sequence[PhaseConfig],
        rng: np.random.Generator,
        *,
        mirror_frac: float = 0.0,
        say: Say,
        awaited: str = "",
    ) -> None:
        """Without a mix a source weighs as much as it has positions, so that all count alike.

        `say` is told, once, of a source that is wanted and has nothing; not of the one that is
        `awaited`: whoever draws waits for it. ReplayError when a mix names a source that is none
        of `sources`.
        """
        self._sources = dict(sources)
        self._mix = dict(mix)
        self._phases = tuple(phases)
        self._rng = rng
        self._mirror_frac = mirror_frac
        self._say = say
        self._awaited = awaited
        mixes = [phase.mix or self._mix for phase in phases] or [self._mix]
        self._named = [name for name in sources if any(m.get(name, not m) for m in mixes)]
        """Sources that some phase draws from."""
        self._said: set[str] = set()
        self._fitting: dict[tuple[int, str], tuple[int, Array]] = {}
        """(phase, source) -> revision of the window and rows of it that the phase lets through."""
        for weights in (mix, *(phase.mix for phase in phases)):
            for name in weights:
                if name not in self._sources:
                    known = ", ".join(self._sources)
                    raise ReplayError(f"mix: no source {name!r} (there are: {known})")

    def sample(self, size: int, step: int) -> Batch:
        """`size` positions for the step after `step` steps. ReplayError when no source has any."""
        number = self.phase(step)
        weights = self._weights(number)
        shares = np.cumsum(list(weights.values())) / sum(weights.values())
        shares[-1] = 1.0
        bounds = np.floor(shares * size + self._rng.random()).astype(np.int64)
        counts = np.diff(bounds, prepend=0)
        parts, drawn = [], dict.fromkeys(self._named, 0)
        for name, count in zip(weights, counts.tolist(), strict=True):
            if count:
                rows = self._rows(number, name)
                chosen = self._rng.integers(len(rows), size=count)
                parts.append(self._sources[name].sampler.gather(rows[chosen]))
                drawn[name] = count
        batch = joined(parts, self._rng.permutation(size))
        if self._mirror_frac:
            batch = mirror_some(batch, self._mirror_frac, self._rng)
        return batch.with_drawn(drawn)

    def phase(self, step: int) -> int:
        """Index of the phase of that step; -1 without a curriculum."""
        return phase_number(self._phases, step)

    def most(self, name: str, size: int, step: int) -> int:
        """Of the batch for that step, the most positions that may come from a source.

        One that has none yet counts as if it had: whoever draws may wait for it.
        """
        number = self.phase(step)
        wanted = self._wanted(number)
        if not wanted.get(name):
            return 0
        weights = {n: w for n, w in wanted.items() if n == name or len(self._rows(number, n))}
        return math.ceil(size * weights[name] / sum(weights.values()))

    def describe(self, number: int) -> Phase:
        """A phase of the curriculum, for people."""
        wanted = self._wanted(number)
        total = sum(wanted.values()) or 1.0
        phase = self._phases[number]
        return Phase(
            number=number + 1,
            phases=len(self._phases),
            name=phase_name(self._phases, number),
            until_step=phase.until_step,
            mix={name: weight / total for name, weight in wanted.items()},
            learning_rate_factor=phase.learning_rate_factor,
        )

    @property
    def num_positions(self) -> int:
        """Of all sources."""
        return sum(len(self._rows(-1, name)) for name in self._sources)

    def state(self) -> dict[str, Any]:
        """The generator's state; JSON can hold it."""
        return dict(self._rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Draw on where `state` was taken."""
        self._rng.bit_generator.state = state

    def _wanted(self, number: int) -> dict[str, float]:
        """Weights above 0, whether there are positions or not, in the order of the sources."""
        asked = (self._phases[number].mix if number >= 0 else {}) or self._mix
        if not asked:
            asked = {name: float(len(self._rows(-1, name))) for name in self._sources}
        return {name: asked[name] for name in self._sources if asked.get(name, 0.0) > 0}

    def _weights(self, number: int) -> dict[str, float]:
        """Those of sources that have positions for this phase; the others are named, once."""
        wanted = self._wanted(number)
        weights = {name: w for name, w in wanted.items() if len(self._rows(number, name))}
        for name in wanted.keys() - weights.keys():
            absent = self._absent(number, name)
            if name != self._awaited and absent not in self._said:
                self._said.add(absent)
                self._say(f"{absent}: it is left out of the mix")
        if not weights:
            lacking = [self._absent(number, name) for name in wanted] or ["there is no source"]
            raise ReplayError(f"nothing to draw from: {'; '.join(lacking)}")
        return weights

    def _absent(self, number: int, name: str) -> str:
        if number < 0 or not len(self._rows(-1, name)):
            return f"source {name} has no positions"
        return f"source {name} has no positions for {phase_name(self._phases, number)}"

    def _rows(self, number: int, name: str) -> Array:
        """Rows of a source's window that the phase lets through."""
        source = self._sources[name]
        window = source.window
        revision, rows = self._fitting.get((number, name), (-1, np.empty(0, np.int64)))
        if revision != window.revision:
            rows = fitting_rows(source, self._phases[number] if number >= 0 else PhaseConfig())
            self._fitting[number, name] = window.revision, rows
        return rows


def fitting_rows(source: Source, phase: PhaseConfig) -> Array:
    """int64[R]: the rows of the source's window that are its own and that a phase lets through."""
    window = source.window
    fits = np.ones(window.num_positions, bool)
    if source.only is not None:
        fits &= np.isin(window.column("source"), window.labels.source_numbers(source.only))
    if source.but:
        fits &= ~np.isin(window.column("source"), window.labels.source_numbers(source.but))
    if phase.is_filtered:
        fits &= _let_through(window, phase)
    return np.flatnonzero(fits)


def _let_through(window: Window, phase: PhaseConfig) -> Array:
    """bool[P]."""
    positions, rating = window.column("positions"), window.column("rating")
    fits = _within(window.column("ply"), phase.min_ply, phase.max_ply)
    if phase.min_pieces or phase.max_pieces:
        pieces = np.bitwise_count(positions[:, OCCUPIED]).sum(axis=1, dtype=np.int64)
        fits &= _within(pieces, phase.min_pieces, phase.max_pieces)
    if phase.min_rating or phase.max_rating:
        fits &= (rating == 0) | _within(rating, phase.min_rating, phase.max_rating)
    if phase.themes:
        known = window.labels.theme_sets_with(phase.themes.split())
        fits &= np.isin(window.column("theme_set"), known)
    if phase.stage != "any":
        fits &= phases_of(positions) == STAGES.index(phase.stage)
    return fits


def _within(values: Array, least: int, most: int) -> Array:
    """A most of 0 is no bound."""
    fits = values >= least
    return np.asarray(fits & (values <= most) if most else fits)
