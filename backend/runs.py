"""All runs under a directory and how each stands, read from their files: nobody is disturbed."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

import msgspec

from backend import wording
from backend.errors import RunDirectoryError
from backend.rundir import RunDirectory
from backend.store.reading import read_only


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One run; as JSON, one element of what `matrix0-tui --list --json` prints."""

    name: str
    directory: str
    state: str
    """running (a supervisor is at work), the command that is at work, stopped, or damaged."""
    pid: int
    """Of the process that holds the run; 0 when nobody does."""
    preset: str
    cycle: int
    """Finished cycles."""
    step: int
    """Of the newest checkpoint or point of a curve."""
    best: str
    """Empty before the first."""
    elo: float | None
    elo_low: float | None
    elo_high: float | None
    """Of the best against the best before it, where the gate promoted it; None otherwise."""
    size_bytes: int
    """Of all files, as they count on disk."""
    active_at: float
    """Wall clock of the last write to database, journal or curves."""
    problem: str = ""
    """Why the database cannot be read; empty when it can."""


def list_runs(folder: Path) -> list[RunView]:
    """The runs in `folder`, the most recently active first. Raises RunDirectoryError."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise RunDirectoryError(f"{folder}: cannot be listed: {error.strerror}") from error
    found = [view(run) for name in names if (run := RunDirectory(folder / name)).exists]
    return sorted(found, key=lambda run: -run.active_at)


def view(run: RunDirectory) -> RunView:
    """How one run stands."""
    holder = run.holder()
    known = RunView(
        name=run.name,
        directory=str(run.path),
        state="stopped" if holder is None else "running" if holder.is_supervisor else holder.role,
        pid=holder.pid if holder else 0,
        preset=run.read_preset(),
        cycle=0,
        step=0,
        best="",
        elo=None,
        elo_low=None,
        elo_high=None,
        size_bytes=_size(run.path),
        active_at=_active_at(run),
    )
    if not run.database.exists():
        return known
    try:
        return msgspec.structs.replace(known, **_recorded(run.database))
    except (sqlite3.DatabaseError, RunDirectoryError) as error:
        state = "damaged" if known.state == "stopped" else known.state
        return msgspec.structs.replace(known, state=state, problem=str(error))


def _recorded(database: Path) -> dict[str, object]:
    with read_only(database) as connection:

        def one(query: str, *values: str) -> tuple[object, ...]:
            row: tuple[object, ...] | None = connection.execute(query, values).fetchone()
            return row or (None, None, None)

        best = str(one("SELECT value FROM meta WHERE key = 'best'")[0] or "")
        (cycle,) = one("SELECT coalesce(max(cycle), 0) FROM cycles")
        (step,) = one(
            "SELECT max(coalesce((SELECT max(step) FROM checkpoints), 0),"
            " coalesce((SELECT max(step) FROM metrics WHERE name = 'policy_loss'), 0))"
        )
        elo, low, high = one(
            "SELECT elo, elo_low, elo_high FROM decisions WHERE candidate = ?"
            " ORDER BY cycle DESC LIMIT 1",
            best,
        )
    return {
        "best": best,
        "cycle": cycle,
        "step": step,
        "elo": elo,
        "elo_low": low,
        "elo_high": high,
    }


def _size(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):  # A run at work replaces files.
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def _active_at(run: RunDirectory) -> float:
    log = run.database.with_name(f"{run.database.name}-wal")
    times = [run.config_file.stat().st_mtime]
    for path in (run.database, log, run.journal, run.metrics_file):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times)


def runs_table(runs: list[RunView], now: float) -> list[str]:
    """Heading and one line for each run."""
    rows = [("run", "state", "cycle", "step", "best", "Elo (95%)", "size", "last active")]
    rows += [
        (
            wording.line(run.name),
            wording.line(f"{run.state} ({run.pid})" if run.pid else run.state),
            wording.count(run.cycle),
            wording.count(run.step),
            wording.network(run.best) if run.best else wording.DASH,
            wording.elo(run.elo, run.elo_low, run.elo_high),
            f"{run.size_bytes / 2**20:,.0f} MiB",
            f"{wording.duration(now - run.active_at)} ago",
        )
        for run in runs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines + [f"{run.name}: {wording.line(run.problem)}" for run in runs if run.problem]
