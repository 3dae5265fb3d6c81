"""From a batch to losses and gradients: the terms, and how a batch is shown in parts.

The self-supervised tasks ride along. For the masked pieces a share of the batch is shown a second
time, with squares blanked, in the same forward pass; all else is learned from the open boards. (One
pass keeps one set of BatchNorm statistics, in training and play.)

Losses and metrics are weighted means over the whole batch, however many micro-batches it is shown
in: each micro-batch counts with its share of the whole batch's weight, so gradients and readings
add up to the same. Only BatchNorm knows the difference: its statistics are those of a micro-batch.

Shapes: B batch, R rows of a view, S 64 squares.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import torch
from torch import Tensor

from backend.accelerator import Precision
from backend.device import Device
from backend.replay.batch import Batch
from backend.training.anchor import ANCHOR, AnchorTerm
from backend.training.config import TrainingConfig
from backend.training.lookahead import PliesLeftTerm, ReplyTerm, ShortValueTerm
from backend.training.parts import part
from backend.training.squares import (
    Question,
    SquareTerm,
    add_square_gradients,
    chunk_boards,
    square_terms_of,
)
from backend.training.terms import (
    MASK,
    PolicyTerm,
    Reading,
    Targets,
    Term,
    ValueTerm,
    View,
)
from model.config import ModelConfig, Orientation, SslConfig
from model.drop_path import branch_scales
from model.encoding import encode_planes
from model.net import ChessNet, Head
from model.ssl.masking import blank, choose_masked
from model.ssl.targets import make_labels

MASKED_BATCH_FRAC: Final = 0.25
"""Share of a batch that is shown a second time, masked; the step costs about this much more."""

_NO_WEIGHT: Final = 1e-9
"""Below any sum of weights but that of none."""

TermName = Head | Literal["anchor"]
"""A term goes by its head; the anchor is a second one on the policy's."""

_VIEWS: Final[tuple[View, ...]] = ("open", "masked")


def terms_of(
    model: ModelConfig, ssl: SslConfig, config: TrainingConfig
) -> tuple[Term | SquareTerm, ...]:
    """The terms that this network is trained on; a term is there if its head is."""
    terms: list[Term] = [
        PolicyTerm(config.policy_weight, config.policy_smoothing),
        ValueTerm(config.value_weight, config.value_loss),
    ]
    if model.plies_left_head:
        terms.append(PliesLeftTerm(config.plies_left_weight))
    if model.short_value_head:
        terms.append(ShortValueTerm(config.short_value_weight))
    if model.reply_head:
        terms.append(ReplyTerm(config.reply_weight))
    return (*terms, *square_terms_of(model, ssl))


