"""Where the time and the memory of a training step go, part by part.

Time is measured on undisturbed steps, the device being waited for at the end of each part. Memory
and operations are counted on a step of its own, which that makes slower.
"""

import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, record_function
from torch.utils.flop_counter import FlopCounterMode

from backend.accelerator import Accelerator, Precision
from backend.device import Device
from backend.replay.batch import Batch
from backend.training.footprint import LiveTensors
from backend.training.governor import Plan
from backend.training.parts import PARTS, part, watching
from backend.training.trainer import Trainer

MIB = 1 << 20

PRODUCTS = 10
"""Matrix products that are timed."""


@dataclass(frozen=True, kw_only=True)
class PartCost:
    """One part of a step. Means over the steps."""

    name: str
    seconds: float
    alive_mib: float
    """Tensors made in the step that are alive when the part ends."""
    peak_mib: float
    """The most of them that are alive during the part."""


@dataclass(frozen=True, kw_only=True)
class StepProfile:
    """A whole step."""

    parts: tuple[PartCost, ...]
    batch_size: int
    seconds: float
    """Mean of a step, from drawing the batch to the averaged weights."""
    flops: int
    """Of matrix products and convolutions in one step, forward and backward."""
    peak_flops_per_s: float
    """What one large matrix product in the same precision reaches on this device."""
    peak_rss_mib: float
    """The most memory the process has held since it began, libraries included."""
    device_mib: float | None
    """What the device's allocator holds; None where it cannot tell."""
    precision: Precision
    plan: Plan

    @property
    def utilisation(self) -> float:
        """Model FLOP utilisation: the step's rate of operations over that of a matrix product."""
        return self.flops / self.seconds / self.peak_flops_per_s


def profile_step(
    trainer: Trainer, draw: Callable[[], Batch], *, steps: int, trace: Path | None = None
) -> StepProfile:
    """Takes `steps` steps to measure, one before, one after, and one for `trace` if it is given.

    `trace` receives the step as a file for chrome://tracing or Perfetto.
    """
    size = _step(trainer, draw)
    watch = _Stopwatch(trainer.device.accelerator)
    begin = time.perf_counter()
    with watching(watch.measure):
        for _ in range(steps):
            _step(trainer, draw)
    seconds = (time.perf_counter() - begin) / steps
    peak_rss_mib = _peak_rss_mib()
    held = trainer.device.memory().reserved
    if trace is not None:
        _write_trace(trainer, draw, trace)
    # Compiled layers and recordings would hide what they do from the counters.
    torch.compiler.set_stance("force_eager")
    meter = _MemoryMeter()
    if trainer.recorder is not None:
        trainer.recorder.forget()
        trainer.recorder = None
    with meter.live, FlopCounterMode(display=False) as flops, watching(meter.measure):
        _step(trainer, draw)
    torch.compiler.set_stance("default")
    return StepProfile(
        parts=tuple(
            PartCost(
                name=name,
                seconds=watch.seconds[name] / steps,
                alive_mib=meter.alive[name] / MIB,
                peak_mib=meter.peak[name] / MIB,
            )
            for name in PARTS
        ),
        batch_size=size,
        seconds=seconds,
        flops=flops.get_total_flops(),
        peak_flops_per_s=_product_rate(trainer.device, trainer.precision),
        peak_rss_mib=peak_rss_mib,
        device_mib=None if held is None else held / MIB,
        precision=trainer.precision,
        plan=trainer.governor.plan,
    )


def _step(trainer: Trainer, draw: Callable[[], Batch]) -> int:
    """One step; its positions."""
    with part("data"):
        batch = draw()
    trainer.step(batch)
    return len(batch)


def _product_rate(device: Device, precision: Precision) -> float:
    """FLOP/s of the best of some products of two large square matrices of random numbers."""
    size = 1024 if device.kind == "cpu" else 8192
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(size, size, generator=generator)
        .to(getattr(torch, precision))
        .to(device.torch_device)
        for _ in range(2)
    )
    best = float("inf")
    for _ in range(1 + PRODUCTS):
        device.accelerator.synchronize()
        begin = time.perf_counter()
        torch.mm(left, right)
        device.accelerator.synchronize()
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


class _Stopwatch:
    """Seconds of each part, the device waited for."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        self._accelerator.synchronize()
        begin = time.perf_counter()
        yield
        self._accelerator.synchronize()
        self.seconds[name] += time.perf_counter() - begin


class _MemoryMeter:
    """Bytes of the tensors that are alive in and after each part; of micro-batches the most."""

    def __init__(self) -> None:
        self.live = LiveTensors()
        self.alive: defaultdict[str, int] = defaultdict(int)
        self.peak: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        self.live.peak = self.live.alive
        yield
        self.alive[name] = max(self.alive[name], self.live.alive)
        self.peak[name] = max(self.peak[name], self.live.peak)


def _write_trace(trainer: Trainer, draw: Callable[[], Batch], file: Path) -> None:
    activities = [ProfilerActivity.CPU]
    if trainer.device.kind == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with (
        torch.profiler.profile(activities=activities) as profiler,
        watching(lambda name: record_function(name)),
    ):
        _step(trainer, draw)
    profiler.export_chrome_trace(str(file))


def _peak_rss_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts KiB, macOS bytes.
    return peak / MIB if sys.platform == "darwin" else peak / 1024
