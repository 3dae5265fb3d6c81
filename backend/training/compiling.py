"""Whether the tower's layers are compiled (torch.compile) for training, and why.

Measured on a CPU (see docs/lab-notes.md): a step of the presets gains 6 % in bfloat16 and 28 % in
float32, after half a minute of compiling at every start. On a GPU the many small operations between
the products are fused, which is most of what there is to gain.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from backend.device import Device
from backend.errors import DeviceError
from model.net import ChessNet

COMPILERS: Final = ("c++", "g++", "clang++", "cc", "gcc", "clang")
"""torch.compile needs one of them, on a GPU too."""


@dataclass(frozen=True, slots=True)
class CompileChoice:
    """Whether to compile."""

    is_on: bool
    reason: str


def choose_compile(
    setting: Literal["auto", "on", "off"],
    device: Device,
    find: Callable[[str], str | None] = shutil.which,
) -> CompileChoice:
    """What `setting` means on this device. DeviceError if it cannot be had but was asked for."""
    if setting == "off":
        return CompileChoice(False, "asked for by [training] compile")
    has_compiler = any(find(name) for name in COMPILERS)
    if setting == "on":
        if not has_compiler:
            raise DeviceError(
                "[training] compile = 'on': no C++ compiler was found; "
                "install one, or use compile = 'auto'"
            )
        return CompileChoice(True, "asked for by [training] compile")
    if device.kind != "cuda":
        return CompileChoice(False, f"on {device.kind} it gains little")
    if not has_compiler:
        return CompileChoice(False, "no C++ compiler was found")
    return CompileChoice(True, "an NVIDIA GPU gains by it")


def compile_tower(net: ChessNet) -> None:
    """From its next call on, each layer of the tower is compiled. Names of weights stay.

    Layers of one kind share their code. A layer that is computed twice (activation checkpointing)
    runs as before.
    """
    for layer in net.tower:
        layer.compile()
