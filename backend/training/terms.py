"""The terms of the objective: what one head is asked, and what its answers cost.

A term knows its own head and nothing of the others. Its loss and its metrics are means over the
rows it is shown, weighted by `row_weight`; the objective makes means over the whole batch of them.
A further head is a further class here (or in a file of its own) and one line in
`objective.terms_of`.

Shapes: R rows (of a batch or a part of one), K listed legal moves.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from backend.replay.batch import Batch
from model.losses import (
    expected_score,
    huber_value_loss,
    policy_loss,
    scalar_value_loss,
    wdl_loss,
)
from model.net import Head, NetOutput

View = Literal["open", "masked"]
"""The boards as they are, or those shown again with squares blanked."""

ValueLoss = Literal["auto", "cross_entropy", "squared", "huber"]

Targets = dict[str, Tensor]
"""Rows first in each, so that a micro-batch is a slice."""

MASK = "mask_RS"
"""In the targets of every term of the masked view: bool, True on blanked squares."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one term says about some rows."""

    loss: Tensor
    """Has the gradient."""
    metrics: dict[str, Tensor] = field(default_factory=dict)
    """Detached scalars."""


class Term(Protocol):
    """One head's part in the objective."""

    @property
    def head(self) -> Head: ...

    @property
    def view(self) -> View: ...

    def weight_at(self, step: int) -> float:
        """Its weight in the total loss of the step after `step` steps."""

    def targets(self, batch: Batch, planes_RC88: Tensor) -> Targets:
        """On the CPU, for all rows of the view, whose boards before blanking are `planes_RC88`.

        Called from the loader's thread: a pure function.
        """

    def row_weight(self, targets: Targets) -> Tensor:
        """float[R]: importance of each row in this term; at least 0, only ratios matter."""

    def read(self, output: NetOutput, targets: Targets) -> Reading:
        """Loss and metrics of these rows, on their device."""


@dataclass(frozen=True)
class PolicyTerm:
    """Cross-entropy with the search's policy over legal moves."""

    weight: float
    smoothing: float = 0.0
    """Share of the target that is spread evenly over the legal moves."""
    head: Head = "policy"
    view: View = "open"

    def weight_at(self, step: int) -> float:
        return self.weight

    def targets(self, batch: Batch, planes_RC88: Tensor) -> Targets:
        prob_RK = batch.policy_prob
        if self.smoothing:
            even_R1 = (1 / batch.num_moves[:, None]).astype(np.float32)
            # Padding gets a share too; the loss looks at legal moves only.
            prob_RK = (1 - self.smoothing) * prob_RK + self.smoothing * even_R1
        return {
            "index_RK": torch.from_numpy(batch.policy_index),
            "prob_RK": torch.from_numpy(prob_RK),
            "num_moves_R": torch.from_numpy(batch.num_moves),
            "weight_R": torch.from_numpy(batch.policy_weight),
        }

    def row_weight(self, targets: Targets) -> Tensor:
        return targets["weight_R"]

    def read(self, output: NetOutput, targets: Targets) -> Reading:
        assert output.policy_logits_BM is not None
        policy = policy_loss(
            output.policy_logits_BM,
            targets["index_RK"],
            targets["prob_RK"],
            targets["num_moves_R"],
            targets["weight_R"],
        )
        return Reading(
            policy.cross_entropy,
            {
                "policy_loss": policy.cross_entropy.detach(),
                "policy_kl": policy.kl,
                "policy_entropy": policy.entropy,
                "policy_top1": policy.top1,
            },
        )


@torch.no_grad()
def _spread(output: NetOutput, weight_R: Tensor) -> Tensor:
    """Mean absolute expected score, 0 to 1: near 0 the value head calls every position equal."""
    if output.wdl_logits_B3 is not None:
        value_R = expected_score(output.wdl_logits_B3)
    else:
        assert output.value_B is not None
        value_R = output.value_B
    total = weight_R.sum().clamp_min(torch.finfo(weight_R.dtype).tiny)
    return (value_R.abs() * weight_R).sum() / total


@dataclass(frozen=True)
class ValueTerm:
    """Win, draw, loss for the mover, or its expected score."""

    weight: float
    loss: ValueLoss = "auto"
    head: Head = "value"
    view: View = "open"

    def weight_at(self, step: int) -> float:
        return self.weight

    def targets(self, batch: Batch, planes_RC88: Tensor) -> Targets:
        return {
            "wdl_R3": torch.from_numpy(batch.wdl_target),
            "weight_R": torch.from_numpy(batch.value_weight),
        }

    def row_weight(self, targets: Targets) -> Tensor:
        return targets["weight_R"]

    def read(self, output: NetOutput, targets: Targets) -> Reading:
        loss = self._loss(output, targets["wdl_R3"], targets["weight_R"])
        spread = _spread(output, targets["weight_R"])
        return Reading(loss, {"value_loss": loss.detach(), "value_spread": spread})

    def _loss(self, output: NetOutput, wdl_R3: Tensor, weight_R: Tensor) -> Tensor:
        if output.wdl_logits_B3 is not None:
            if self.loss in ("auto", "cross_entropy"):
                return wdl_loss(output.wdl_logits_B3, wdl_R3, weight_R)
            value_R = expected_score(output.wdl_logits_B3)
        else:
            assert output.value_B is not None
            value_R = output.value_B
        if self.loss == "huber":
            return huber_value_loss(value_R, wdl_R3, weight_R)
        return scalar_value_loss(value_R, wdl_R3, weight_R)
