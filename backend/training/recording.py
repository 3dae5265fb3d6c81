"""A micro-batch's forward and backward pass, recorded once on a GPU and played back (CUDA graphs).

A step is a thousand small kernels, which Python launches more slowly than a fast GPU computes them;
a recording is launched whole. It reads boards, targets and weights from tensors of its own, which
are filled anew each time, and adds to gradients where they lie: between steps these are set to
zero, never dropped.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from backend.accelerator import Accelerator
from backend.training.objective import Examples, Importance, Rows, TermName
from backend.training.terms import Targets
from model.rules import MAX_LEGAL_MOVES

Work = Callable[[Examples, Mapping[TermName, Importance]], dict[str, Tensor]]
"""Adds gradients; returns metrics. What it is given is on the device."""


@dataclass(frozen=True, slots=True)
class _Recording:
    shapes: tuple[tuple[int, ...], ...]
    """Of the examples it can be played for."""
    examples: Examples
    importance_2T: Tensor
    """Share and weight of each term in turn."""
    metrics: dict[str, Tensor]
    replay: Callable[[], None]


class Recorder:
    """Owns the one recording of a trainer."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._recording: _Recording | None = None
        self.num_bytes = 0
        """What the device's allocator holds for the recording."""

    @property
    def is_empty(self) -> bool:
        return self._recording is None

    def forget(self) -> None:
        """Drops the recording and gives its memory back."""
        if self._recording is not None:
            self._recording = None
            self.num_bytes = 0
            self._accelerator.empty_cache()

    def record(
        self, work: Work, examples: Examples, importance: Mapping[TermName, Importance]
    ) -> None:
        """Takes down `work` on examples of this size, in place of what was recorded before.

        It is done a few times for that: gradients and statistics are to be put right afterwards.
        """
        self.forget()
        device = self._accelerator.torch_device
        own = _widened(examples, device)
        numbers_2T = torch.tensor(_numbers(importance), device=device)
        scalars = iter(numbers_2T.unbind())
        given = {head: Importance(next(scalars), next(scalars)) for head in importance}
        before = self._accelerator.memory().reserved or 0
        metrics, replay = self._accelerator.record(lambda: work(own, given))
        self.num_bytes = max(0, (self._accelerator.memory().reserved or 0) - before)
        self._recording = _Recording(_shapes(examples), own, numbers_2T, metrics, replay)

    def fits(self, examples: Examples) -> bool:
        """Whether the recording can be played for these."""
        return self._recording is not None and self._recording.shapes == _shapes(examples)

    def play(
        self, examples: Examples, importance: Mapping[TermName, Importance]
    ) -> dict[str, Tensor]:
        """Adds the gradients of `examples`, which lie on the CPU and fit; returns their metrics."""
        recording = self._recording
        assert recording is not None
        for own, new in zip(_tensors(recording.examples), _tensors(examples), strict=True):
            # Lists of moves are as long as the batch's longest; nobody reads what follows in ours.
            own[tuple(slice(length) for length in new.shape)].copy_(new)
        recording.importance_2T.copy_(torch.tensor(_numbers(importance)))
        recording.replay()
        return {name: value.clone() for name, value in recording.metrics.items()}


def _numbers(importance: Mapping[TermName, Importance]) -> list[float]:
    return [
        float(number) for counts in importance.values() for number in (counts.share, counts.weight)
    ]


def _shapes(examples: Examples) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(rows.planes_RC88.shape) for rows in examples.views.values())


def _tensors(examples: Examples) -> Iterator[Tensor]:
    for rows in examples.views.values():
        yield rows.planes_RC88
        for targets in rows.targets.values():
            yield from targets.values()
        if rows.scale_RL is not None:
            yield rows.scale_RL


def _widened(examples: Examples, device: torch.device) -> Examples:
    """Copies on the device, lists of moves padded to the longest there can be."""
    views = {}
    for view, rows in examples.views.items():
        targets = {head: _widened_targets(values) for head, values in rows.targets.items()}
        views[view] = Rows(rows.planes_RC88.clone(), targets, rows.scale_RL).to(device)
    return Examples(examples.size, views, examples.weights)


def _widened_targets(targets: Targets) -> Targets:
    return {
        name: F.pad(tensor, (0, MAX_LEGAL_MOVES - tensor.shape[1]))
        if name.endswith("_RK")
        else tensor.clone()
        for name, tensor in targets.items()
    }
