"""A curve as the state keeps it: thinned evenly when it grows long, always running forwards."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from backend.state import RunState

MAX_POINTS: Final = 2000
"""A curve longer than this is thinned to every second point."""

Points = tuple[tuple[float, float], ...]
"""(x, value), x increasing."""


class Curve(NamedTuple):
    """A whole curve, thinned as `extended` would have done it reading by reading."""

    name: str
    points: Points
    seen: int
    """Readings that it was made of."""
    last_step: int
    """Of the last one, whether it was kept or not."""


def stride_of(seen: int) -> int:
    """Every how many readings one is kept, after so many."""
    stride = 1
    while -(-seen // stride) > MAX_POINTS:
        stride *= 2
    return stride


def with_curves(state: RunState, curves: Iterable[Curve]) -> RunState:
    """A state without curves, as it is after the readings of all these, told one by one."""
    curves = list(curves)
    return replace(
        state,
        metrics={curve.name: curve.points for curve in curves},
        metric_stride={curve.name: stride_of(curve.seen) for curve in curves},
        metric_seen={curve.name: curve.seen for curve in curves},
        step=max((curve.last_step for curve in curves), default=state.step),
    )


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
