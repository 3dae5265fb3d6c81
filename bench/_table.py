"""One table for each benchmark: what was measured, against which baseline, and the ratio first."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure, and the same of the baseline where there is one."""

    what: str
    value: float
    unit: str
    baseline: float | None = None
    against: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the baseline; None without one."""
        return self.value / self.baseline if self.baseline else None


def rate(work: Callable[[], float], *, seconds: float = 3.0, rounds: int = 3) -> float:
    """Median of `rounds` rates: `work` says how much it did, and is repeated for `seconds`."""
    rates = []
    for _ in range(rounds):
        done, began = 0.0, time.perf_counter()
        while time.perf_counter() - began < seconds / rounds:
            done += work()
        rates.append(done / (time.perf_counter() - began))
    return statistics.median(rates)


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows --json; a benchmark may add options of its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def show(title: str, rows: Sequence[Row], parser: argparse.ArgumentParser | None = None) -> None:
    """Print the table, or with --json one object."""
    if (parser or options(title)).parse_args().json:
        host = {"machine": platform.machine(), "python": platform.python_version()}
        measured = [{**asdict(row), "ratio": row.ratio} for row in rows]
        print(json.dumps({"title": title, "host": host, "rows": measured}))
        return
    table = Table(title=title, title_justify="left")
    for name, justify in (("ratio", "right"), ("figure", "right"), ("unit", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("what", no_wrap=True)
    table.add_column("baseline")
    for row in rows:
        against = "" if row.baseline is None else f"{row.baseline:,.1f} {row.unit}: {row.against}"
        ratio = "" if row.ratio is None else f"{row.ratio:,.1f}x"
        table.add_row(ratio, f"{row.value:,.1f}", row.unit, row.what, against)
    Console(width=140).print(table)
