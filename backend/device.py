"""One device behind one small interface: which it is, why, in what precision, how much it holds.

What a device cannot tell is None, never a guess.
"""

import contextlib
from dataclasses import dataclass, field
from typing import TypeVar

import psutil
import torch
from torch import nn

from backend.accelerator import Accelerator, Cpu, Cuda, Memory, Mps, Precision
from backend.cardload import UNKNOWN, CardLoad, CardWatch
from backend.config import DeviceConfig
from backend.errors import DeviceError

Module = TypeVar("Module", bound=nn.Module)

GIB = 1 << 30

CPU_MEMORY_FRAC = 0.5
"""Of the machine's memory, what tensors of one process are planned to take on a CPU at most."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where tensors live. Made by `choose_device`."""

    accelerator: Accelerator
    inference_precision: Precision
    reason: str
    """Why this device and its precision in play, as one sentence for people."""
    channels_last: bool
    """Convolutions are faster with channels innermost."""
    memory_budget: int
    """Bytes that tensors of this process may take; enforced on a GPU, planned for on a CPU."""
    watch: CardWatch | None = field(default=None, compare=False)
    """Who knows how busy it is; None where nobody does."""

    @property
    def torch_device(self) -> torch.device:
        return self.accelerator.torch_device

    @property
    def kind(self) -> str:
        return self.torch_device.type

    def place(self, module: Module) -> Module:
        """Moves `module` here, with its kernels in the layout that is fast here; returns it."""
        module.to(self.torch_device)
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=self.memory_format)
        return module

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def forward(self, precision: Precision) -> contextlib.AbstractContextManager[object]:
        """A context for a forward pass whose matrix products run in `precision`."""
        return self.accelerator.forward(precision)

    def empty_cache(self) -> None:
        """Returns cached, unused memory to the system."""
        self.accelerator.empty_cache()

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        """Whether this is how the device says that it has no memory left."""
        return self.accelerator.is_out_of_memory(error)

    def memory(self) -> Memory:
        return self.accelerator.memory()

    def memory_mib(self) -> tuple[float | None, float | None]:
        """What the allocator holds and what there is, MiB; as a worker's heartbeat wants it."""
        memory = self.memory()
        held, total = memory.reserved, memory.total
        return (None if held is None else held / 2**20, None if total is None else total / 2**20)

    def load(self) -> CardLoad:
        """How busy it was a moment ago, and what it drew, whoever made it; at once."""
        return UNKNOWN if self.watch is None else self.watch.newest()


def num_cards() -> int:
    """NVIDIA GPUs that this process sees."""
    return torch.cuda.device_count()


def choose_device(config: DeviceConfig, card: int = 0) -> Device:
    """The device `config` asks for, with the thread count and memory limit of this process set.

    DeviceError when a device was asked for by name and is not there. `auto` falls back in the open:
    the reason says what was missing. Of several NVIDIA GPUs it takes the one with number `card`.
    """
    torch.set_num_threads(config.threads)
    has_cuda = torch.cuda.is_available()
    has_mps = torch.backends.mps.is_available()
    kind = config.kind
    if kind == "auto":
        kind = "cuda" if has_cuda else "mps" if has_mps else "cpu"
        why = {
            "cuda": "an NVIDIA GPU is present",
            "mps": "no NVIDIA GPU, but an Apple GPU",
            "cpu": "neither an NVIDIA nor an Apple GPU was found",
        }[kind]
    else:
        why = "asked for by [device] kind"
    if (kind == "cuda" and not has_cuda) or (kind == "mps" and not has_mps):
        raise DeviceError(
            f"[device] kind = {kind!r}: torch {torch.__version__} sees no such device here; "
            "use kind = 'auto'"
        )
    limit = config.memory_limit_gib * GIB
    match kind:
        case "cuda":
            return _cuda(why, limit, card)
        case "mps":
            return _mps(why, limit)
        case "cpu":
            return Device(
                accelerator=Cpu(),
                inference_precision="float32",
                reason=f"cpu, {config.threads} thread(s), float32: {why}",
                channels_last=True,
                memory_budget=int(min(limit, CPU_MEMORY_FRAC * psutil.virtual_memory().total)),
            )


def _cuda(why: str, limit: float, card: int) -> Device:
    if card:
        if card >= num_cards():
            raise DeviceError(f"GPU {card} was asked for, and there are {num_cards()} here")
        torch.cuda.set_device(card)
    device = torch.device("cuda", torch.cuda.current_device())
    accelerator = Cuda(device)
    accelerator.set_limit(limit)
    torch.set_float32_matmul_precision("high")
    precision: Precision = "bfloat16" if accelerator.supports("bfloat16") else "float32"
    return Device(
        accelerator=accelerator,
        inference_precision=precision,
        reason=f"{torch.cuda.get_device_name(device)}, {precision}: {why}"
        + ("" if precision == "bfloat16" else "; it lacks bfloat16"),
        channels_last=True,
        memory_budget=_budget(accelerator, limit),
        watch=CardWatch(accelerator.card_name),
    )


def _mps(why: str, limit: float) -> Device:
    accelerator = Mps()
    accelerator.set_limit(limit)
    return Device(
        accelerator=accelerator,
        inference_precision="float16",
        reason=f"Apple GPU: {why}; float16 for play",
        channels_last=False,
        memory_budget=_budget(accelerator, limit),
    )


def _budget(accelerator: Accelerator, limit: float) -> int:
    total = accelerator.memory().total
    return int(limit if total is None else min(limit, total))
