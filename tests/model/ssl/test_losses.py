"""Losses of the square tasks: what guessing costs, what counts, and how rare answers weigh."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.config import SslConfig
from model.ssl.losses import SquareLoss, answer_weights, readings, square_loss
from model.ssl.tasks import TASKS, Task

BY_NAME = {task.name: task for task in TASKS}
PIECE, THREAT, CONTROL = (BY_NAME[name] for name in ("piece", "threat", "control"))
YES_NO = [task for task in TASKS if not task.is_choice]


def ask(
    task: Task,
    logits: Tensor,
    labels: Tensor,
    *,
    balance: float = 0.5,
    asked: Tensor | None = None,
) -> tuple[SquareLoss, dict[str, float]]:
    weights = answer_weights(task, labels, balance).expand(len(labels), -1, -1)
    found = square_loss(task, logits, labels, weights, asked)
    named = readings(task, found.counts_4K, balance)
    return found, {name.removeprefix(f"{task.name}_"): v.item() for name, v in named.items()}


def rare_labels(task: Task, share: float, rows: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(rows, len(task.rows), 64, generator=generator) < share).to(torch.uint8)


def test_piece_loss_looks_at_hidden_squares_only_and_has_a_gradient() -> None:
    logits = torch.zeros(2, 13, 64)
    logits[0, 4, 10] = math.log(12)  # A hidden square: probability 1/2 for class 4.
    logits[1, 3, 20] = 99.0  # An open square, wrongly named.
    labels = torch.zeros(2, 1, 64, dtype=torch.uint8)
    labels[0, 0, 10] = 4
    hidden = torch.zeros(2, 64, dtype=torch.bool)
    hidden[0, 10] = hidden[1, 11] = True
    found, named = ask(PIECE, logits.requires_grad_(), labels, asked=hidden)
    assert found.loss.item() == pytest.approx((math.log(2) + math.log(13)) / 2)
    assert named["accuracy"] == 1.0  # Of thirteen equal logits the first counts: empty.
    assert named["accuracy_baseline"] == 0.5
    found.loss.backward()
    assert logits.grad is not None
    touched = {tuple(row) for row in logits.grad.nonzero()[:, [0, 2]].tolist()}
    assert touched == {(0, 10), (1, 11)}


@pytest.mark.parametrize("task", [PIECE, CONTROL], ids=lambda task: task.name)
def test_guessing_one_of_several_classes_costs_the_logarithm_of_their_number(task: Task) -> None:
    labels = torch.zeros(2, 1, 64, dtype=torch.uint8)
    found, _ = ask(task, torch.zeros(2, task.num_logits, 64), labels)
    assert found.loss.item() == pytest.approx(math.log(task.num_logits))


@pytest.mark.parametrize("task", YES_NO, ids=lambda task: task.name)
@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_knowing_only_how_rare_yes_is_costs_what_the_guess_says(task: Task, balance: float) -> None:
    labels = rare_labels(task, 0.02)
    yes = labels.float().mean(dim=(0, 2))
    odds = (yes / (1 - yes)) ** (1 - balance)
    logits = odds.log()[None, :, None].expand(len(labels), -1, 64)
    found, named = ask(task, logits, labels, balance=balance)
    assert found.loss.item() == pytest.approx(named["guess"], rel=1e-4)
    worse, _ = ask(task, logits + 0.3, labels, balance=balance)
    assert worse.loss.item() > found.loss.item()


def test_knowing_only_how_frequent_classes_are_costs_what_the_guess_says() -> None:
    labels = torch.arange(128).reshape(2, 1, 64).remainder(5).clamp_max(2).to(torch.uint8)
    share = torch.bincount(labels.flatten().long(), minlength=3) / labels.numel()
    logits = share.log()[None, :, None].expand(2, 3, 64)
    found, named = ask(CONTROL, logits, labels)
    assert found.loss.item() == pytest.approx(named["guess"], rel=1e-5)
    assert named["accuracy"] == named["accuracy_baseline"] == pytest.approx(float(share.max()))
    assert named["f1"] == named["f1_baseline"]


def test_yes_and_no_weigh_the_same_in_total_at_balance_one() -> None:
    labels = rare_labels(THREAT, 0.02)
    weights = answer_weights(THREAT, labels, 1.0)
    for row in range(2):
        yes = int(labels[:, row].sum())
        no = labels[:, row].numel() - yes
        assert weights[row, 1] * yes == pytest.approx(float(weights[row, 0] * no), rel=1e-5)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_labels_without_a_single_yes_give_finite_numbers(balance: float) -> None:
    labels = torch.zeros(4, 2, 64, dtype=torch.uint8)
    found, named = ask(THREAT, torch.zeros(4, 2, 64), labels, balance=balance)
    assert found.loss.item() == pytest.approx(math.log(2))
    assert set(named.values()) == {0.0}


def test_always_yes_has_the_f1_of_the_baseline_and_the_right_answers_have_one() -> None:
    labels = rare_labels(THREAT, 0.02)
    _, always = ask(THREAT, torch.ones(40, 2, 64), labels)
    assert always["f1"] == pytest.approx(always["f1_baseline"])
    assert always["recall"] == 1.0
    _, right = ask(THREAT, labels.float() - 0.5, labels)
    assert (right["f1"], right["precision"], right["recall"]) == (1.0, 1.0, 1.0)
    _, never = ask(THREAT, -torch.ones(40, 2, 64), labels)
    assert never["f1"] == 0.0


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_parts_of_a_batch_add_up_to_the_batch(task: Task) -> None:
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(
        len(task.classes), (7, len(task.rows), 64), generator=generator, dtype=torch.uint8
    )
    logits = torch.randn(7, task.num_logits, 64, generator=generator)
    weights = answer_weights(task, labels, 0.5).expand(7, -1, -1)
    whole = square_loss(task, logits, labels, weights)
    parts = [
        (n, square_loss(task, logits[a : a + n], labels[a : a + n], weights[a : a + n]))
        for a, n in ((0, 3), (3, 3), (6, 1))
    ]
    assert sum(n * part.loss.item() for n, part in parts) / 7 == pytest.approx(whole.loss.item())
    assert torch.equal(sum(part.counts_4K for _, part in parts), whole.counts_4K)


def test_weights_of_all_tasks_rise_stay_and_fall() -> None:
    config = SslConfig(warmup_steps=4, decay_steps=10, final_frac=0.2)
    assert [config.scale(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert config.scale(9) == pytest.approx(0.6)
    assert config.scale(14) == config.scale(99) == pytest.approx(0.2)
    assert replace(config, decay_steps=0).scale(99) == 1.0
    assert replace(config, warmup_steps=0).scale(0) == 1.0


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pin_weight", -0.1),
        ("balance", 1.1),
        ("final_frac", -0.1),
        ("chunk_boards", -1),
        ("warmup_steps", -1),
        ("mask_frac", 1.0),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=setting):
        SslConfig(**{setting: value})
