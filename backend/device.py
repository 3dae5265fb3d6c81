"""One device behind one small interface: which it is, why, in what precision, how much it holds.

What a device cannot tell is None, never a guess.
"""

import contextlib
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import nn

from backend.config import DeviceConfig
from backend.errors import DeviceError

Module = TypeVar("Module", bound=nn.Module)
Precision = Literal["float32", "float16", "bfloat16"]

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, or None where the device cannot tell."""

    used: int | None
    """Held by live tensors of this process."""
    reserved: int | None
    """Held by the allocator of this process, in use or cached."""
    total: int | None
    """Of the device; on Apple Silicon the recommended working set."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where tensors live. Made by `choose_device`."""

    torch_device: torch.device
    inference_precision: Precision
    training_precision: Precision
    """The type of the activations; weights, gradients and moments are always float32."""
    reason: str
    """Why this device and these precisions, as one sentence for people."""
    channels_last: bool
    """Convolutions are faster with channels innermost."""

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

    def autocast(self, precision: Precision) -> contextlib.AbstractContextManager[object]:
        """A context in which matrix products run in `precision`."""
        if precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.kind, dtype=getattr(torch, precision))

    def empty_cache(self) -> None:
        """Returns cached, unused memory to the system."""
        if self.kind == "cuda":
            torch.cuda.empty_cache()
        elif self.kind == "mps":
            torch.mps.empty_cache()

    def memory(self) -> Memory:
        if self.kind == "cuda":
            return Memory(
                used=torch.cuda.memory_allocated(self.torch_device),
                reserved=torch.cuda.memory_reserved(self.torch_device),
                total=torch.cuda.get_device_properties(self.torch_device).total_memory,
            )
        if self.kind == "mps":
            return Memory(
                used=torch.mps.current_allocated_memory(),
                reserved=torch.mps.driver_allocated_memory(),
                total=torch.mps.recommended_max_memory(),
            )
        return Memory(used=None, reserved=None, total=None)

    def memory_mib(self) -> tuple[float | None, float | None]:
        """What the allocator holds and what there is, MiB; as a worker's heartbeat wants it."""
        memory = self.memory()
        held, total = memory.reserved, memory.total
        return (None if held is None else held / 2**20, None if total is None else total / 2**20)


def choose_device(config: DeviceConfig) -> Device:
    """The device `config` asks for, with the thread count and memory limit of this process set.

    DeviceError when a device was asked for by name and is not there. `auto` falls back in the open:
    the reason says what was missing.
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
    match kind:
        case "cuda":
            return _cuda(why, config.memory_limit_gib)
        case "mps":
            return _mps(why, config.memory_limit_gib)
        case "cpu":
            return Device(
                torch_device=torch.device("cpu"),
                inference_precision="float32",
                training_precision="float32",
                reason=f"cpu, {config.threads} thread(s), float32: {why}; "
                "without matrix units lower precision is slower",
                channels_last=True,
            )


def _cuda(why: str, limit_gib: float) -> Device:
    device = torch.device("cuda", torch.cuda.current_device())
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit_gib * GIB / total), device)
    torch.set_float32_matmul_precision("high")
    precision: Precision = "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return Device(
        torch_device=device,
        inference_precision=precision,
        training_precision=precision,
        reason=f"{torch.cuda.get_device_name(device)}, {precision}: {why}"
        + ("" if precision == "bfloat16" else "; it lacks bfloat16"),
        channels_last=True,
    )


def _mps(why: str, limit_gib: float) -> Device:
    total = torch.mps.recommended_max_memory()
    # Above its limit this allocator would swap instead of failing, so the limit must be set.
    torch.mps.set_per_process_memory_fraction(min(1.0, limit_gib * GIB / total))
    return Device(
        torch_device=torch.device("mps"),
        inference_precision="float16",
        training_precision="float32",
        reason=f"Apple GPU: {why}; float16 for play, float32 for training (no loss scaling needed)",
        channels_last=False,
    )
