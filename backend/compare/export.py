"""Curves of several runs as one CSV table, a reading a line."""

import csv
import io
from collections.abc import Sequence
from typing import Final

import numpy as np

from backend.compare.side import Side
from backend.store.reading import games_so_far, points

HEADING: Final = ("run", "metric", "step", "worked_s", "games", "at", "value")
"""Seconds at work, games admitted until then, and wall clock in seconds since 1970."""


def csv_of(sides: Sequence[Side], metrics: Sequence[str]) -> str:
    """The readings of these metrics of all runs, as RFC 4180 has it; what a run lacks is left out.

    Raises RunDirectoryError or sqlite3.Error when a database is gone meanwhile.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADING)
    for side in sides:
        if not side.metrics:
            continue
        database = side.path / "matrix0.db"
        when, games = games_so_far(database)
        for metric in metrics:
            curve = points(database, metric)
            if not curve.steps.size:
                continue
            admitted = np.interp(curve.at, when, games, left=0.0) if when.size else 0 * curve.at
            columns = (curve.steps, side.work.of(curve.at), admitted, curve.at, curve.values)
            for step, worked, played, at, value in zip(*(c.tolist() for c in columns), strict=True):
                worked_s, stamp = f"{worked:.3f}", f"{at:.3f}"
                writer.writerow(
                    (side.run.name, metric, int(step), worked_s, int(played), stamp, repr(value))
                )
    return text.getvalue()