def objective_of(
    model: ModelConfig, ssl: SslConfig, config: TrainingConfig, *, is_anchored: bool
) -> "Objective":
    """All that a network of these settings is trained on."""
    anchor = AnchorTerm(config.anchor_weight, config.anchor_decay_steps) if is_anchored else None
    return Objective(
        terms_of(model, ssl, config),
        model.orientation,
        ssl.mask_frac,
        config.drop_path,
        knowledge=model.knowledge_planes,
        anchor=anchor,
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """Boards of one view, or a slice of them, with what the terms of that view ask."""

    planes_RC88: Tensor
    targets: dict[Head, Targets]
    scale_RL: Tensor | None = None
    """Of the branches of the tower's layers; None without stochastic depth."""

    def __len__(self) -> int:
        return len(self.planes_RC88)

    def to(self, device: torch.device) -> "Rows":
        """The same on a device."""
        targets = {head: _to(values, device) for head, values in self.targets.items()}
        scale_RL = None if self.scale_RL is None else self.scale_RL.to(device)
        return Rows(self.planes_RC88.to(device), targets, scale_RL)

    def tensors(self) -> dict[str, Tensor]:
        """All that it holds, by name; targets as `head.name`."""
        found = {"planes_RC88": self.planes_RC88}
        for head, values in self.targets.items():
            found |= {f"{head}.{name}": tensor for name, tensor in values.items()}
        return found

    def part(self, number: int, parts: int) -> "Rows":
        """The `number`-th of `parts` slices of equal size, up to one row."""
        rows = slice(len(self) * number // parts, len(self) * (number + 1) // parts)
        targets = {
            head: {name: tensor[rows] for name, tensor in values.items()}
            for head, values in self.targets.items()
        }
        scale_RL = None if self.scale_RL is None else self.scale_RL[rows]
        return Rows(self.planes_RC88[rows], targets, scale_RL)


@dataclass(frozen=True, slots=True)
class Examples:
    """A batch made ready for the network, on the CPU. The masked boards are not yet blanked."""

    size: int
    """Positions in the batch."""
    views: dict[View, Rows]
    weights: dict[Head, float]
    """Sum of each term's row weights over the whole batch."""

    def part(self, number: int, parts: int) -> "Examples":
        """A micro-batch: its share of every view. It keeps the whole batch's weights."""
        views = {view: rows.part(number, parts) for view, rows in self.views.items()}
        return Examples(self.size, views, self.weights)

    def to(self, device: torch.device) -> "Examples":
        """The same on a device, all at once: a copy in the middle of a step would wait for it."""
        views = {view: rows.to(device) for view, rows in self.views.items()}
        return Examples(self.size, views, self.weights)


@dataclass(frozen=True, slots=True)
class Importance:
    """What the loss of some rows counts; numbers, or tensors without dimensions."""

    share: float | Tensor
    """Of the whole batch that these rows are (0 to 1)."""
    weight: float | Tensor
    """Of the term in the total loss."""


class Objective:
    """The terms, and how their gradients come about. Holds settings only, no state."""

    def __init__(
        self,
        terms: Sequence[Term | SquareTerm],
        orientation: Orientation,
        mask_frac: float,
        drop_path: float = 0.0,
        *,
        knowledge: bool = False,
        anchor: AnchorTerm | None = None,
    ) -> None:
        """`knowledge`: the network sees knowledge planes, too.

        With an `anchor` examples must be shown to the prior first (`backend/training/prior.py`).
        """
        self.anchor = anchor
        self.terms = tuple(term for term in terms if not isinstance(term, SquareTerm))
        self.square_terms = tuple(term for term in terms if isinstance(term, SquareTerm))
        self.heads: tuple[Head, ...] = tuple(term.head for term in terms)
        self._shows_masked = any(term.view == "masked" for term in terms)
        self._orientation: Orientation = orientation
        self._mask_frac = mask_frac
        self._drop_path = drop_path
        self._knowledge = knowledge

    def prepare(self, batch: Batch) -> Examples:
        """Planes and targets of a batch. A pure function: a thread may run it ahead."""
        planes = torch.from_numpy(
            encode_planes(batch.positions, self._orientation, knowledge=self._knowledge)
        )
        num_masked = 0
        if self._shows_masked:
            num_masked = math.ceil(len(planes) * MASKED_BATCH_FRAC)
        boards: dict[View, Tensor] = {"open": planes, "masked": planes[:num_masked]}
        targets: dict[View, dict[Head, Targets]] = {view: {} for view in _VIEWS}
        weights: dict[Head, float] = {}
        for term in self.terms:
            found = term.targets(batch, boards[term.view])
            targets[term.view][term.head] = found
            weights[term.head] = float(term.row_weight(found).sum(dtype=torch.float64))
        if self.square_terms:
            labels = torch.from_numpy(make_labels(batch.positions, self._orientation))
            for asked in self.square_terms:
                rows = labels[: len(boards[asked.view])]
                targets[asked.view][asked.head] = asked.targets(rows)
                weights[asked.head] = float(len(rows))
        views = {view: Rows(boards[view], targets[view]) for view in _VIEWS}
        return Examples(len(batch), views, weights)

    def hide(self, examples: Examples, generator: torch.Generator) -> Examples:
        """The same with squares blanked on the masked boards, drawn from `generator`."""
        masked = examples.views["masked"]
        if not len(masked):
            return examples
        mask_RS = choose_masked(len(masked), self._mask_frac, generator)
        targets = {head: {**values, MASK: mask_RS} for head, values in masked.targets.items()}
        rows = Rows(blank(masked.planes_RC88, mask_RS), targets)
        return Examples(examples.size, {**examples.views, "masked": rows}, examples.weights)

    def drop(self, examples: Examples, num_layers: int, generator: torch.Generator) -> Examples:
        """The same with branches of the tower's layers left out, drawn from `generator`."""
        if not self._drop_path:
            return examples
        views = {
            view: replace(
                rows, scale_RL=branch_scales(len(rows), num_layers, self._drop_path, generator)
            )
            for view, rows in examples.views.items()
        }
        return replace(examples, views=views)

    def backward(
        self,
        net: ChessNet,
        device: Device,
        precision: Precision,
        examples: Examples,
        step: int,
        scale: float = 1.0,
    ) -> dict[str, Tensor]:
        """Adds `scale` times the gradients of these rows to those of `net`.

        Returns their detached part of the metrics. `examples` is a whole batch or one micro-batch
        of it, on the CPU: parts add up, metrics too.
        """
        importance = self.importance(examples, step)
        with part("encode"):
            shown = examples.to(device.torch_device)
        return self.compute(net, device, precision, shown, importance, scale)

    def importance(self, examples: Examples, step: int) -> dict[TermName, Importance]:
        """Of each term for these rows, which lie on the CPU, in the step after `step` steps."""
        found: dict[TermName, Importance] = {}
        for term in self.terms:
            weight_R = term.row_weight(examples.views[term.view].targets[term.head])
            whole = max(examples.weights[term.head], _NO_WEIGHT)
            share = float(weight_R.sum(dtype=torch.float64)) / whole
            found[term.head] = Importance(share, term.weight_at(step))
        for asked in self.square_terms:
            share = len(examples.views[asked.view]) / examples.weights[asked.head]
            found[asked.head] = Importance(share, asked.weight_at(step))
        if self.anchor is not None:
            share = len(examples.views["open"]) / examples.size
            found[ANCHOR] = Importance(share, self.anchor.weight_at(step))
        return found

    def compute(
        self,
        net: ChessNet,
        device: Device,
        precision: Precision,
        examples: Examples,
        importance: Mapping[TermName, Importance],
        scale: float = 1.0,
    ) -> dict[str, Tensor]:
        """`backward` of rows that are on the device: no more than operations of the device."""
        shown = [examples.views[view] for view in _VIEWS]
        planes = torch.cat([rows.planes_RC88 for rows in shown])
        planes = planes.contiguous(memory_format=device.memory_format)
        readings: list[tuple[TermName, Reading]] = []
        with part("trunk"), device.forward(precision):
            trunk = net.trunk(planes, _scales(shown))
        with part("ssl"):
            gradient, squares = self._square_gradients(
                net, device, precision, trunk, examples, importance, scale
            )
        with part("heads"), device.forward(precision):
            trunks = torch.split(trunk, [len(rows) for rows in shown])
            outputs = {
                view: net.read(trunk, heads)
                for view, trunk in zip(_VIEWS, trunks, strict=True)
                if (heads := tuple(term.head for term in self.terms if term.view == view))
            }
        with part("heads"):
            for term in self.terms:
                targets = examples.views[term.view].targets[term.head]
                readings.append((term.head, term.read(outputs[term.view], targets)))
            if self.anchor is not None:
                targets = examples.views["open"].targets["policy"]
                readings.append((ANCHOR, self.anchor.read(outputs["open"], targets)))
            loss, metrics = _total(readings, importance)
        with part("backward"):
            torch.autograd.backward([scale * loss, trunk], [None, gradient])
        metrics["loss"] = metrics["loss"] + squares.pop("loss", 0.0)
        return metrics | squares

    def finish(self, metrics: dict[str, Tensor]) -> dict[str, Tensor]:
        """The metrics of a whole batch, once those of all its parts are added up."""
        for term in self.square_terms:
            metrics = term.finished(metrics)
        return metrics

    def _square_gradients(
        self,
        net: ChessNet,
        device: Device,
        precision: Precision,
        trunk_RC88: Tensor,
        examples: Examples,
        importance: Mapping[TermName, Importance],
        scale: float,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """What the self-supervised heads send back to the trunk, and their part of the metrics."""
        gradient_RC88 = torch.zeros_like(trunk_RC88)
        metrics: dict[str, Tensor] = {}
        sizes = [len(examples.views[view]) for view in _VIEWS]
        parts = zip(
            _VIEWS, torch.split(trunk_RC88, sizes), torch.split(gradient_RC88, sizes), strict=True
        )
        for view, trunk, gradient in parts:
            questions = [
                Question(
                    term,
                    examples.views[view].targets[term.head],
                    share=importance[term.head].share,
                    weight=importance[term.head].weight,
                )
                for term in self.square_terms
                if term.view == view
            ]
            add_square_gradients(
                net,
                trunk,
                questions,
                gradient,
                metrics,
                chunk_boards=chunk_boards(questions, device),
                forward=lambda: device.forward(precision),
                scale=scale,
            )
        return gradient_RC88, metrics


def micro_batches(examples: Examples, size: int, times: int = 1) -> Iterator[Examples]:
    """`examples` in as few parts of equal size as possible, at most `size` positions each.

    Their number is a multiple of `times`.
    """
    parts = times * math.ceil(examples.size / (size * times))
    return (examples.part(number, parts) for number in range(parts))


def _total(
    readings: Sequence[tuple[TermName, Reading]], importance: Mapping[TermName, Importance]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of these rows as their part of the whole batch's, and the metrics likewise."""
    losses = []
    metrics: dict[str, Tensor] = {}
    for name, reading in readings:
        counts = importance[name]
        losses.append(counts.weight * counts.share * reading.loss)
        for metric, value in reading.metrics.items():
            metrics[metric] = counts.share * value
    loss = torch.stack(losses).sum()
    metrics["loss"] = loss.detach()
    return loss, metrics


def _scales(shown: Sequence[Rows]) -> Tensor | None:
    """float[B, L] of all rows that are shown together; None without stochastic depth."""
    scales = [rows.scale_RL for rows in shown if rows.scale_RL is not None]
    return torch.cat(scales) if scales else None


def _to(targets: Targets, device: torch.device) -> Targets:
    return {name: tensor.to(device) for name, tensor in targets.items()}
