"""The one place where pickles of others are read: a process that does nothing else, then ends.

    FILE.pt  ->  torch's unpickler of weights  ->  tensors alone  ->  OUT.safetensors

torch's unpickler knows tensors and plain containers; twice it could be made to do more
(CVE-2025-32434, CVE-2026-24747; torch >= 2.10 is required). So it runs apart, with limited memory,
and what it leaves is read again as safetensors, which can hold nothing but numbers.
"""

import json
import resource
import struct
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from backend.errors import CheckpointError, ExitCode
from backend.text import clean

Source = Literal["averaged", "raw"]

_AVERAGED: Final = "model_ema"
_RAW: Final = ("model_state_dict", "model")
"""Keys of the container; every vintage has the first of these, some have the second as well."""

_UNREADABLE: Final = (
    UnpicklingError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    struct.error,
    MemoryError,
    RecursionError,
    AssertionError,
    NotImplementedError,
)
"""What torch raises for files that are no checkpoints, or cut ones."""


def main() -> None:
    """`… FILE OUT raw|averaged MEMORY TENSORS` (bytes): writes OUT, or says on stdout why not."""
    file, out, asked, memory, tensors = sys.argv[1:6]
    limit_memory(int(memory))
    try:
        convert(Path(file), Path(out), raw=asked == "raw", most_bytes=int(tensors))
    except CheckpointError as error:
        print(json.dumps(clean(str(error))))
        sys.exit(ExitCode.BAD_DATA)


def limit_memory(most_bytes: int) -> None:
    """This process gets no more, on Linux; and leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Not RLIMIT_AS: libraries for graphics cards reserve far more addresses than memory.
        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def convert(path: Path, out: Path, *, raw: bool, most_bytes: int) -> None:
    """The weights in `path` as safetensors in `out`; where they are from and their step are its
    metadata. CheckpointError, beginning with the path, says why it is refused."""
    container = _load(path)
    source, state = _state_dict(container, path, raw=raw)
    step = container.get("global_step")
    said = {"source": source, "step": str(step if type(step) is int and 0 < step < 2**53 else 0)}
    try:
        save_file(_tensors(state, path, most_bytes), out, metadata=said)
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: cannot be kept ({type(error).__name__})") from error


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with warnings.catch_warnings():
            # Of other versions of pickle; what cannot be read is refused below.
            warnings.simplefilter("ignore", UserWarning)
            container = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _UNREADABLE as error:
        # torch explains itself over many lines, with advice to run what is in the file.
        raise CheckpointError(
            f"{path}: not a checkpoint of tensors and plain values, or not a whole one "
            f"({type(error).__name__})"
        ) from error
    if not isinstance(container, Mapping):
        raise CheckpointError(f"{path}: holds a {type(container).__name__}, not a checkpoint")
    return container


def _state_dict(
    container: Mapping[str, Any], path: Path, *, raw: bool
) -> tuple[Source, Mapping[Any, Any]]:
    averaged = container.get(_AVERAGED)
    if averaged is not None and not raw:
        return "averaged", _mapping(averaged, _AVERAGED, path)
    for key in _RAW:
        if key in container:
            return "raw", _mapping(container[key], key, path)
    keys = ", ".join(repr(str(key))[:80] for key in list(container)[:3])
    raise CheckpointError(f"{path}: no {_RAW[0]!r} among its keys ({keys}, …)")


def _mapping(state: object, key: str, path: Path) -> Mapping[Any, Any]:
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: {key!r} is a {type(state).__name__}, not a state dict")
    return state


def _tensors(state: Mapping[Any, Any], path: Path, most_bytes: int) -> dict[str, Tensor]:
    """Copies, each of its own memory. What they take is known before it is taken: a file of a
    kilobyte may name one number as a tensor of a billion."""
    size = 0
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or not isinstance(name, str):
            raise CheckpointError(f"{path}: {str(name)[:80]!r} is no tensor")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise CheckpointError(f"{path}: {name[:80]!r} is no plain tensor")
        size += tensor.numel() * tensor.element_size()
        if size > most_bytes:
            raise CheckpointError(
                f"{path}: its tensors take more than {most_bytes / 2**30:.1f} GiB "
                "([limits] checkpoint_gib)"
            )
    return {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}
