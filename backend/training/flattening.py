"""Many tensors as one, so that a device or another process is waited for once."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """float32, one after the other."""
    return torch.cat([tensor.reshape(-1).float() for tensor in tensors])


def unflat(numbers: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """`numbers` in the shapes of `like`."""
    parts = torch.split(numbers, [tensor.numel() for tensor in like])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def to_cpu(metrics: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In one copy: the device is waited for once."""
    values = tuple(metrics.values())
    return dict(zip(metrics, unflat(flat(values).cpu(), values), strict=True))
