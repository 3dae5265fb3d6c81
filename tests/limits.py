"""How long tests wait for what must come: beside other work everything takes its time."""

from pathlib import Path
from typing import Final

PATIENCE_S: Final = 120.0
"""For one event. It is spent only where something never comes; what must be fast says so itself."""


def starved_s() -> float:
    """For how long this thread was ready to run while others had the cores; 0 where unknown.

    A gap between two turns of an event loop is the loop's own only without this.
    """
    stat = Path("/proc/thread-self/schedstat")
    return int(stat.read_text().split()[1]) / 1e9 if stat.exists() else 0.0
