"""Self-supervised heads in chunks: the same gradients, in memory that tasks do not add to."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.config import DeviceConfig
from backend.device import choose_device
from backend.replay.batch import Batch
from backend.training.config import TrainingConfig
from backend.training.objective import Examples, Objective, micro_batches, terms_of
from backend.training.squares import (
    Question,
    add_square_gradients,
    square_terms_of,
)
from backend.training.terms import MASK
from backend.training.trainer import Trainer
from model.config import ModelConfig, SslConfig
from model.net import ChessNet
from model.ssl.losses import readings
from model.ssl.tasks import TASKS
from tests.positions import random_batch

NET = ModelConfig(
    channels=16,
    blocks=2,
    board_features=False,
    attention_every=0,
    policy_head="conv",
    value_channels=8,
    value_hidden=16,
    aux_policy_heads=False,
    ssl_heads=True,
)
SSL = SslConfig(threat_weight=0.3, pin_weight=0.2, chunk_boards=3)
TRAINING = TrainingConfig(learning_rate=3e-3, warmup_steps=5, decay_steps=1000)
CPU = choose_device(DeviceConfig(kind="cpu"))


def make_objective(ssl: SslConfig = SSL, model: ModelConfig = NET) -> Objective:
    return Objective(terms_of(model, ssl, TRAINING), model.orientation, ssl.mask_frac)


def hidden(objective: Objective, batch: Batch) -> Examples:
    return objective.hide(objective.prepare(batch), torch.Generator().manual_seed(1))


def gradients(net: ChessNet) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad(set_to_none=True)
    return found


def plain_backward(net: ChessNet, objective: Objective, examples: Examples) -> float:
    """The whole loss from all heads at once, and one backward pass: no chunks, no detour."""
    open_rows, masked_rows = examples.views["open"], examples.views["masked"]
    trunk = net.trunk(torch.cat([open_rows.planes_RC88, masked_rows.planes_RC88]))
    trunks = {"open": trunk[: len(open_rows)], "masked": trunk[len(open_rows) :]}
    output = net.read(trunks["open"], ("policy", "value"))
    loss = torch.zeros(())
    for term in objective.terms:
        loss = loss + term.weight_at(0) * term.read(output, open_rows.targets[term.head]).loss
    for term in objective.square_terms:
        targets = examples.views[term.view].targets[term.head]
        logits = net.square_logits(term.head, trunks[term.view])
        loss = loss + term.weight_at(0) * term.read(logits, targets).loss
    loss.backward()
    return loss.item()


@pytest.mark.parametrize("chunk_boards", [1, 3, 5, 32])
def test_chunked_gradients_are_those_of_the_whole_batch_at_once(chunk_boards: int) -> None:
    """10 boards and 3 masked ones, in chunks that mostly do not divide them."""
    net = ChessNet(NET).train()
    objective = make_objective(replace(SSL, chunk_boards=chunk_boards))
    examples = hidden(objective, random_batch(10, seed=1))
    assert [len(rows) for rows in examples.views.values()] == [10, 3]
    loss = plain_backward(net, objective, examples)
    expected = gradients(net)
    metrics = objective.backward(net, CPU, "float32", examples, step=0)
    got = gradients(net)
    assert got.keys() == expected.keys() == {name for name, _ in net.named_parameters()}
    assert metrics["loss"].item() == pytest.approx(loss, rel=1e-6)
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], atol=1e-6, rtol=0, msg=name)


def test_micro_batches_add_up_to_the_readings_and_gradients_of_the_batch() -> None:
    net = ChessNet(NET).eval()  # Fixed statistics: BatchNorm alone tells micro-batches apart.
    objective = make_objective()
    examples = hidden(objective, random_batch(12, seed=2))
    expected = objective.finish(objective.backward(net, CPU, "float32", examples, step=0))
    whole = gradients(net)
    added: dict[str, Tensor] = {}
    for part in micro_batches(examples, 5):
        for name, value in objective.backward(net, CPU, "float32", part, step=0).items():
            added[name] = added[name] + value if name in added else value
    added = objective.finish(added)
    assert added.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(added[name], expected[name], atol=1e-5, rtol=1e-5, msg=name)
    for name, gradient in gradients(net).items():
        torch.testing.assert_close(gradient, whole[name], atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize("boards", [1, 2, 3, 7])
def test_every_board_sends_a_gradient_to_the_trunk_and_is_counted(boards: int) -> None:
    net = ChessNet(NET)
    objective = make_objective(replace(SSL, chunk_boards=3))
    rows = objective.prepare(random_batch(boards, seed=3)).views["open"]
    trunk = net.trunk(rows.planes_RC88).detach()
    for term in objective.square_terms:
        if term.view == "masked":
            continue
        gradient, metrics = torch.zeros_like(trunk), {}
        question = Question(term, rows.targets[term.head], share=1.0, weight=1.0)
        add_square_gradients(
            net, trunk, [question], gradient, metrics, chunk_boards=3, forward=nullcontext
        )
        assert gradient.abs().sum(dim=(1, 2, 3)).gt(0).all()
        _, _, _, asked = metrics[f"{term.head}_counts_4K"]
        assert asked.tolist() == [64 * boards] * term.task.num_logits


class LiveBytes:
    """Bytes that autograd keeps for backward passes; the most at any time."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    def keep(self, tensor: Tensor) -> "_Kept":
        return _Kept(tensor, self)


