"""Held to the network it started from: the gradient, the weight, and what must be there."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend import checkpoints
from backend.checkpoints import checkpoint_name
from backend.config import Config
from backend.errors import CheckpointError, RunDirectoryError
from backend.events import TrainingStep
from backend.inference.front import Inference
from backend.replay.batch import Batch
from backend.rundir import RunDirectory
from backend.start import PRIOR_HASH, START, is_started_from, start_from
from backend.training.anchor import PRIOR, AnchorTerm
from backend.training.trainer import Trainer
from backend.weights import load_network
from model.config import SslConfig
from model.net import ChessNet, NetOutput
from tests.backend.test_trainer_worker import CONFIG, _admit, _make_run, _write
from tests.backend.test_training import FAST, NET, make_trainer, state_bytes
from tests.backend.training.test_guard import Patient
from tests.backend.training.test_mixed_run import Killed, Mortal, train
from tests.positions import random_batch

ANCHORED = replace(FAST, anchor_weight=0.5)


# The loss -----------------------------------------------------------------------------------------


def test_the_gradient_is_student_minus_prior_on_legal_moves_alone() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 4672, generator=generator, requires_grad=True)
    index = torch.tensor([[5, 9, 4000, 0], [7, 8, 0, 0]])
    prior = torch.tensor([[0.7, 0.3, 0.0, 0.0], [0.25, 0.75, 0.0, 0.0]])
    counts = torch.tensor([3, 2])
    targets = {"index_RK": index, "num_moves_R": counts, PRIOR: prior}
    reading = AnchorTerm(1.0).read(NetOutput(policy_logits_BM=logits), targets)
    reading.loss.backward()  # type: ignore[no-untyped-call]

    expected, by_hand = torch.zeros(2, 4672), 0.0
    for row, count in enumerate(counts.tolist()):
        moves = index[row, :count]
        student = logits.detach()[row, moves].softmax(dim=0)
        p = prior[row, :count]
        expected[row, moves] = (student - p) / 2
        by_hand += float(torch.xlogy(p, p).sum() - (p * student.log()).sum()) / 2
    assert logits.grad is not None
    assert torch.allclose(logits.grad, expected, atol=1e-7)
    assert float(reading.loss.detach()) == pytest.approx(by_hand, abs=1e-6)
    assert float(reading.metrics["anchor_kl"]) == pytest.approx(by_hand, abs=1e-6)


def test_the_weight_falls_in_a_straight_line_or_stays() -> None:
    falling = AnchorTerm(0.8, decay_steps=100)
    assert [falling.weight_at(step) for step in (0, 50, 100, 500)] == [0.8, 0.4, 0.0, 0.0]
    assert AnchorTerm(0.8).weight_at(10_000) == 0.8


# The trainer --------------------------------------------------------------------------------------


def trained_from(
    prior: ChessNet, steps: int, *, anchored: bool = True, **settings: float
) -> Trainer:
    """A trainer that starts with the weights of `prior`, after steps on random policies."""
    trainer = Trainer(
        NET,
        SslConfig(),
        replace(ANCHORED, **settings),  # type: ignore[arg-type]
        make_trainer().device,
        seed=7,
        prior=prior if anchored else None,
        say=lambda *_: None,
    )
    trainer.net.load_state_dict(prior.state_dict())
    batch = random_batch(32, seed=1)
    for _ in range(steps):
        trainer.step(batch)
    return trainer


@pytest.fixture(scope="module")
def prior() -> ChessNet:
    """A network with opinions."""
    trainer = make_trainer(config=replace(FAST, learning_rate=3e-2))
    for seed in range(8):
        trainer.step(random_batch(32, seed=seed))
    return trainer.net.eval()


def test_with_weight_zero_each_step_is_that_without_an_anchor_bit_for_bit(
    prior: ChessNet, tmp_path: Path
) -> None:
    held = trained_from(prior, 3, anchor_weight=0.0)
    free = trained_from(prior, 3, anchored=False)
    assert state_bytes(held, tmp_path / "held") == state_bytes(free, tmp_path / "free")
    other = trained_from(prior, 3, anchor_weight=0.01)
    assert state_bytes(other, tmp_path / "other") != state_bytes(free, tmp_path / "again")


def policy_of(net: ChessNet, batch: Batch) -> np.ndarray:
    inference = Inference(net.eval(), make_trainer().device)
    logits, _ = inference(
        batch.positions, batch.policy_index.astype(np.int16), batch.num_moves.astype(np.int16)
    )
    legal = np.arange(logits.shape[1]) < batch.num_moves[:, None]
    logits = np.where(legal, logits, -np.inf)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def test_with_a_huge_weight_the_policy_stays_while_the_value_learns(prior: ChessNet) -> None:
    batch = random_batch(32, seed=1)
    before = policy_of(prior, batch)

    def distance(trainer: Trainer) -> float:
        after = policy_of(trainer.net, batch)
        surprise = np.where(
            before > 0, before * np.log(np.maximum(before, 1e-30) / np.maximum(after, 1e-30)), 0.0
        )
        return float(surprise.sum(axis=1).mean())

    held = trained_from(prior, 20, anchor_weight=1e3)
    free = trained_from(prior, 20, anchored=False)
    assert distance(free) > 0.05
    assert distance(held) < distance(free) / 5


def test_parts_of_a_batch_add_up_to_the_same_reading(prior: ChessNet) -> None:
    batch = random_batch(32, seed=2)
    whole = trained_from(prior, 0, micro_batch=32).step(batch)["anchor_kl"]
    parts = trained_from(prior, 0, micro_batch=8).step(batch)["anchor_kl"]
    assert whole > 0
    # BatchNorm takes the statistics of a part: the student differs, the prior does not.
    assert parts == pytest.approx(whole, rel=0.5)


# The run ------------------------------------------------------------------------------------------


def anchored_config() -> Config:
    training = replace(
        CONFIG.training, anchor_weight=0.3, checkpoint_every_s=0, checkpoint_every_steps=3
    )
    return replace(CONFIG, training=training)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of another run."""
    path = tmp_path_factory.mktemp("source")
    trainer = make_trainer(CONFIG.model, replace(CONFIG.training, warmup_steps=0))
    for seed in range(2):
        trainer.step(random_batch(8, seed=seed))
    return trainer.save(path / "checkpoints", metrics={"policy_loss": 1.0})


