"""A pretended GPU: tensors live on the CPU, but memory runs out and types are missing.

What is counted are the tensors that a forward pass really makes and that still live, so a smaller
part of a batch and activation checkpointing need less here too.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import torch

from backend.accelerator import Memory, Precision, autocast
from backend.config import DeviceConfig
from backend.device import Device, choose_device
from backend.training.footprint import LiveTensors


class FakeAccelerator:
    """Runs out of memory when activations and cache exceed `capacity` bytes."""

    def __init__(
        self,
        capacity: float = float("inf"),
        *,
        precisions: Collection[Precision] = ("float32", "bfloat16", "float16"),
        kind: str = "mps",
        records: bool = False,
    ) -> None:
        self.capacity = capacity
        self.cached = 0
        """Bytes that the allocator holds without use."""
        self.limits: list[float] = []
        self.num_emptied = 0
        self.num_failed = 0
        self.torch_device = torch.device("cpu")
        self.num_recorded = 0
        self._precisions = precisions
        self._records = records
        self._live = _Limited(self)

    def memory(self) -> Memory:
        total = None if self.capacity == float("inf") else int(self.capacity)
        used = self._live.alive
        return Memory(used=used, reserved=used + self.cached, total=total)

    @property
    def peak(self) -> int:
        """The most bytes that were alive at one time."""
        return self._live.peak

    def set_limit(self, num_bytes: float) -> None:
        self.limits.append(num_bytes)

    def empty_cache(self) -> None:
        self.num_emptied += 1
        self.cached = 0

    def supports(self, precision: Precision) -> bool:
        return precision in self._precisions

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        return str(error).startswith("MPS backend out of memory")

    @contextlib.contextmanager
    def forward(self, precision: Precision) -> Iterator[None]:
        with autocast("cpu", precision), self._live:
            yield

    def synchronize(self) -> None:
        pass

    @property
    def can_record(self) -> bool:
        return self._records

    def record(self, work: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        """Done three times, as on a GPU; a replay does it again, into the same tensors."""
        for _ in range(2):
            work()
        self.num_recorded += 1
        result = work()

        def replay() -> None:
            for name, value in work().items():
                result[name].copy_(value)

        return result, replay


class _Limited(LiveTensors):
    """Fails when more is alive than the accelerator has."""

    def __init__(self, owner: FakeAccelerator) -> None:
        super().__init__()
        self._owner = owner

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if self.alive + self._owner.cached > self._owner.capacity:
            self._owner.num_failed += 1
            raise RuntimeError("MPS backend out of memory (pretended)")
        return out


def fake_device(accelerator: FakeAccelerator, memory_budget: int = 1 << 40) -> Device:
    """A device that asks `accelerator`; it plans for `memory_budget` bytes."""
    cpu = choose_device(DeviceConfig(kind="cpu"))
    return replace(cpu, accelerator=accelerator, memory_budget=memory_budget)
