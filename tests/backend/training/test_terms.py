"""What the options of the losses do, worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import Config
from backend.training.config import TrainingConfig
from backend.training.terms import PolicyTerm, ValueTerm
from model.config import ModelConfig
from model.net import NetOutput
from tests.positions import positions_of, uniform_batch

KING_AND_ROOK = "7k/8/8/8/8/8/8/K5R1 w - - 0 1"


def test_smoothing_spreads_a_share_of_the_policy_over_the_legal_moves() -> None:
    batch = uniform_batch(positions_of([KING_AND_ROOK]), np.array([[1, 0, 0]], np.float32))
    count = int(batch.num_moves[0])
    batch.policy_prob[:] = 0
    batch.policy_prob[0, 3] = 1
    planes = torch.zeros(1, 19, 8, 8)
    plain = PolicyTerm(1.0).targets(batch, planes)["prob_RK"]
    assert plain[0, 3] == 1
    term = PolicyTerm(1.0, smoothing=0.1)
    targets = term.targets(batch, planes)
    prob = targets["prob_RK"]
    assert prob[0, :count].sum().item() == pytest.approx(1)
    assert prob[0, 3].item() == pytest.approx(0.9 + 0.1 / count)
    assert prob[0, 0].item() == pytest.approx(0.1 / count)
    # A network that puts everything on the move now pays for it.
    logits = torch.zeros(1, 4672)
    logits[0, batch.policy_index[0, 3]] = 50.0
    paid = term.read(NetOutput(policy_logits_BM=logits), targets).loss.item()
    assert paid == pytest.approx(50 * 0.1 * (count - 1) / count, rel=1e-4)


WDL = torch.tensor([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
"""The network's answers: scores 0.6 and -1."""
TARGET = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
"""Errors of the score 0.4 and 2."""


def value_loss(kind: str, *, scalar: bool = False) -> float:
    targets = {"wdl_R3": TARGET, "weight_R": torch.tensor([1.0, 3.0])}
    score = WDL[:, 0] - WDL[:, 2]
    output = NetOutput(value_B=score) if scalar else NetOutput(wdl_logits_B3=(WDL + 1e-9).log())
    return ValueTerm(1.0, kind).read(output, targets).loss.item()  # type: ignore[arg-type]


def test_the_value_loss_is_the_one_that_was_asked_for() -> None:
    cross_entropy = (-math.log(0.7) - 3 * math.log(1e-9)) / 4
    squared = (0.4**2 + 3 * 2**2) / 4
    huber = (0.5 * 0.4**2 + 3 * 0.5 * (2 - 0.25)) / 4
    assert value_loss("auto") == value_loss("cross_entropy") == pytest.approx(cross_entropy)
    assert value_loss("squared") == pytest.approx(squared)
    assert value_loss("huber") == pytest.approx(huber)
    assert value_loss("auto", scalar=True) == pytest.approx(squared)
    assert value_loss("huber", scalar=True) == pytest.approx(huber)


def test_cross_entropy_needs_a_head_with_win_draw_and_loss() -> None:
    training = TrainingConfig(value_loss="cross_entropy")
    config = Config(training=training)
    with pytest.raises(ValueError, match="value_head"):
        replace(config, model=ModelConfig(value_head="scalar"))
