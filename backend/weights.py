"""Between networks (torch) and the arrays of a checkpoint (numpy). Strict in both directions."""

from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from backend import checkpoints
from backend.checkpoints import Arrays, Checkpoint
from backend.errors import CheckpointError
from model.net import ChessNet


def arrays_of(module: nn.Module) -> Arrays:
    """Copies of all weights and statistics, in row-major order, under their state-dict names."""
    return {name: to_array(tensor) for name, tensor in module.state_dict().items()}


def to_array(tensor: torch.Tensor) -> NDArray[Any]:
    """A row-major copy, whatever the tensor's memory format and device."""
    array: NDArray[Any] = tensor.detach().to("cpu", copy=True).contiguous().numpy()
    return array


@torch.no_grad()
def load_arrays(module: nn.Module, arrays: Arrays, where: str) -> None:
    """Overwrites all weights and statistics of `module`.

    CheckpointError, before anything is changed, when a name, shape or dtype differs.
    """
    tensors = module.state_dict()
    require_names(set(arrays), set(tensors), where)
    for name, tensor in tensors.items():
        array = arrays[name]
        if tuple(array.shape) != tuple(tensor.shape):
            raise CheckpointError(
                f"{where}: {name!r} has shape {list(array.shape)}, "
                f"this network needs {list(tensor.shape)}"
            )
        if torch.from_numpy(array).dtype != tensor.dtype:
            raise CheckpointError(
                f"{where}: {name!r} is {array.dtype}, this network needs {tensor.dtype}"
            )
    for name, tensor in tensors.items():
        tensor.copy_(torch.from_numpy(arrays[name]))


def require_names(found: set[str], expected: set[str], where: str) -> None:
    """CheckpointError with the first few names that are missing or unknown."""
    missing, unknown = sorted(expected - found), sorted(found - expected)
    if missing or unknown:
        raise CheckpointError(
            f"{where}: {len(missing)} arrays missing {missing[:3]!r}, "
            f"{len(unknown)} unknown {unknown[:3]!r}"
        )


def network_of(checkpoint: Checkpoint, part: checkpoints.Part = "ema") -> ChessNet:
    """The network in `part` of a loaded checkpoint, in evaluation mode on the CPU."""
    net = ChessNet(checkpoint.manifest.model)
    load_arrays(net, getattr(checkpoint, part), f"{checkpoint.path}/{part}.safetensors")
    return net.eval()


def load_network(path: Path, part: checkpoints.Part = "ema") -> ChessNet:
    """Reads, verifies and builds the network that plays (or, with part="model", the raw one)."""
    return network_of(checkpoints.load(path, parts=(part,)), part)
