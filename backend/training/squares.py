"""The self-supervised terms, whose heads answer for every square: computed a few boards at a time.

Together they would keep their activations for all boards until the backward pass. So they are
computed on chunks of boards, one head after the other, each followed at once by its own backward
pass down to the trunk's output, where the gradients are collected:

    trunk ── policy, value ─────────────────┐
      │ detached                            ├─► one backward pass through the trunk
      ├─ boards  1-32: threat ↓↑ pin ↓↑ … ─┐│
      ├─ boards 33-64: threat ↓↑ pin ↓↑ … ─┤│
      └─ masked boards: piece ↓↑ … ────────┴┘ gradient of the trunk's output

What is held at any time is one head of one chunk, and one tensor as large as the trunk's output,
however many tasks there are. Nothing is computed twice, and the gradients are the same.

Shapes: R rows, C channels, L rows of labels of a task, K logits, S 64 squares.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from backend.device import Device
from backend.training.terms import MASK, Targets, View
from model.config import ModelConfig, SslConfig
from model.net import ChessNet
from model.ssl.losses import SquareLoss, answer_weights, readings, square_loss
from model.ssl.tasks import TASKS, Task, TaskName

ON_CPU: Final = 32
ON_GPU: Final = 1024
"""Boards in a chunk where nothing is set. A GPU idles with few: at 32 the heads took 72 % of the
flagship's step at batch 1,024."""

_COUNTS = "_counts_4K"
"""End of the name of a task's counts among the metrics, until `finished`."""


@dataclass(frozen=True)
class SquareTerm:
    """One self-supervised task's part in the objective."""

    task: Task
    weight: float
    ssl: SslConfig

    @property
    def head(self) -> TaskName:
        return self.task.name

    @property
    def view(self) -> View:
        return "masked" if self.task.sees_masked else "open"

    def weight_at(self, step: int) -> float:
        """Its weight in the total loss of the step after `step` steps."""
        return self.weight * self.ssl.scale(step)

    def targets(self, labels_RLS: Tensor) -> Targets:
        """On the CPU, from all labels of all rows of the view."""
        own_RLS = labels_RLS[:, self.task.span]
        weight_L2 = answer_weights(self.task, own_RLS, self.ssl.balance)
        return {"labels_RLS": own_RLS, "weight_RL2": weight_L2.expand(len(own_RLS), -1, -1)}

    def read(self, logits_RKS: Tensor, targets: Targets) -> SquareLoss:
        """Mean loss over these rows, and counts."""
        return square_loss(
            self.task,
            logits_RKS,
            targets["labels_RLS"],
            targets["weight_RL2"],
            targets.get(MASK),
        )

    def finished(self, metrics: dict[str, Tensor]) -> dict[str, Tensor]:
        """The readings of a whole batch in place of its counts."""
        counts_4K = metrics.pop(self.head + _COUNTS)
        return metrics | readings(self.task, counts_4K, self.ssl.balance)


def square_terms_of(model: ModelConfig, ssl: SslConfig) -> tuple[SquareTerm, ...]:
    """The tasks that have a head in this network and a weight."""
    if not ssl.enabled:
        return ()
    terms = (SquareTerm(task, getattr(ssl, f"{task.name}_weight"), ssl) for task in TASKS)
    return tuple(
        term
        for term in terms
        if term.weight > 0 and (model.ssl_piece_head if term.head == "piece" else model.ssl_heads)
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A term, and what it asks about some rows."""

    term: SquareTerm
    targets: Targets
    """On the device."""
    share: float | Tensor
    """Of the batch that these rows are (0 to 1)."""
    weight: float | Tensor
    """Of the term in the total loss."""

    def part(self, rows: slice, share: float) -> "Question":
        """The same about fewer rows, which are this share of them."""
        targets = {name: tensor[rows] for name, tensor in self.targets.items()}
        return Question(self.term, targets, self.share * share, self.weight)


def chunk_boards(questions: Sequence[Question], device: Device) -> int:
    """Boards whose heads are computed at once: as set, else what suits the device."""
    asked = questions[0].term.ssl.chunk_boards if questions else 0
    return asked or (ON_CPU if device.kind == "cpu" else ON_GPU)


def add_square_gradients(
    net: ChessNet,
    trunk_RC88: Tensor,
    questions: Sequence[Question],
    gradient_RC88: Tensor,
    metrics: dict[str, Tensor],
    *,
    chunk_boards: int,
    forward: Callable[[], AbstractContextManager[object]],
    scale: float = 1.0,
) -> None:
    """Adds `scale` times the gradients of these rows to the heads and to `gradient_RC88`.

    Losses and counts are added to `metrics`. `forward` makes the context in which the network
    computes. The trunk itself is left alone.
    """
    if not questions:
        return
    for first in range(0, len(trunk_RC88), chunk_boards):
        rows = slice(first, first + chunk_boards)
        boards_RC88 = trunk_RC88[rows].detach().requires_grad_()
        share = len(boards_RC88) / len(trunk_RC88)
        for question in questions:
            _ask(net, boards_RC88, question.part(rows, share), metrics, forward, scale)
        assert boards_RC88.grad is not None
        gradient_RC88[rows] += boards_RC88.grad


def _ask(
    net: ChessNet,
    boards_RC88: Tensor,
    question: Question,
    metrics: dict[str, Tensor],
    forward: Callable[[], AbstractContextManager[object]],
    scale: float,
) -> None:
    """One head on one chunk, there and back."""
    name = question.term.head
    with forward():
        logits_RKS = net.square_logits(name, boards_RC88)
    found = question.term.read(logits_RKS, question.targets)
    loss = question.share * found.loss
    (scale * question.weight * loss).backward()  # type: ignore[no-untyped-call]
    parts = {
        "loss": question.weight * loss.detach(),
        f"{name}_loss": loss.detach(),
        name + _COUNTS: found.counts_4K,
    }
    for key, value in parts.items():
        metrics[key] = metrics[key] + value if key in metrics else value
