"""What torch offers of one kind of device: memory, types, the words of its out-of-memory error.

All calls of torch.cuda and torch.mps are here, behind one protocol that tests replace. What a
device cannot tell is None, never a guess.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar

import torch

Precision = Literal["float32", "float16", "bfloat16"]

CPU_OUT_OF_MEMORY: Final = ("can't allocate memory", "not enough memory")
"""What torch's CPU allocator says in its RuntimeError."""
MPS_OUT_OF_MEMORY: Final = "MPS backend out of memory"
"""How the RuntimeError of older versions begins on Apple GPUs."""


Result = TypeVar("Result")

WARM_UPS: Final = 3
"""Times that work is done before it is recorded: libraries choose their kernels, layers compile."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, or None where the device cannot tell."""

    used: int | None
    """Held by live tensors of this process."""
    reserved: int | None
    """Held by the allocator of this process, in use or cached."""
    total: int | None
    """Of the device; on Apple Silicon the recommended working set."""


class Accelerator(Protocol):
    """One kind of device."""

    @property
    def torch_device(self) -> torch.device: ...

    def memory(self) -> Memory: ...

    def set_limit(self, num_bytes: float) -> None:
        """Beyond so much the process runs out of memory, where the device can see to that."""

    def empty_cache(self) -> None:
        """Returns cached, unused memory to the system."""

    def supports(self, precision: Precision) -> bool:
        """Whether matrix products run in this type, at a speed worth having."""

    def is_out_of_memory(self, error: RuntimeError) -> bool: ...

    def forward(self, precision: Precision) -> contextlib.AbstractContextManager[object]:
        """A context for a forward pass whose matrix products run in `precision`."""

    def synchronize(self) -> None:
        """Returns when all that was asked of the device is done."""

    @property
    def can_record(self) -> bool:
        """Whether `record` works here."""

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Takes down the kernels that `work` launches: its result, and how to launch them again.

        A replay computes from the same tensors into the same tensors. `work` may not wait for the
        device nor copy from the CPU. NotImplementedError where `can_record` is False.
        """


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor itself. Nothing is limited, and its allocator tells nothing."""

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cpu")

    def memory(self) -> Memory:
        return Memory(used=None, reserved=None, total=None)

    def set_limit(self, num_bytes: float) -> None:
        pass

    def empty_cache(self) -> None:
        pass

    def supports(self, precision: Precision) -> bool:
        if precision == "bfloat16":
            return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
        return precision == "float32"

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        if isinstance(error, torch.OutOfMemoryError):
            return True
        return any(words in str(error) for words in CPU_OUT_OF_MEMORY)

    def forward(self, precision: Precision) -> contextlib.AbstractContextManager[object]:
        return autocast("cpu", precision)

    def synchronize(self) -> None:
        pass

    @property
    def can_record(self) -> bool:
        return False

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        raise NotImplementedError("only an NVIDIA GPU records")


@dataclass(frozen=True, slots=True)
class Cuda:
    """An NVIDIA GPU."""

    torch_device: torch.device

    def card_name(self) -> str:
        """As `nvidia-smi --id` takes it; torch counts only the cards that this process may see."""
        return f"GPU-{torch.cuda.get_device_properties(self.torch_device).uuid}"

    def memory(self) -> Memory:
        return Memory(
            used=torch.cuda.memory_allocated(self.torch_device),
            reserved=torch.cuda.memory_reserved(self.torch_device),
            total=torch.cuda.get_device_properties(self.torch_device).total_memory,
        )

    def set_limit(self, num_bytes: float) -> None:
        total = torch.cuda.get_device_properties(self.torch_device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, num_bytes / total), self.torch_device)

    def empty_cache(self) -> None:
        torch.cuda.empty_cache()

    def supports(self, precision: Precision) -> bool:
        return precision != "bfloat16" or torch.cuda.is_bf16_supported()

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        return isinstance(error, torch.OutOfMemoryError)

    def forward(self, precision: Precision) -> contextlib.AbstractContextManager[object]:
        return autocast("cuda", precision)

    def synchronize(self) -> None:
        torch.cuda.synchronize(self.torch_device)

    @property
    def can_record(self) -> bool:
        return True

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        aside = torch.cuda.Stream(self.torch_device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self.torch_device))
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream(self.torch_device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads make ready the next batch meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = work()
        return result, graph.replay


@dataclass(frozen=True, slots=True)
class Mps:
    """An Apple GPU."""

    @property
    def torch_device(self) -> torch.device:
        return torch.device("mps")

    def memory(self) -> Memory:
        return Memory(
            used=torch.mps.current_allocated_memory(),
            reserved=torch.mps.driver_allocated_memory(),
            total=torch.mps.recommended_max_memory(),
        )

    def set_limit(self, num_bytes: float) -> None:
        # Above its limit this allocator would swap instead of failing, so the limit must be set.
        total = torch.mps.recommended_max_memory()
        torch.mps.set_per_process_memory_fraction(min(1.0, num_bytes / total))

    def empty_cache(self) -> None:
        torch.mps.empty_cache()

    def supports(self, precision: Precision) -> bool:
        # bfloat16 came with macOS 14.
        return precision != "bfloat16" or torch.backends.mps.is_macos_or_newer(14, 0)

    def is_out_of_memory(self, error: RuntimeError) -> bool:
        return isinstance(error, torch.OutOfMemoryError) or str(error).startswith(MPS_OUT_OF_MEMORY)

    def forward(self, precision: Precision) -> contextlib.AbstractContextManager[object]:
        return autocast("mps", precision)

    def synchronize(self) -> None:
        torch.mps.synchronize()

    @property
    def can_record(self) -> bool:
        return False

    def record(self, work: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        raise NotImplementedError("only an NVIDIA GPU records")


def autocast(kind: str, precision: Precision) -> contextlib.AbstractContextManager[object]:
    """A context in which matrix products run in `precision`; in float32 nothing changes."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(kind, dtype=getattr(torch, precision))
