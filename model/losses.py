"""Losses, as tensors with gradients. Whether one is finite is for the trainer to ask.

Every function returns means over the batch, weighted by `weight_B`; natural logarithms throughout.
Where no row has weight, the mean is 0 and has no gradient: there is nothing to learn.

Shapes: B batch, K listed legal moves (padded), M 4672 moves.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from model.heads import PLIES_UNIT

HUBER_DELTA: Final = 0.5
"""An error of the expected score beyond which Huber's loss is linear."""

_NO_WEIGHT: Final = 1e-9
"""Below any sum of weights but that of none."""


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    cross_entropy: Tensor
    """-sum target * log net; has the gradient."""
    kl: Tensor
    """KL(target || net): cross entropy minus the target's entropy; 0 when they agree."""
    entropy: Tensor
    """Of the network over legal moves."""
    top1: Tensor
    """Share of positions whose most probable move is the target's (0 to 1)."""


@dataclass(frozen=True, slots=True)
class PliesLoss:
    huber: Tensor
    """Has the gradient."""
    error: Tensor
    """Mean absolute error, plies."""


def policy_loss(
    logits_BM: Tensor, index_BK: Tensor, target_BK: Tensor, num_moves_B: Tensor, weight_B: Tensor
) -> PolicyLoss:
    """Cross entropy over legal moves only.

    `index_BK` (int64) lists *all* legal moves of a position, then anything (padding); the first
    `num_moves_B` count, at least one. `target_BK` sums to 1 over them; zeros are allowed.
    """
    legal_BK = torch.arange(index_BK.shape[1], device=index_BK.device) < num_moves_B[:, None]
    logits_BK = logits_BM.float().gather(1, index_BK.clamp(0, logits_BM.shape[1] - 1))
    log_prob_BK = logits_BK.masked_fill(~legal_BK, -torch.inf).log_softmax(dim=1)
    # Padding would be 0 * -inf = NaN; as zeros it drops out of the sums and of the gradient.
    log_prob_BK = log_prob_BK.masked_fill(~legal_BK, 0)
    target_BK = target_BK.masked_fill(~legal_BK, 0)
    cross_entropy_B = -(target_BK * log_prob_BK).sum(dim=1)
    with torch.no_grad():
        target_entropy_B = -torch.xlogy(target_BK, target_BK).sum(dim=1)
        entropy_B = -(log_prob_BK.exp() * log_prob_BK).sum(dim=1)
        best_B = logits_BK.masked_fill(~legal_BK, -torch.inf).argmax(dim=1)
        hit_B = (best_B == target_BK.argmax(dim=1)).float()
    return PolicyLoss(
        cross_entropy=_mean(cross_entropy_B, weight_B),
        kl=_mean(cross_entropy_B.detach() - target_entropy_B, weight_B),
        entropy=_mean(entropy_B, weight_B),
        top1=_mean(hit_B, weight_B),
    )


def wdl_loss(logits_B3: Tensor, target_B3: Tensor, weight_B: Tensor) -> Tensor:
    """Cross entropy of win, draw, loss for the mover; targets are probabilities."""
    return _mean(-(target_B3 * logits_B3.float().log_softmax(dim=1)).sum(dim=1), weight_B)


def huber_value_loss(value_B: Tensor, target_B3: Tensor, weight_B: Tensor) -> Tensor:
    """Huber's loss of the mover's expected score: 0.5 e^2 up to HUBER_DELTA, then linear."""
    score_B = target_B3[:, 0] - target_B3[:, 2]
    return _mean(
        F.huber_loss(value_B.float(), score_B, reduction="none", delta=HUBER_DELTA), weight_B
    )


def expected_score(logits_B3: Tensor) -> Tensor:
    """float[B], -1 to 1: win minus loss."""
    wdl_B3 = logits_B3.float().softmax(dim=1)
    return wdl_B3[:, 0] - wdl_B3[:, 2]


def scalar_value_loss(value_B: Tensor, target_B3: Tensor, weight_B: Tensor) -> Tensor:
    """Squared error of the mover's expected score from -1 to 1."""
    return _mean((value_B.float() - (target_B3[:, 0] - target_B3[:, 2])).square(), weight_B)


def plies_left_loss(plies_B: Tensor, target_B: Tensor, weight_B: Tensor) -> PliesLoss:
    """Huber loss in units of `PLIES_UNIT`: beyond half a unit an error costs only linearly."""
    units_B = F.huber_loss(
        plies_B.float() / PLIES_UNIT, target_B / PLIES_UNIT, delta=0.5, reduction="none"
    )
    return PliesLoss(
        huber=_mean(units_B, weight_B),
        error=_mean((plies_B.detach().float() - target_B).abs(), weight_B),
    )


def _mean(value_B: Tensor, weight_B: Tensor) -> Tensor:
    return (value_B * weight_B).sum() / weight_B.sum().clamp_min(_NO_WEIGHT)
