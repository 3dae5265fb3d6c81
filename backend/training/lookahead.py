"""The terms of heads that look ahead: plies left, short-term value, the opponent's reply.

Their targets come from later positions of the games (`backend/replay/future.py`).

Shapes: R rows, K listed legal moves.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.replay.batch import Batch
from backend.replay.future import Future
from backend.training.terms import Reading, Targets, View
from model.losses import plies_left_loss, policy_loss, wdl_loss
from model.net import Head, NetOutput


def _future(batch: Batch) -> Future:
    assert batch.future is not None, "a network that looks ahead needs a sampler that does"
    return batch.future


@dataclass(frozen=True)
class PliesLeftTerm:
    """How many plies the game went on; games without a result teach nothing."""

    weight: float
    head: Head = "plies_left"
    view: View = "open"

    def weight_at(self, step: int) -> float:
        return self.weight

    def targets(self, batch: Batch, planes_RC88: Tensor) -> Targets:
        plies = _future(batch).plies_left
        return {
            "plies_R": torch.from_numpy(plies),
            "weight_R": torch.from_numpy(batch.value_weight * (plies >= 0)),
        }

    def row_weight(self, targets: Targets) -> Tensor:
        return targets["weight_R"]

    def read(self, output: NetOutput, targets: Targets) -> Reading:
        assert output.plies_left_B is not None
        loss = plies_left_loss(output.plies_left_B, targets["plies_R"], targets["weight_R"])
        return Reading(
            loss.huber, {"plies_left_loss": loss.huber.detach(), "plies_left_error": loss.error}
        )


@dataclass(frozen=True)
class ShortValueTerm:
    """What the searches of the next plies thought."""

    weight: float
    head: Head = "short_value"
    view: View = "open"

    def weight_at(self, step: int) -> float:
        return self.weight

    def targets(self, batch: Batch, planes_RC88: Tensor) -> Targets:
        future = _future(batch)
        return {
            "wdl_R3": torch.from_numpy(future.short_wdl),
            "weight_R": torch.from_numpy(future.short_weight),
        }

    def row_weight(self, targets: Targets) -> Tensor:
        return targets["weight_R"]

    def read(self, output: NetOutput, targets: Targets) -> Reading:
        assert output.short_wdl_logits_B3 is not None
        loss = wdl_loss(output.short_wdl_logits_B3, targets["wdl_R3"], targets["weight_R"])
        return Reading(loss, {"short_value_loss": loss.detach()})


@dataclass(frozen=True)
class ReplyTerm:
    """The policy of the next position, whose mover is the opponent."""

    weight: float
    head: Head = "reply"
    view: View = "open"

    def weight_at(self, step: int) -> float:
        return self.weight

    def targets(self, batch: Batch, planes_RC88: Tensor) -> Targets:
        future = _future(batch)
        return {
            "index_RK": torch.from_numpy(future.reply_index),
            "prob_RK": torch.from_numpy(future.reply_prob),
            "num_moves_R": torch.from_numpy(future.reply_num_moves),
            "weight_R": torch.from_numpy(future.reply_weight),
        }

    def row_weight(self, targets: Targets) -> Tensor:
        return targets["weight_R"]

    def read(self, output: NetOutput, targets: Targets) -> Reading:
        assert output.reply_logits_BM is not None
        reply = policy_loss(
            output.reply_logits_BM,
            targets["index_RK"],
            targets["prob_RK"],
            targets["num_moves_R"],
            targets["weight_R"],
        )
        return Reading(
            reply.cross_entropy,
            {
                "reply_loss": reply.cross_entropy.detach(),
                "reply_kl": reply.kl,
                "reply_top1": reply.top1,
            },
        )
