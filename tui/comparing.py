"""Which runs are compared, by which curve, and what is known of them. No widgets.

Runs are marked in an order: the first is A, the reference, drawn solid; B dashed, C dotted. What is
read on a thread is brought here with `take`, on the thread of the screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Final

import numpy as np

from backend.compare.happenings import Happening
from backend.compare.overview import Listed
from backend.compare.side import Side
from backend.compare.table import LETTERS
from tui import format as fmt
from tui.figure import Curve, Figure, Mark, MarkKind
from tui.history import History, Track
from tui.panes.chart import reaches
from tui.raster import Floats
from tui.viewport import Axis

_WORDS: Final = {"grad_norm": "gradient norm", "policy_kl": "policy to search, KL"}
FIRST_METRICS: Final = ("policy_loss", "value_loss", "loss", "samples_per_s", "grad_norm")
"""At the head of the list of curves; the others follow by name."""
_MARKS: Final[dict[str, MarkKind]] = {"best": "best", "missing": "missing"}


@dataclass
class Marked:
    """One run that is compared."""

    path: Path
    history: History
    side: Side | None = None
    """None before it was read."""

    def x_of(self, track: Track, axis: Axis) -> Floats:
        """The x of every reading."""
        if axis == "elapsed":
            at = track.at
            return at - at[0] if self.side is None else self.side.work.of(at)
        return track.along(axis)

    def place(self, happening: Happening, axis: Axis, track: Track | None) -> float:
        """Where on the axis it happened; NaN where nothing tells."""
        if axis == "step":
            return happening.step
        if axis == "elapsed":
            known = self.side is not None and self.side.work.at.size > 1
            at = np.array([happening.at])
            return float(self.side.work.of(at)[0]) if known and self.side else float("nan")
        if track is None or not track.at.size:
            return float("nan")
        return float(np.interp(happening.at, track.at, track.games))


@dataclass
class Comparison:
    runs: list[Listed] = field(default_factory=list)
    marked: list[Marked] = field(default_factory=list)
    metric: str = FIRST_METRICS[0]
    needle: str = ""
    """What names must contain to be listed."""
    version: int = 0
    """Rises with everything that curves are drawn from."""

    @property
    def listed(self) -> list[Listed]:
        return [run for run in self.runs if self.needle.lower() in run.run.name.lower()]

    def letter(self, path: Path) -> str:
        """A for the first run that was marked; empty for one that is not."""
        paths = [marked.path for marked in self.marked]
        return LETTERS[paths.index(path)] if path in paths else ""

    def toggle(self, path: Path) -> str:
        """Mark a run or take its mark away; why not, or an empty string."""
        if self.letter(path):
            self.marked = [marked for marked in self.marked if marked.path != path]
        elif len(self.marked) == len(LETTERS):
            return f"{len(LETTERS)} runs are marked already: take a mark away first"
        else:
            self.marked.append(Marked(path, History(path / "matrix0.db")))
        self.version += 1
        return ""

    def pin(self, path: Path) -> str:
        """Make a run the reference, A; why not, or an empty string."""
        if not self.letter(path) and (refusal := self.toggle(path)):
            return refusal
        self.marked.sort(key=lambda marked: marked.path != path)
        self.version += 1
        return ""

    @property
    def sides(self) -> list[Side]:
        """Of the marked runs, up to the first that was not read yet: their letters stay."""
        sides = (marked.side for marked in self.marked)
        return [side for side in takewhile(lambda side: side is not None, sides) if side]

    @property
    def metrics(self) -> list[str]:
        """Curves that any marked run has."""
        known = {name for side in self.sides for name in side.metrics}
        first = [name for name in FIRST_METRICS if name in known]
        return [*first, *sorted(known - set(first))]

    def next_metric(self, by: int) -> None:
        metrics = self.metrics
        if metrics:
            now = metrics.index(self.metric) if self.metric in metrics else -by
            self.metric = metrics[(now + by) % len(metrics)]
            self.version += 1

    # What is drawn -------------------------------------------------------------------------------

    def curves(self, axis: Axis) -> list[tuple[int, Curve]]:
        """Number of the run and its curve, for those that have one."""
        found = []
        for number, marked in enumerate(self.marked):
            track = marked.history.track(self.metric)
            if track is not None:
                x = marked.x_of(track, axis)
                y = track.series.values
                found.append((number, Curve(LETTERS[number], x, y, known=track.series)))
        return found

    def figure(self, axis: Axis) -> Figure:
        """One curve for each marked run, so that its number is that of the run."""
        none = np.empty(0)
        curves = [Curve(LETTERS[i], none, none) for i in range(len(self.marked))]
        for number, curve in self.curves(axis):
            curves[number] = curve
        marks = tuple(
            Mark(x, _MARKS[happening.kind])
            for x, _, happening in self.happenings(axis)
            if happening.kind in _MARKS and not np.isnan(x)
        )
        what = "no marked run has this curve" if self.marked else "space marks a run to compare"
        return Figure(curves=tuple(curves), marks=marks, x_unit=axis, compares=True, empty=what)

    def happenings(self, axis: Axis) -> list[tuple[float, str, Happening]]:
        """(x, letter, what) of all marked runs, along the axis."""
        found = []
        for letter, marked in zip(LETTERS, self.marked, strict=False):
            track = marked.history.track(self.metric)
            for happening in marked.side.happenings if marked.side else ():
                found.append((marked.place(happening, axis, track), letter, happening))
        return sorted(found, key=lambda h: (np.isnan(h[0]), h[0], h[1]))

    def readout(self, axis: Axis, cursor: float, smoothing: float) -> list[tuple[str, str]]:
        """(letter, value and difference to A) of every run that has a reading there."""
        values = {}
        for number, curve in self.curves(axis):
            if reaches(curve, cursor):
                i = int(np.argmin(np.abs(curve.x - cursor)))
                values[LETTERS[number]] = float(curve.series.smoothed(smoothing).values[i])
        return [(letter, _against(letter, values)) for letter in values]


def _against(letter: str, values: dict[str, float]) -> str:
    value, reference = values[letter], values.get(LETTERS[0])
    text = fmt.loss(value)
    if letter == LETTERS[0] or reference is None or np.isnan([value, reference]).any():
        return text
    by = value - reference
    share = f" ({100 * by / abs(reference):+.1f}%)" if reference else ""
    return f"{text}  {letter}-{LETTERS[0]} {by:+.3g}{share}"


def marked_from(paths: Sequence[Path]) -> Comparison:
    """A comparison of these runs, in this order."""
    comparison = Comparison()
    for path in dict.fromkeys(paths):
        comparison.toggle(path)
    return comparison


def metric_words(name: str) -> str:
    """A curve's name for a title: `samples_per_s` is `samples/s`."""
    words = name.replace("_per_s", "/s").replace("_f1", " F1").replace("_", " ")
    return _WORDS.get(name) or fmt.line(words)
