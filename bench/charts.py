"""Charts of a long run: opening its curves from the database, and drawing them again.

A database of a million metric rows, 20 metrics of 50,000 steps; then one curve of a million values,
with and without its extremes at every coarseness. Processor time: other work must not count.
"""

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _table import Row, options, show

from backend.state import RunState
from backend.store.schema import VERSION_1
from tui import raster
from tui.figure import Curve, Figure
from tui.glyphs import UNICODE
from tui.history import History
from tui.panes.curves import CHARTS
from tui.plot import PlotStyle, plot
from tui.series import Series
from tui.viewport import Viewport

STEPS, METRICS = 50_000, 20
LONG = 1_000_000
STYLE = PlotStyle(glyphs=UNICODE)
SIZES = ((80, 24), (120, 40), (200, 60))


def make_database(path: Path) -> None:
    names = dict.fromkeys(name for spec in CHARTS for name in spec.metrics)
    names |= dict.fromkeys(f"other_{i}" for i in range(METRICS - len(names)))
    values = np.random.default_rng(0).random(STEPS).tolist()
    with sqlite3.connect(path) as connection:
        for statement in VERSION_1:
            connection.execute(statement)
        for name in names:
            rows = ((name, step, value, 1e9 + step) for step, value in enumerate(values))
            connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?)", rows)
    connection.close()


def cost_s(work: Callable[[], object], rounds: int = 7) -> float:
    """Median of the processor time."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def opened(database: Path) -> list[Figure]:
    """Every curve of the dashboard, read and drawn once."""
    history = History(database)
    names = dict.fromkeys(name for spec in CHARTS for name in spec.metrics)
    history.take(history.read(tuple(names)))
    figures = [spec.figure(RunState(), history, "step") for spec in CHARTS if spec.metrics]
    for figure in figures:
        plot(figure, 118, 34, PlotStyle(glyphs=UNICODE))
    return figures


def redrawn(figures: list[Figure], width: int, height: int) -> None:
    for figure in figures:
        plot(figure, width, height, PlotStyle(glyphs=UNICODE))


def drawn_from_all(figure: Figure, width: int, height: int) -> None:
    """The same picture from every value: average and extremes anew for each drawing."""
    (curve,) = figure.curves
    smooth = raster.ema(curve.y, 0.9)
    for y in (curve.y, smooth):
        raster.decimate(curve.x, y, 0.0, float(curve.x[-1]), 2 * width)
    plot(Figure(curves=(Curve("", curve.x[:100], curve.y[:100]),)), width, height, STYLE)


def main() -> None:
    parser = options(__doc__)
    parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "matrix0.db"
        make_database(database)
        figures = opened(database)
        cost = 1000 * cost_s(lambda: opened(database), rounds=3)
        rows.append(Row(what="open: 1 M rows, the curves of the dashboard", value=cost, unit="ms"))
    for width, height in SIZES:
        cost = 1000 * cost_s(lambda w=width, h=height: redrawn(figures, w // 3, h // 4))  # type: ignore[misc]
        rows.append(
            Row(what=f"redraw all charts of 50,000 steps, {width}x{height}", value=cost, unit="ms")
        )
    values = np.random.default_rng(1).random(LONG)
    began = time.process_time()
    series = Series(values)
    series.smoothed(0.9)
    build = 1000 * (time.process_time() - began)
    rows.append(Row(what="extremes and average of 1 M values, once", value=build, unit="ms"))
    figure = Figure(curves=(Curve("loss", np.arange(float(LONG)), values, known=series),))
    zoomed = PlotStyle(glyphs=UNICODE, view=Viewport(window=(300_000.0, 310_000.0)))
    for what, style in (("whole", STYLE), ("zoomed into 1 %", zoomed)):
        for width, height in SIZES:
            cost = cost_s(lambda w=width, h=height, s=style: plot(figure, w, h, s))  # type: ignore[misc]
            slow = cost_s(lambda w=width, h=height: drawn_from_all(figure, w, h), rounds=3)  # type: ignore[misc]
            rows.append(
                Row(
                    what=f"one chart of 1 M values, {what}, {width}x{height}",
                    value=1 / cost,
                    unit="drawings/s",
                    baseline=1 / slow,
                    against="from every value",
                )
            )
    show("Charts of a long run", rows, parser)


if __name__ == "__main__":
    main()