class _Kept:
    def __init__(self, tensor: Tensor, live: LiveBytes) -> None:
        self.tensor, self.live = tensor, live
        self.size = tensor.numel() * tensor.element_size()
        live.now += self.size
        live.peak = max(live.peak, live.now)

    def __del__(self) -> None:
        self.live.now -= self.size


def kept_bytes(ssl: SslConfig, boards: int) -> int:
    net = ChessNet(NET)
    objective = make_objective(ssl)
    rows = objective.prepare(random_batch(boards, seed=4)).views["open"]
    trunk = net.trunk(rows.planes_RC88).detach()
    questions = [
        Question(term, rows.targets[term.head], share=1.0, weight=1.0)
        for term in objective.square_terms
        if term.view == "open"
    ]
    live = LiveBytes()
    with torch.autograd.graph.saved_tensors_hooks(live.keep, lambda kept: kept.tensor):
        add_square_gradients(
            net,
            trunk,
            questions,
            torch.zeros_like(trunk),
            {},
            chunk_boards=ssl.chunk_boards,
            forward=nullcontext,
        )
    assert live.now == 0
    return live.peak


def test_neither_more_tasks_nor_more_boards_keep_more_memory() -> None:
    pin_only = SslConfig(threat_weight=0, fork_weight=0, control_weight=0, chunk_boards=4)
    one = kept_bytes(pin_only, 4)
    assert kept_bytes(replace(SSL, chunk_boards=4), 4) <= 1.1 * one
    assert kept_bytes(replace(SSL, chunk_boards=4), 16) <= 1.1 * one


def test_tasks_without_weight_or_head_are_left_out() -> None:
    names = [term.head for term in square_terms_of(NET, SslConfig())]
    assert names == [task.name for task in TASKS]
    assert square_terms_of(NET, SslConfig(enabled=False)) == ()
    without_pin = square_terms_of(NET, SslConfig(pin_weight=0))
    assert [term.head for term in without_pin] == ["piece", "threat", "fork", "control"]
    assert [t.head for t in square_terms_of(replace(NET, ssl_heads=False), SslConfig())] == [
        "piece"
    ]
    assert "piece" not in [
        term.head for term in square_terms_of(replace(NET, ssl_piece_head=False), SslConfig())
    ]


def test_hidden_squares_are_those_that_the_piece_task_is_asked_about() -> None:
    objective = make_objective()
    examples = hidden(objective, random_batch(8, seed=5))
    masked = examples.views["masked"]
    assert set(masked.targets) == {"piece"}
    mask = masked.targets["piece"][MASK]
    assert mask.sum(dim=1).tolist() == [10, 10]
    shown = masked.planes_RC88[:, :12].sum(dim=1).flatten(1)
    assert shown[mask].sum() == 0
    assert torch.equal(shown[~mask] > 0, masked.targets["piece"]["labels_RLS"][:, 0][~mask] > 0)


def test_every_task_learns_one_batch_of_real_positions() -> None:
    """All answers are learned by heart; piece sees other squares hidden in each step."""
    ssl = SslConfig(piece_weight=1, threat_weight=1, pin_weight=1, fork_weight=1, control_weight=1)
    fast = replace(TRAINING, learning_rate=1e-2)
    trainer = Trainer(replace(NET, channels=32), ssl, fast, CPU, seed=1)
    batch = random_batch(64, seed=6)
    first = trainer.step(batch)
    for _ in range(70):
        last = trainer.step(batch)
    for task in TASKS:
        assert first[f"{task.name}_loss"] > first[f"{task.name}_guess"]
        assert last[f"{task.name}_loss"] < 0.4 * last[f"{task.name}_guess"], task.name
        assert last[f"{task.name}_f1"] > 4 * last[f"{task.name}_f1_baseline"], task.name


def test_readings_of_a_step_have_the_names_of_their_tasks() -> None:
    trainer = Trainer(NET, SSL, TRAINING, CPU, seed=1)
    values = trainer.step(random_batch(8, seed=7))
    for task in TASKS:
        names = readings(task, torch.ones(4, task.num_logits), 0.5)
        assert {*names, f"{task.name}_loss"} <= values.keys()
    assert not any("counts" in name for name in values)
