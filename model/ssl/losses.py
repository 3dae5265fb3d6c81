"""Losses of the self-supervised tasks, and the counts that their readings are made of.

A batch is learned from in pieces: micro-batches, and chunks of those. What is returned here is a
mean over rows, or a count, of just the rows that are given; they add up to those of the batch.

A yes is rare in threat, pin and fork: 1 square in 40 to 1 in 1,000. So that it is not drowned, each
yes of a row of labels weighs w = (number of no / number of yes) ** balance in the whole batch, and
the loss is sum(w * cross entropy) / sum(w). At balance 1/2 the network says yes from a probability
of about sqrt(share of yes) on, which is near where F1 is best.

Shapes: R rows of a batch, L rows of labels of one task, K logits, S 64 squares.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from model.ssl.tasks import Task


@dataclass(frozen=True, slots=True)
class SquareLoss:
    """What some rows say about a task."""

    loss: Tensor
    """Mean over the rows; has the gradient."""
    counts_4K: Tensor
    """Of each yes/no row or each class: answers given rightly, answers given, answers that are
    right, squares asked."""


def answer_weights(task: Task, labels_RLS: Tensor, balance: float) -> Tensor:
    """float[L, 2]: weight of a no and of a yes, from the labels of a whole batch.

    With them the sum over squares, averaged over rows of labels, is a mean over the batch. All
    ones, and not used, for a task with several classes.
    """
    if task.is_choice:
        return torch.ones(len(task.rows), 2)
    num_rows, _, num_squares = labels_RLS.shape
    yes_L = labels_RLS.sum(dim=(0, 2)).float()
    weight_L = _yes_weight(yes_L, torch.full_like(yes_L, num_rows * num_squares), balance)
    per_row_L = (num_rows * num_squares - yes_L + weight_L * yes_L) / num_rows
    return torch.stack([1 / per_row_L, weight_L / per_row_L], dim=1)


def square_loss(
    task: Task,
    logits_RKS: Tensor,
    labels_RLS: Tensor,
    weight_RL2: Tensor,
    asked_RS: Tensor | None = None,
) -> SquareLoss:
    """Loss and counts. `asked_RS`: the only squares that count, equally many in each row."""
    logits_RKS = logits_RKS.float()
    if task.is_choice:
        return _choice_loss(logits_RKS, labels_RLS[:, 0].long(), asked_RS)
    yes_RLS = labels_RLS.bool()
    weight_RLS = torch.where(yes_RLS, weight_RL2[..., 1:], weight_RL2[..., :1])
    cost_RLS = F.binary_cross_entropy_with_logits(
        logits_RKS, yes_RLS.float(), weight_RLS, reduction="none"
    )
    with torch.no_grad():
        said_RLS = logits_RKS > 0
        counts_4K = _counts(said_RLS, yes_RLS, torch.ones_like(yes_RLS))
    return SquareLoss(cost_RLS.sum(dim=2).mean(), counts_4K)


def _choice_loss(logits_RKS: Tensor, label_RS: Tensor, asked_RS: Tensor | None) -> SquareLoss:
    cost_RS = F.cross_entropy(logits_RKS, label_RS, reduction="none")
    if asked_RS is None:
        asked_RS = torch.ones_like(label_RS, dtype=torch.bool)
    asked_R1S = asked_RS[:, None]
    with torch.no_grad():
        classes_K1 = torch.arange(logits_RKS.shape[1], device=logits_RKS.device)[:, None]
        said_RKS = (logits_RKS.argmax(dim=1)[:, None] == classes_K1) & asked_R1S
        true_RKS = (label_RS[:, None] == classes_K1) & asked_R1S
        counts_4K = _counts(said_RKS, true_RKS, asked_R1S.expand_as(true_RKS))
    return SquareLoss((cost_RS * asked_RS).sum() / asked_RS.sum(), counts_4K)


def _counts(said_RKS: Tensor, true_RKS: Tensor, asked_RKS: Tensor) -> Tensor:
    counted = (said_RKS & true_RKS, said_RKS, true_RKS, asked_RKS)
    return torch.stack([squares.sum(dim=(0, 2)) for squares in counted]).float()


def readings(task: Task, counts_4K: Tensor, balance: float) -> dict[str, Tensor]:
    """Detached scalars of a whole batch, named after the task.

    `guess`: what the loss is if the head knows only how frequent each answer is. `f1` (0 to 1) of
    yes/no tasks is that of yes, all rows together, and its baseline always says yes; of the others
    it is the mean over the classes that occur, and its baseline always says the most frequent one.
    """
    right_K, said_K, true_K, asked_K = counts_4K
    if task.is_choice:
        found = _choice_readings(right_K, said_K, true_K, asked_K[0])
    else:
        right, said, true, asked = (row.sum() for row in (right_K, said_K, true_K, asked_K))
        weight_K = _yes_weight(true_K, asked_K, balance)
        weighted_K = weight_K * true_K / (weight_K * true_K + asked_K - true_K)
        found = {
            "guess": _entropy(torch.stack([weighted_K, 1 - weighted_K])).mean(),
            "f1": _ratio(2 * right, said + true),
            "f1_baseline": _ratio(2 * true, asked + true),
            "precision": _ratio(right, said),
            "recall": _ratio(right, true),
        }
    return {f"{task.name}_{name}": value for name, value in found.items()}


def _choice_readings(
    right_K: Tensor, said_K: Tensor, true_K: Tensor, asked: Tensor
) -> dict[str, Tensor]:
    occurring = (true_K > 0).sum()
    most = true_K.max()
    return {
        "guess": _entropy(true_K / asked),
        "f1": _ratio(_ratio(2 * right_K, said_K + true_K).sum(), occurring),
        "f1_baseline": _ratio(_ratio(2 * most, asked + most), occurring),
        "accuracy": right_K.sum() / asked,
        "accuracy_baseline": most / asked,
    }


def _yes_weight(yes_L: Tensor, asked_L: Tensor, balance: float) -> Tensor:
    return torch.pow((asked_L - yes_L).clamp_min(1) / yes_L.clamp_min(1), balance)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """0 where there is nothing to take a part of."""
    return part / whole.clamp_min(1)


def _entropy(share: Tensor) -> Tensor:
    """Along the first dimension, nats."""
    return -torch.xlogy(share, share).sum(dim=0)
