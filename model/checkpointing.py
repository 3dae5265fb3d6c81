"""Activation checkpointing: what a layer keeps for the backward pass, and what it computes again.

    none       everything is kept
    selective  products with weights and fused attention are kept, what is cheap between them is
               not; nor are attention scores where no kernel fuses them: 64 x 64 for each head
    full       only the layer's input is kept; the whole layer runs twice

Gradients are those of `none`, and BatchNorm does not take its statistics a second time. A compiled
layer runs uncompiled where anything is computed again: what is kept is said of single operations.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

Checkpointing = Literal["none", "selective", "full"]

_aten: Final = torch.ops.aten
_PRODUCTS: Final = frozenset(
    {
        _aten.convolution.default,
        _aten.mm.default,
        _aten.addmm.default,
        _aten._scaled_dot_product_flash_attention.default,
        _aten._scaled_dot_product_flash_attention_for_cpu.default,
        _aten._scaled_dot_product_efficient_attention.default,
        _aten._scaled_dot_product_cudnn_attention.default,
    }
)


def run_layer(mode: Checkpointing, layer: nn.Module, *inputs: Any) -> Tensor:
    """layer(*inputs), keeping for the backward pass what `mode` says."""
    if mode == "none" or not torch.is_grad_enabled():
        kept: Tensor = layer(*inputs)
        return kept

    def contexts() -> tuple[Any, Any]:
        if mode == "full":
            return contextlib.nullcontext(), _statistics_stay(layer)
        first, again = create_selective_checkpoint_contexts(_policy)  # type: ignore[no-untyped-call]
        return first, _both(again, _statistics_stay(layer))

    out: Tensor = checkpoint(layer.forward, *inputs, use_reentrant=False, context_fn=contexts)
    return out


def _policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    if operation in _PRODUCTS:
        return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE


@contextlib.contextmanager
def _both(outer: Any, inner: Any) -> Iterator[None]:
    with outer, inner:
        yield


@contextlib.contextmanager
def _statistics_stay(layer: nn.Module) -> Iterator[None]:
    """BatchNorm in training leaves its running statistics as they are.

    It must still be given them, for autograd to keep the same tensors as the first time.
    """
    norms = [m for m in layer.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, momentum, num_batches in before:
            norm.momentum = momentum
            norm.num_batches_tracked = num_batches
