"""A network as an OpenVINO graph, layer by layer, from its folded torch module.

Built with OpenVINO's own operations, not converted: `openvino.convert_model` takes seconds, goes
through a deprecated tracer of torch, and reports its use over the network.

Int8 is a graph with FakeQuantize in front of and in the weights of every convolution, which is what
OpenVINO's low-precision passes look for: weights symmetric for each output channel, inputs with one
scale and zero point. All else (norms, squeeze-excitation, attention scores, the value's linear
layers) stays in floating point.

Shapes: B batch, C channels, H heads, D head dimension, S 64 squares in plane row order.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from torch import Tensor, nn

from model.blocks import (
    MASKED_SHARE,
    SMOLGEN_CODE,
    UNREACHABLE_SCORE,
    Attention,
    BoardFeatures,
    ResidualBlock,
    Smolgen,
)
from model.encoding import num_planes
from model.heads import ConvPolicyHead
from model.net import ChessNet

Ranges = Mapping[nn.Conv2d, tuple[float, float]]
"""Lowest and highest input of each convolution, as calibration saw them."""
LEVELS = 256

# OpenVINO's Python operations are untyped.
Node = Any
GroupNorm = Callable[[nn.GroupNorm, Node], Node]


def build_graph(net: ChessNet, batch: int, ranges: Ranges | None = None) -> ov.Model:
    """float32[B, C, 8, 8] in, C planes; policy logits and value out. With `ranges` in int8.

    `net` is folded (`fold_batch_norm`). The conv policy head's output is [B, 8, 8, 73] with rank 8
    in row 0, the low-rank head's [B, 4672]; the value is wdl probabilities [B, 3], or tanh [B, 1].
    """
    return _Builder(net, batch, ranges or {}).build()


class _Builder:
    def __init__(self, net: ChessNet, batch: int, ranges: Ranges) -> None:
        self._net = net
        self._batch = batch
        self._ranges = ranges

    def build(self) -> ov.Model:
        net = self._net
        num = num_planes(knowledge=net.config.knowledge_planes)
        planes = ops.parameter([self._batch, num, 8, 8], np.float32, name="planes")
        x = self._conv_norm_silu(net.stem, planes, _group_norm)
        if net.chess_features is not None:
            x = self._board_features(net.chess_features, x)
        for layer in net.tower:
            x = self._attention(layer, x) if isinstance(layer, Attention) else self._block(layer, x)
        return ov.Model([self._policy(x), self._value(x)], [planes], "chess")

    # Trunk ----------------------------------------------------------------------------------------

    def _board_features(self, features: BoardFeatures, x: Node) -> Node:
        x = ops.add(x, _array(features.position_encoding))
        x = ops.add(x, ops.relu(self._conv(features.pst_conv, x)))
        return ops.add(x, ops.relu(self._conv(features.interaction_conv, x)))

    def _block(self, block: nn.Module, x: Node) -> Node:
        assert isinstance(block, ResidualBlock)
        branch = self._conv(block.conv1, ops.swish(_batch_norm(block.bn1, x)))
        branch = self._conv(block.conv2, ops.swish(branch))
        if block.se_fc1 is not None and block.se_fc2 is not None:
            pooled = ops.reduce_mean(branch, np.array([2, 3]), keep_dims=True)
            hidden = ops.swish(_linear_1x1(block.se_fc1, pooled))
            branch = ops.multiply(branch, ops.sigmoid(_linear_1x1(block.se_fc2, hidden)))
        return ops.add(x, branch)

    def _attention(self, layer: Attention, x: Node) -> Node:
        batch, heads = self._batch, layer.heads
        channels = layer.proj.out_channels
        head_dim = channels // heads
        qkv = _reshape(self._conv(layer.qkv, x), [batch, 3, heads, head_dim, 64])
        q, k, v = (
            _reshape(part, [batch, heads, head_dim, 64])
            for part in ops.split(qkv, np.int64(1), 3).outputs()
        )
        scores = ops.multiply(ops.matmul(q, k, True, False), np.float32(1 / math.sqrt(head_dim)))
        scores = ops.add(scores, _array(layer.rel_bias))
        if layer.smolgen is not None:
            scores = ops.add(scores, self._smolgen(layer.smolgen, x))
        reachable = layer.reachable.cpu().numpy()[None, None]
        masked = ops.select(reachable, scores, np.float32(UNREACHABLE_SCORE))
        weights = ops.add(
            ops.multiply(ops.softmax(scores, 3), np.float32(1 - MASKED_SHARE)),
            ops.multiply(ops.softmax(masked, 3), np.float32(MASKED_SHARE)),
        )
        mixed = _reshape(ops.matmul(v, weights, False, True), [batch, channels, 8, 8])
        x = ops.add(x, self._conv(layer.proj, mixed))
        return _swap(_layer_norm(layer.norm, _swap(x, [0, 2, 3, 1])), [0, 3, 1, 2])

    def _smolgen(self, layer: Smolgen, x: Node) -> Node:
        flat = _reshape(self._conv(layer.squeeze, x), [self._batch, -1])
        code = _layer_norm(layer.norm1, ops.swish(_linear(layer.fc1, flat)))
        code = _layer_norm(layer.norm2, ops.swish(_linear(layer.fc2, code)))
        # All heads' codes below each other: one product expands them.
        codes = _reshape(code, [self._batch * layer.heads, SMOLGEN_CODE])
        return _reshape(_linear(layer.expand, codes), [self._batch, layer.heads, 64, 64])

    # Heads ----------------------------------------------------------------------------------------

    def _policy(self, x: Node) -> Node:
        net, head = self._net, self._net.policy_head
        if isinstance(head, ConvPolicyHead):
            planes = self._conv(head.moves, ops.swish(self._conv(head.conv, x)))
            return _swap(planes, [0, 2, 3, 1])
        assert isinstance(head, nn.Sequential)
        flat = _reshape(
            ops.clamp(self._conv_norm_silu(head, x, _group_norm_to_flatten), -5.0, 5.0),
            [self._batch, -1],
        )
        low = ops.clamp(ops.relu(_linear(net.policy_fc1, flat)), -10.0, 10.0)
        logits = ops.clamp(_linear(net.policy_fc2, low), -10.0, 10.0)
        return ops.clamp(_layer_norm(net.policy_fc_norm, logits), -5.0, 5.0)

    def _value(self, x: Node) -> Node:
        net = self._net
        hidden = _reshape(
            self._conv_norm_silu(net.value_head, x, _group_norm_to_flatten), [self._batch, -1]
        )
        hidden = ops.relu(_linear(net.value_fc2, ops.relu(_linear(net.value_fc1, hidden))))
        value = _linear(net.value_fc3, hidden)
        return ops.softmax(value, 1) if net.config.value_head == "wdl" else ops.tanh(value)

    # Layers ---------------------------------------------------------------------------------------

    def _conv_norm_silu(self, layers: nn.Sequential, x: Node, normalise: GroupNorm) -> Node:
        conv, norm, _silu = layers
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.GroupNorm)
        return ops.swish(normalise(norm, self._conv(conv, x)))

    def _conv(self, layer: nn.Conv2d, x: Node) -> Node:
        weight = ops.constant(_array(layer.weight))
        if layer in self._ranges:
            x = _quantise_input(x, *self._ranges[layer])
            weight = _quantise_weight(weight, layer.weight)
        pad = [layer.kernel_size[0] // 2] * 2
        x = ops.convolution(x, weight, [1, 1], pad, pad, [1, 1])
        return x if layer.bias is None else ops.add(x, _array(layer.bias)[None, :, None, None])


def _quantise_input(x: Node, low: float, high: float) -> Node:
    """Rounds to 256 steps from `low` to `high`, moved so that zero is one of them."""
    step = max(high - low, 1e-6) / (LEVELS - 1)
    zero = min(max(round(-low / step), 0), LEVELS - 1)
    bounds = np.float32(-zero * step), np.float32((LEVELS - 1 - zero) * step)
    return ops.fake_quantize(x, *bounds, *bounds, LEVELS)


def _quantise_weight(constant: Node, weight: Tensor) -> Node:
    """Rounds to 255 steps, symmetric about zero, for each output channel."""
    most = np.abs(_array(weight)).max(axis=(1, 2, 3), keepdims=True).clip(min=1e-9)
    return ops.fake_quantize(constant, -most, most, -most, most, LEVELS - 1)


def _batch_norm(norm: nn.Module, x: Node) -> Node:
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = norm.bias - norm.running_mean * scale
    scaled = ops.multiply(x, _array(scale)[None, :, None, None])
    return ops.add(scaled, _array(bias)[None, :, None, None])


def _group_norm(norm: nn.GroupNorm, x: Node) -> Node:
    """As means over squares and small convolutions, which leave channels innermost.

    OpenVINO's own GroupNormalization wants them outermost: with the reorders before and after it,
    and a slower residual path behind, a tenth of the time of preset `tiny` went there.
    """
    centred = ops.subtract(x, _group_mean(norm, x))
    variance = _group_mean(norm, ops.multiply(centred, centred))
    deviation = ops.sqrt(ops.add(variance, np.float32(norm.eps)))
    scaled = ops.multiply(centred, ops.divide(_array(norm.weight)[None, :, None, None], deviation))
    return ops.add(scaled, _array(norm.bias)[None, :, None, None])


def _group_norm_to_flatten(norm: nn.GroupNorm, x: Node) -> Node:
    """Where all is flattened behind it, channels must be outermost anyway."""
    scale, bias = _array(norm.weight), _array(norm.bias)
    return ops.group_normalization(x, scale, bias, norm.num_groups, norm.eps)


def _group_mean(norm: nn.GroupNorm, x: Node) -> Node:
    """[B, C, 1, 1]: for each channel the mean over its group and all squares."""
    group = np.arange(norm.num_channels) // (norm.num_channels // norm.num_groups)
    same = (group[:, None] == group).astype(np.float32)
    mixing = (same / same.sum(axis=1, keepdims=True))[:, :, None, None]
    means = ops.reduce_mean(x, np.array([2, 3]), keep_dims=True)
    return ops.convolution(means, mixing, [1, 1], [0, 0], [0, 0], [1, 1])


def _layer_norm(norm: nn.LayerNorm, x: Node) -> Node:
    """Over the last axis."""
    x = ops.mvn(x, np.array([-1]), True, norm.eps, "inside_sqrt")
    return ops.add(ops.multiply(x, _array(norm.weight)), _array(norm.bias))


def _linear(layer: nn.Linear, x: Node) -> Node:
    return ops.add(ops.matmul(x, _array(layer.weight), False, True), _array(layer.bias)[None])


def _linear_1x1(layer: nn.Linear, x: Node) -> Node:
    """A linear layer of [B, C, 1, 1], as the convolution that needs no change of shape."""
    weight = _array(layer.weight)[:, :, None, None]
    x = ops.convolution(x, weight, [1, 1], [0, 0], [0, 0], [1, 1])
    return ops.add(x, _array(layer.bias)[None, :, None, None])


def _reshape(x: Node, shape: list[int]) -> Node:
    return ops.reshape(x, np.array(shape), False)


def _swap(x: Node, order: list[int]) -> Node:
    return ops.transpose(x, np.array(order))


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().contiguous().numpy()
    return array
