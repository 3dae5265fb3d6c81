"""The losses against sums worked out by hand, and their gradients."""

import math

import pytest
import torch

from model.losses import (
    plies_left_loss,
    policy_loss,
    scalar_value_loss,
    wdl_loss,
)

ONES = torch.ones(2)


def test_policy_loss_counts_legal_moves_only() -> None:
    logits = torch.full((2, 4672), 50.0)  # illegal moves shout
    logits[0, [7, 4671]] = torch.tensor([0.0, math.log(3)])
    logits[1, 100] = -2.0
    loss = policy_loss(
        logits.requires_grad_(),
        torch.tensor([[7, 4671, -1], [100, -1, 9_999]]),
        torch.tensor([[0.5, 0.5, 9.0], [1.0, 9.0, 9.0]]),
        torch.tensor([2, 1]),
        ONES,
    )
    first = -0.5 * math.log(1 / 4) - 0.5 * math.log(3 / 4)
    assert loss.cross_entropy.item() == pytest.approx(first / 2)
    assert loss.kl.item() == pytest.approx((first - math.log(2)) / 2)
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert loss.entropy.item() == pytest.approx(entropy / 2)
    loss.cross_entropy.backward()
    assert logits.grad is not None
    touched = logits.grad.nonzero().tolist()
    assert touched == [[0, 7], [0, 4671]]
    assert logits.grad[0, 7].item() == pytest.approx((0.25 - 0.5) / 2)


def test_policy_loss_equals_the_target_entropy_when_the_net_agrees() -> None:
    target = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.25, 0.75]])
    logits = torch.zeros(2, 4672)
    logits[:, :3] = target.clamp_min(1e-12).log()
    index = torch.arange(3).expand(2, 3)
    loss = policy_loss(logits, index, target, torch.tensor([3, 3]), ONES)
    assert loss.kl.item() == pytest.approx(0, abs=1e-6)
    assert loss.top1.item() == 1


def test_weights_choose_what_counts() -> None:
    logits = torch.zeros(2, 3)
    logits[1, 0] = 5.0
    target = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert wdl_loss(logits, target, torch.tensor([1.0, 0.0])).item() == pytest.approx(math.log(3))
    value = torch.tensor([0.5, 0.0])
    assert scalar_value_loss(value, target, torch.tensor([3.0, 1.0])).item() == pytest.approx(
        (3 * 0.25 + 1 * 1.0) / 4
    )


def test_a_batch_without_any_policy_weight_has_no_loss_and_no_gradient() -> None:
    logits = torch.randn(2, 4672, requires_grad=True)
    loss = policy_loss(
        logits,
        torch.tensor([[7, 8], [100, 101]]),
        torch.tensor([[0.5, 0.5], [1.0, 0.0]]),
        torch.tensor([2, 2]),
        torch.zeros(2),
    )
    loss.cross_entropy.backward()
    assert loss.cross_entropy.item() == loss.kl.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_wdl_loss_prefers_the_mover_to_win_when_the_target_says_so() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    wdl_loss(logits, torch.tensor([[1.0, 0.0, 0.0]]), torch.ones(1)).backward()
    assert logits.grad is not None
    win, draw, loss = (-logits.grad[0]).tolist()
    assert win > 0 > draw == loss


def test_plies_left_loss_is_square_near_and_linear_far_away() -> None:
    plies = torch.tensor([45.0, 100.0, 7.0], requires_grad=True)
    loss = plies_left_loss(plies, torch.tensor([40.0, 40.0, -1.0]), torch.tensor([1.0, 1.0, 0.0]))
    near, far = 0.5 * 0.25**2, 0.5 * (3 - 0.25)
    assert loss.huber.item() == pytest.approx((near + far) / 2)
    assert loss.error.item() == pytest.approx((5 + 60) / 2)
    loss.huber.backward()
    assert plies.grad is not None
    assert plies.grad[2] == 0


def test_a_nan_in_the_logits_reaches_the_loss() -> None:
    """Nothing is masked away: the trainer must see it."""
    logits = torch.zeros(1, 4672)
    logits[0, 3] = torch.nan
    loss = policy_loss(
        logits, torch.tensor([[3, 4]]), torch.tensor([[0.5, 0.5]]), torch.tensor([2]), torch.ones(1)
    )
    assert loss.cross_entropy.isnan()
