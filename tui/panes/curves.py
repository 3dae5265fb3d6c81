"""Which curves the dashboard shows, and from which parts of the state."""

from dataclasses import replace

import numpy as np

from backend.state import RunState
from model.ssl.tasks import OPEN_TASKS, TaskName
from tui.panes.chart import ChartSpec
from tui.plot import Curve, Figure, Mark

Points = tuple[tuple[float, float], ...]


BASELINE = "base"
"""Label of what the constant answer would reach: drawn to compare with, not read out."""


def _curve(points: Points, label: str, *, percent: bool = False, scale: float = 1.0) -> Curve:
    data = np.array(points, dtype=np.float64).reshape(-1, 2)
    return Curve(label, data[:, 0], data[:, 1] * scale, percent, label != BASELINE)


def _marks(state: RunState) -> tuple[Mark, ...]:
    return tuple(
        Mark(float(c.step), c.verdict == "promoted" or c.name == state.best)
        for c in state.checkpoints
    )


def _waiting_text(state: RunState) -> str:
    if state.trainer is not None and state.trainer.waiting:
        return "training waits"  # The line of the pipeline, or of the summary, says for what.
    return "training has not begun"


def _metrics(id: str, title: str, curves: tuple[tuple[str, str, bool], ...]) -> ChartSpec:
    def inputs(state: RunState) -> tuple[object, ...]:
        points = tuple(state.metrics.get(name) for name, _, _ in curves)
        waiting = state.trainer if not any(points) else None
        return (*points, state.checkpoints, state.best, waiting)

    def figure(state: RunState) -> Figure:
        found = tuple(
            _curve(state.metrics[name], label, percent=percent)
            for name, label, percent in curves
            if state.metrics.get(name)
        )
        return Figure(curves=found, marks=_marks(state), empty=_waiting_text(state))

    return ChartSpec(id, lambda state: title, inputs, figure)


def _task(task: TaskName, title: str) -> ChartSpec:
    """A self-supervised task: its loss, its F1, and the F1 of the constant answer."""
    curves = ((f"{task}_loss", "loss", False), (f"{task}_f1", "F1", True))
    return _metrics("ssl-task", title, (*curves, (f"{task}_f1_baseline", BASELINE, True)))


def _memory_title(state: RunState) -> str:
    return "memory (RSS) GiB" if state.memory_total_mib is None else "device memory GiB"


def _memory(state: RunState) -> Figure:
    total = (state.memory_total_mib or 0.0) / 1024
    return Figure(
        curves=(_curve(state.memory, "memory", scale=1 / 1024),) if state.memory else (),
        limit=total or None,
        limit_label=f"device {total:.1f}",
        from_zero=True,
        x_unit="time",
        empty="no worker has reported its memory yet",
    )


CHARTS: tuple[ChartSpec, ...] = (
    _metrics("policy-loss", "policy loss", (("policy_loss", "policy", False),)),
    _metrics("value-loss", "value loss", (("value_loss", "value", False),)),
    replace(
        _task("piece", "masked piece"),
        others=tuple(_task(task.name, task.name) for task in OPEN_TASKS),
    ),
    ChartSpec(
        "memory",
        _memory_title,
        lambda state: (state.memory, state.memory_total_mib),
        _memory,
        can_log=False,
        can_smooth=False,
    ),
)
