"""How much memory a step takes: counted while a few positions are rehearsed.

All that grows with the batch grows in proportion to it. So a small part of a batch tells the whole,
on any device alike, also on one that cannot tell how much it holds.
"""

import math
import weakref
from collections.abc import Callable
from typing import Any, Final

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from backend.device import Device

OVERHEAD: Final = 1.25
"""What a device takes over the tensors that are alive: work space of its kernels, rounding."""

_COPIES: Final = 5
"""Of the weights, in float32: themselves, gradients, two moments, the average."""


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """In its context, counts the bytes of all tensors that were made there and still live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = 0
        """Bytes now."""
        self.peak = 0
        """The most that lived at one time."""
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Does what was asked for, and looks at what came of it."""
        for given in tree_leaves((args, kwargs)):
            if isinstance(given, Tensor):
                self._see(given, is_new=False)
        out = func(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            if isinstance(made, Tensor):
                self._see(made, is_new=True)
        return out

    def _see(self, tensor: Tensor, *, is_new: bool) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        self._known.add(key)
        num_bytes = storage.nbytes() if is_new else 0
        self.alive += num_bytes
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._forget, key, num_bytes).atexit = False

    def _forget(self, key: int, num_bytes: int) -> None:
        self._known.discard(key)
        self.alive -= num_bytes


def standing_bytes(module: nn.Module) -> int:
    """What training `module` takes whatever the batch: weights, gradients, moments, average."""
    return _COPIES * _parameter_bytes(module)


def peak_bytes(module: nn.Module, step: Callable[[], None]) -> int:
    """The most that `step`, a forward and backward pass, has alive besides all gradients."""
    assert all(parameter.grad is None for parameter in module.parameters())
    with LiveTensors() as live:
        step()
    peak: int = live.peak
    return max(0, peak - _parameter_bytes(module))


def bytes_per_position(
    module: nn.Module, device: Device, step: Callable[[], None], positions: int
) -> float:
    """`peak_bytes` for one of the positions of `step`; infinite where it finds no room."""
    try:
        return peak_bytes(module, step) / positions
    except RuntimeError as error:
        if not device.is_out_of_memory(error):
            raise
        return math.inf


def _parameter_bytes(module: nn.Module) -> int:
    num_bytes: int = sum(parameter.nbytes for parameter in module.parameters())
    return num_bytes
