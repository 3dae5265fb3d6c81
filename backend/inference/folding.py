"""BatchNorm folded into the convolution in front of it, for evaluation."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.blocks import ResidualBlock
from model.heads import ConvPolicyHead
from model.net import ChessNet


def fold_batch_norm(net: ChessNet) -> ChessNet:
    """An equal network for evaluation, without gradients, with BatchNorm inside convolutions.

    The first BatchNorm of a pre-activation block has no convolution in front (the skip path needs
    its input as it is), so it stays.
    """
    folded = copy.deepcopy(net).eval().requires_grad_(False)
    for layer in folded.tower:
        if isinstance(layer, ResidualBlock):
            layer.conv1, layer.bn2 = _fold(layer.conv1, layer.bn2)
    features = folded.chess_features
    if features is not None:
        features.pst_conv, features.pst_norm = _fold(features.pst_conv, features.pst_norm)
        features.interaction_conv, features.interaction_norm = _fold(
            features.interaction_conv, features.interaction_norm
        )
    head = folded.policy_head
    if isinstance(head, ConvPolicyHead):
        head.conv, head.norm = _fold(head.conv, head.norm)
    return folded


def _fold(conv: nn.Conv2d, norm: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, norm), nn.Identity()
