"""What int8 needs to know of a network: between which values the input of each layer lies."""

from typing import Any, Final

import torch
from torch import Tensor, nn

from backend.inference.openvino_graph import Ranges
from model.net import ChessNet

CHUNK: Final = 64


@torch.inference_mode()
def observe_ranges(folded: ChessNet, planes_BC88: Tensor) -> Ranges:
    """The lowest and highest input of every convolution of play on these positions."""
    seen: dict[nn.Conv2d, tuple[float, float]] = {}

    def observe(layer: nn.Module, args: tuple[Any, ...]) -> None:
        assert isinstance(layer, nn.Conv2d)
        low, high = (float(bound) for bound in torch.aminmax(args[0]))
        known = seen.get(layer, (low, high))
        seen[layer] = (min(low, known[0]), max(high, known[1]))

    layers = [layer for layer in folded.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_pre_hook(observe) for layer in layers]
    try:
        for first in range(0, len(planes_BC88), CHUNK):
            folded(planes_BC88[first : first + CHUNK])
    finally:
        for hook in hooks:
            hook.remove()
    return seen
