"""The wall clock, for display and records. It jumps: durations come from time.monotonic."""

import time


def wall() -> float:
    """Seconds since 1970."""
    return time.time()
