"""In what type the activations of training are, and why; weights and moments are always float32.

Small numbers vanish in float16, so the loss is scaled up before the backward pass and the gradients
down after it. The scale is halved when a gradient overflows (the step is then not taken), and
doubled after many good steps.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from backend.accelerator import Precision
from backend.device import Device
from backend.errors import DeviceError

WORTHWHILE: Final = 1.15
"""bfloat16 on a CPU must be so many times as fast as float32 to be taken."""


TOO_SHORT_S: Final = 0.05
"""A rehearsal shorter than this tells little about speed; then the whole batch is rehearsed."""


@dataclass(frozen=True, slots=True)
class PrecisionChoice:
    """The type that training takes."""

    precision: Precision
    reason: str
    """A sentence for people."""
    rival: Precision | None = None
    """Taken instead if a measurement finds it faster."""


def choose_precision(
    setting: Literal["auto", "float32", "float16", "bfloat16"], device: Device
) -> PrecisionChoice:
    """What `setting` means on this device. DeviceError when the device cannot do what was asked."""
    supports = device.accelerator.supports
    if setting != "auto":
        if not supports(setting):
            raise DeviceError(
                f"[training] precision = {setting!r}: {device.kind} cannot do that here; "
                "use precision = 'auto'"
            )
        return PrecisionChoice(setting, "asked for by [training] precision")
    if device.kind == "cpu":
        if supports("bfloat16"):
            return PrecisionChoice(
                "float32", "this processor multiplies bfloat16 too, but no faster", "bfloat16"
            )
        return PrecisionChoice("float32", "this processor has no instructions for bfloat16")
    if supports("bfloat16"):
        return PrecisionChoice("bfloat16", "half the memory of float32, and no scaling of the loss")
    if device.kind == "mps":
        return PrecisionChoice(
            "float16", "bfloat16 needs macOS 14; the loss is scaled so that nothing vanishes"
        )
    return PrecisionChoice("float32", "this GPU lacks bfloat16")


def best_seconds(rehearse: Callable[[], None]) -> float:
    """The best of three, in time of the processor: others may be at work too."""
    times = []
    for _ in range(3):
        start_s = time.process_time()
        rehearse()
        times.append(time.process_time() - start_s)
    return min(times)


@dataclass
class LossScale:
    """By how much a float16 loss is scaled up; 1, and constant, for the other types."""

    value: float = 1.0
    good_steps: int = 0
    """Steps since the scale was last changed."""

    FIRST = 2.0**16
    LEAST = 1.0
    GROW_AFTER = 2000

    @classmethod
    def of(cls, precision: Precision) -> "LossScale":
        """The first scale for activations in this type."""
        return cls(cls.FIRST if precision == "float16" else cls.LEAST)

    def overflowed(self) -> bool:
        """Halve the scale; False when it cannot explain the overflow, being 1."""
        if self.value <= self.LEAST:
            return False
        self.value = max(self.LEAST, self.value / 2)
        self.good_steps = 0
        return True

    def worked(self) -> None:
        """A step was taken."""
        if self.value > self.LEAST:
            self.good_steps += 1
        if self.good_steps >= self.GROW_AFTER:
            self.value *= 2
            self.good_steps = 0
