"""One run as a side of a comparison: how it stands and what it reached, as of one instant.

Databases are opened read-only for short questions, so the run may be at work. A run that cannot be
read is a side with a `problem`: the others are compared all the same.
"""

import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from backend.compare.happenings import NOT_TAKEN, Happening, read_happenings
from backend.compare.settings import read_settings
from backend.compare.workclock import WorkClock, read_work_clock
from backend.errors import Matrix0Error
from backend.evaluation.pool import rate_run
from backend.events import RunStopped
from backend.rundir import RunDirectory
from backend.runs import RunView, view
from backend.store.reading import Floats, Points, points, read_only
from backend.wording import line

LIVE: Final = "live"
DONE: Final = "done"
STOPPED: Final = "stopped"
NAN: Final = "NaN"
FAILED: Final = "failed"
DAMAGED: Final = "damaged"
SUMMARISED: Final = ("policy_loss", "value_loss", "samples_per_s", "memory_mib")
"""Curves whose end is in the table."""
SMOOTHING: Final = 0.9
"""Decay of the moving average that best and final values are taken from."""
_EMPTY: Final = np.empty(0)


class Reached(NamedTuple):
    """The ends of one curve, smoothed."""

    final: float
    best: float
    """The lowest."""
    highest: float
    """Of the readings themselves."""


class Rating(NamedTuple):
    elo: float
    low: float
    high: float
    anchor: str
    """Whose rating is 0."""