def make_run(path: Path, source: Path | None) -> RunDirectory:
    run = _make_run(path, anchored_config())
    for seq in range(2):
        _admit(run, _write(run, seq))
    if source is not None:
        start_from(source, run)
    return run


def test_a_run_starts_from_the_averaged_network_and_says_where_it_is_from(
    source: Path, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "run", source)
    first = checkpoints.load(run.checkpoints / checkpoint_name(0))
    theirs = checkpoints.load(source)
    for name, array in theirs.ema.items():
        assert (first.ema[name] == array).all()
        assert (first.model[name] == array).all()
    assert first.manifest.data_position[START] == {
        "network": str(source),
        "step": 2,
        "sha256": theirs.manifest.files["ema.safetensors"].sha256,
    }
    assert is_started_from(run, theirs.manifest)
    with pytest.raises(RunDirectoryError, match="has checkpoints already"):
        start_from(source, run)
    io = train(run, Patient())
    assert io.of(TrainingStep)[0].metrics["anchor_kl"] > 0
    newest = checkpoints.list_checkpoints(run.checkpoints)[-1]
    assert newest == "step-00000014"
    sha256 = theirs.manifest.files["ema.safetensors"].sha256
    saved = checkpoints.read_manifest(run.checkpoints / newest)
    assert saved.data_position[PRIOR_HASH] == sha256


def test_killed_and_started_again_an_anchored_run_takes_the_same_steps(
    source: Path, tmp_path: Path
) -> None:
    straight, killed = (make_run(tmp_path / name, source) for name in ("straight", "killed"))
    train(straight, Patient())
    for step in (5, 8):
        with pytest.raises(Killed):
            train(killed, Mortal(step))
    train(killed, Patient())
    once, twice = (run.checkpoints / "step-00000014" for run in (straight, killed))
    for part in checkpoints.PARTS:
        file = f"{part}.safetensors"
        assert (once / file).read_bytes() == (twice / file).read_bytes(), part


def test_without_the_network_it_is_held_to_training_is_refused_with_what_to_do(
    source: Path, tmp_path: Path
) -> None:
    anew = make_run(tmp_path / "anew", None)
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"0\.3 needs a network .* began anew; start one"):
            train(anew, Patient())
    run = make_run(tmp_path / "run", source)
    train(run, Patient())
    first = run.checkpoints / checkpoint_name(0)
    first.rename(tmp_path / "away")
    with pytest.raises(CheckpointError, match=r"gone, but training\.anchor_weight = 0\.3 holds"):
        train(run, Patient())

    # Another network in its place: its checksums are sound, and it is not the one.
    other = make_trainer(CONFIG.model, CONFIG.training).save(tmp_path / "o" / "checkpoints")
    fake = make_run(tmp_path / "fake", other)
    (fake.checkpoints / checkpoint_name(0)).rename(first)
    with pytest.raises(CheckpointError, match="was anchored to a network with SHA-256"):
        train(run, Patient())
    assert json.loads((first / "manifest.json").read_text())["step"] == 0
    assert load_network(first) is not None
