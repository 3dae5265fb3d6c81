"""A curve as the state keeps it: thinned evenly when it grows long, always running forwards."""

from typing import Final

MAX_POINTS: Final = 2000
"""A curve longer than this is thinned to every second point."""

Points = tuple[tuple[float, float], ...]
"""(x, value), x increasing."""


def extended(
    points: Points, step: int, value: float, *, seen: int, stride: int
) -> tuple[Points, int]:
    """The curve after one more reading, and its new stride; `seen` readings came before this one.

    Every `stride`-th reading is kept.
    """
    if points and points[-1][0] >= step:
        # The trainer went back to an earlier checkpoint: what came after it did not happen.
        points = tuple(point for point in points if point[0] < step)
    if seen % stride:
        return points, stride
    points = (*points, (float(step), value))
    if len(points) > MAX_POINTS:
        return points[::2], stride * 2
    return points, stride