@dataclass(frozen=True, kw_only=True)
class Side:
    run: RunView
    state: str
    """live, the command that is at work, done, stopped, NaN, failed or damaged."""
    detail: str = ""
    """More about the state: the step of a NaN."""
    problem: str = ""
    """Why there is nothing, or not all; empty when everything could be read."""
    settings: dict[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    """Names of its curves."""
    reached: dict[str, Reached] = field(default_factory=dict)
    rating: Rating | None = None
    """Of its best network, in the pool of its own matches."""
    is_rated: bool = False
    """Whether a rating was reckoned, if there was anything to reckon it from."""
    num_matches: int = 0
    games: int = 0
    positions: int = 0
    work: WorkClock = field(default_factory=lambda: WorkClock(_EMPTY, _EMPTY))
    step_s: float | None = None
    """Median seconds for a training step; None before the second reading."""
    happenings: tuple[Happening, ...] = ()

    @property
    def path(self) -> Path:
        return Path(self.run.directory)


def rated(side: Side) -> Side:
    """The same with the rating of its best network; takes seconds, the rest does not."""
    if side.is_rated:
        return side
    try:
        rating = _rating(side.path / "matrix0.db", side.run.best) if side.num_matches else None
    except (sqlite3.Error, Matrix0Error, ValueError) as error:
        return replace(side, is_rated=True, problem=line(f"it cannot be rated: {error}"))
    return replace(side, rating=rating, is_rated=True)


def read_side(run: RunDirectory, before: Side | None = None) -> Side:
    """Everything about a run but its rating; `before` is what was known of it, whose rating may
    still hold."""
    seen = view(run)
    settings, problem = _settings(run)
    if not run.database.exists():
        what = "no database: it was never at work"
        if run.metrics_file.exists():
            what = "no database: it was trained on imported games alone"
        state = LIVE if seen.state == "running" else seen.state
        return Side(run=seen, state=state, settings=settings, problem=problem or what)
    try:
        return _recorded(run, seen, settings, problem, before)
    except (sqlite3.Error, Matrix0Error, msgspec.MsgspecError, ValueError) as error:
        state = LIVE if seen.state == "running" else DAMAGED
        return Side(run=seen, state=state, settings=settings, problem=line(str(error)))


def _settings(run: RunDirectory) -> tuple[dict[str, str], str]:
    try:
        return read_settings(run.config_file), ""
    except (OSError, ValueError) as error:
        return {}, line(f"config.toml cannot be read: {error}")


def _recorded(
    run: RunDirectory, seen: RunView, settings: dict[str, str], problem: str, before: Side | None
) -> Side:
    database = run.database
    with read_only(database) as connection:
        names = [row[0] for row in connection.execute("SELECT DISTINCT name FROM metrics")]
        games, positions = connection.execute(
            "SELECT coalesce(sum(games), 0), coalesce(sum(positions), 0) FROM shards"
        ).fetchone()
        (num_matches,) = connection.execute("SELECT count(*) FROM matches").fetchone()
    curves = {name: points(database, name) for name in SUMMARISED if name in names}
    longest = max(curves.values(), key=lambda c: c.steps.size, default=Points(*[_EMPTY] * 3))
    state, detail = state_of(seen, database)
    holds = before is not None and (before.num_matches, before.run.best) == (num_matches, seen.best)
    return Side(
        run=seen,
        state=state,
        detail=detail,
        problem=problem or line(seen.problem),
        settings=settings,
        metrics=tuple(sorted(line(name) for name in names)),
        reached={name: _reached(curve.values) for name, curve in curves.items()},
        rating=before.rating if before is not None and holds else None,
        is_rated=before is not None and holds and before.is_rated,
        num_matches=num_matches,
        games=games,
        positions=positions,
        work=read_work_clock(database),
        step_s=_step_s(longest),
        happenings=tuple(read_happenings(database, longest.steps, longest.at)),
    )


def state_of(seen: RunView, database: Path) -> tuple[str, str]:
    """How a run stands, in a word, and a detail of it: done, NaN, @3,104. Raises sqlite3.Error."""
    if seen.state == "running":
        return LIVE, ""
    if seen.state not in ("stopped", "damaged") or not database.exists():
        return seen.state, ""
    if seen.problem:
        return DAMAGED, ""
    with read_only(database) as connection:
        lost = connection.execute(
            "SELECT body FROM events WHERE kind = 'WorkerExited' AND body LIKE '%was not taken%'"
            " ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        ended = connection.execute(
            "SELECT kind, body FROM events WHERE kind IN ('RunStarted', 'RunStopped')"
            " ORDER BY seq DESC LIMIT 1"
        ).fetchone()
    found = NOT_TAKEN.search(lost[0]) if lost else None
    if found and int(found[1]) > seen.step:
        return NAN, f"@{int(found[1]):,}"
    if ended is None or ended[0] == "RunStarted":
        return STOPPED, "by force" if ended else ""
    stopped = msgspec.json.decode(ended[1], type=RunStopped)
    if stopped.exit_code:
        return FAILED, f"exit {stopped.exit_code}"
    return (DONE, "") if "cycles are done" in stopped.reason else (STOPPED, "")


def _rating(database: Path, best: str) -> Rating | None:
    """Of the best network at the budget with most games."""
    standings = rate_run(database)
    rows = [row for row in standings.rows if row.player.name == best] if standings else []
    if standings is None or not rows:
        return None
    row = max(rows, key=lambda r: r.games)
    return Rating(row.elo, row.low, row.high, line(standings.anchor.name))


def smoothed(values: Floats, decay: float = SMOOTHING) -> Floats:
    """The bias-corrected moving average, as charts draw it."""
    average, weight = 0.0, 0.0
    found = np.empty(values.size)
    for i, value in enumerate(values.tolist()):
        average = decay * average + (1 - decay) * value
        weight = decay * weight + 1 - decay
        found[i] = average / weight
    return found


def _reached(values: Floats) -> Reached:
    values = values[np.isfinite(values)]
    if not values.size:
        return Reached(float("nan"), float("nan"), float("nan"))
    smooth = smoothed(values)
    return Reached(float(smooth[-1]), float(smooth.min()), float(values.max()))


def _step_s(curve: Points) -> float | None:
    steps, seconds = np.diff(curve.steps), np.diff(curve.at)
    onward = (steps > 0) & (seconds > 0)
    return float(np.median(seconds[onward] / steps[onward])) if onward.any() else None
