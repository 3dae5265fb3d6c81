"""Which curves the dashboard shows, and from which parts of the state."""

from dataclasses import replace

import numpy as np

from backend.forecast import memory_full_s
from backend.state import RunState
from model.ssl.tasks import OPEN_TASKS, TASKS, TaskName
from tui import format as fmt
from tui.figure import Curve, Figure, Mark, MarkKind
from tui.history import History, Track
from tui.panes.chart import ChartSpec
from tui.viewport import Axis

Points = tuple[tuple[float, float], ...]


BASELINE = "base"
"""Label of what the constant answer would reach: drawn to compare with, not read out."""


def _curve(points: Points, label: str, *, percent: bool = False, scale: float = 1.0) -> Curve:
    data = np.array(points, dtype=np.float64).reshape(-1, 2)
    return Curve(label, data[:, 0], data[:, 1] * scale, percent, label != BASELINE)


def _stored(track: Track, axis: Axis, label: str, *, percent: bool) -> Curve:
    x = track.along(axis)
    return Curve(label, x, track.series.values, percent, label != BASELINE, track.series)


def _marks(state: RunState, history: History, axis: Axis) -> tuple[Mark, ...]:
    steps = np.array([float(c.step) for c in state.checkpoints])
    saved = [
        Mark(x, "best" if c.verdict == "promoted" or c.name == state.best else "checkpoint")
        for c, x in zip(
            state.checkpoints, history.placed(steps, "step", axis).tolist(), strict=True
        )
    ]
    return (*saved, *_happened(state, history, axis))


def _happened(state: RunState, history: History, axis: Axis) -> tuple[Mark, ...]:
    """What has a time and no checkpoint: alerts, changed settings, numbers that were none."""
    times: list[tuple[float, MarkKind]] = [
        (alert.at, "alert") for alert in state.alerts if alert.level != "info"
    ]
    times += [(fault.at, "missing") for fault in state.non_finite if not fault.step]
    steps: list[tuple[float, MarkKind]] = [(c.step, "setting") for c in state.changes]
    steps += [(fault.step, "missing") for fault in state.non_finite if fault.step]
    return (*_placed(times, history, "time", axis), *_placed(steps, history, "step", axis))


def _placed(
    events: list[tuple[float, MarkKind]], history: History, known: Axis, axis: Axis
) -> list[Mark]:
    """Marks along `axis` of events whose place along another one is known."""
    places = history.placed(np.array([x for x, _ in events], dtype=np.float64), known, axis)
    return [Mark(x, kind) for x, (_, kind) in zip(places.tolist(), events, strict=True)]


def _waiting_text(state: RunState) -> str:
    if state.trainer is not None and state.trainer.waiting:
        return "training waits"  # The line of the pipeline, or of the summary, says for what.
    return "not reported by this run" if state.step else "training has not begun"


def _metrics(
    id: str, title: str, curves: tuple[tuple[str, str, bool], ...], *, names_all: bool = False
) -> ChartSpec:
    """Curves of the run's history, each with its metric, its label, and whether it is a share."""
    names = tuple(name for name, _, _ in curves)

    def inputs(state: RunState, history: History) -> tuple[object, ...]:
        points = tuple(state.metrics.get(name) for name in names)
        waiting = state.trainer if not any(points) else None
        seen = (state.checkpoints, state.best, state.alerts, state.changes, state.non_finite)
        return (*points, *seen, waiting, history.version)

    def figure(state: RunState, history: History, axis: Axis) -> Figure:
        axis = "step" if history.is_empty else axis
        found = []
        for name, label, percent in curves:
            track, points = history.track(name), state.metrics.get(name)
            if track is not None:
                found.append(_stored(track, axis, label, percent=percent))
            elif points and axis == "step":
                found.append(_curve(points, label, percent=percent))
        marks = _marks(state, history, axis)
        empty = _waiting_text(state)
        return Figure(curves=tuple(found), marks=marks, x_unit=axis, empty=empty)

    return ChartSpec(id, lambda state: title, inputs, figure, names, names_all=names_all)


def _task(task: TaskName, title: str) -> ChartSpec:
    """A self-supervised task: its loss, its F1, and the F1 of the constant answer."""
    curves = ((f"{task}_loss", "loss", False), (f"{task}_f1", "F1", True))
    return _metrics("ssl-task", title, (*curves, (f"{task}_f1_baseline", BASELINE, True)))


def _memory_title(state: RunState) -> str:
    if state.memory_total_mib is None:
        return "memory (RSS) GiB"
    full_s = memory_full_s(state)
    return "device memory GiB" + ("" if full_s is None else f", full in {fmt.duration(full_s)}")


def _memory(state: RunState, history: History, axis: Axis) -> Figure:
    total = (state.memory_total_mib or 0.0) / 1024
    return Figure(
        curves=(_curve(state.memory, "memory", scale=1 / 1024),) if state.memory else (),
        limit=total or None,
        limit_label=f"device {total:.1f}",
        marks=_happened(state, history, "time"),
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
        lambda state, history: (state.memory, state.memory_total_mib, state.alerts, state.changes),
        _memory,
        can_log=False,
        can_smooth=False,
    ),
    _metrics("gradient", "gradient norm", (("grad_norm", "norm", False),)),
    _metrics("rate", "learning rate", (("learning_rate", "rate", False),)),
    _metrics("speed", "training, samples/s", (("samples_per_s", "samples/s", False),)),
    _metrics(
        "agreement",
        "policy to search",
        (
            ("policy_kl", "KL", False),
            ("policy_top1", "top-1", True),
            ("anchor_kl", "KL to the start", False),
        ),
        names_all=True,
    ),
    _metrics(
        "tasks",
        "all tasks, F1",
        tuple((f"{task.name}_f1", task.name, True) for task in TASKS),
        names_all=True,
    ),
)
