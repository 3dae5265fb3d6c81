"""The trainer: it learns, in the right direction; it stops before harm; it resumes bit for bit."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend import checkpoints
from backend.config import DeviceConfig
from backend.device import choose_device
from backend.errors import CheckpointError, NonFiniteError
from backend.inference.front import Inference
from backend.replay.batch import Batch
from backend.training.config import TrainingConfig
from backend.training.trainer import Trainer
from backend.weights import load_network
from model.config import ModelConfig, Orientation, SslConfig
from model.rules import Position, from_fen, gives_mate, legal_moves, make_move
from tests.positions import positions_of, random_batch, uniform_batch

NET = ModelConfig(
    channels=16,
    blocks=2,
    board_features=False,
    attention_every=2,
    attention_heads=2,
    policy_head="conv",
    value_channels=8,
    value_hidden=32,
    aux_policy_heads=True,
)
FAST = TrainingConfig(
    precision="float32",
    learning_rate=1e-2,
    warmup_steps=5,
    decay_steps=1000,
    ema_decay=0.9,
    weight_decay=1e-4,
)

MATE_IN_ONE = (
    "6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1",
    "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4",
    "rnbqkbnr/ppppp2p/8/5pp1/4P3/3P4/PPP2PPP/RNBQKBNR w KQkq - 0 3",
    "7k/5Q2/6K1/8/8/8/8/8 w - - 0 1",
    "6rk/6pp/8/6N1/8/8/8/6K1 w - - 0 1",
    "k7/8/1K6/8/8/8/8/7R w - - 0 1",
    "7k/R7/1R6/8/8/8/8/6K1 w - - 0 1",
)
"""The mover mates at once."""
MATED_NEXT = (
    "k7/8/1K6/8/8/8/8/7R b - - 0 1",
    "k7/8/1K6/8/8/8/8/6Q1 b - - 0 1",
    "7k/8/6K1/8/8/8/8/R7 b - - 0 1",
    "7k/R7/1R6/8/8/8/8/6K1 b - - 0 1",
    "7k/5K2/8/6P1/8/8/8/R7 b - - 0 1",
    "7k/Q7/8/8/8/8/1R6/6K1 b - - 0 1",
    "2k5/7R/6R1/8/8/8/8/6K1 b - - 0 1",
)
"""Whatever the mover plays, the opponent mates at once."""


def make_trainer(
    model: ModelConfig = NET, config: TrainingConfig = FAST, ssl: SslConfig | None = None
) -> Trainer:
    return Trainer(
        model, ssl or SslConfig(), config, choose_device(DeviceConfig(kind="cpu")), seed=7
    )


def colour_flipped(fen: str) -> str:
    """The same position for the other colour: ranks turned, colours and side to move exchanged."""
    board, side, castling, *rest = fen.split()
    board = "/".join(reversed(board.split("/"))).swapcase()
    side = "b" if side == "w" else "w"
    castling = "".join(sorted(castling.swapcase()))
    return " ".join((board, side, castling, *rest))


def state_bytes(trainer: Trainer, root: Path) -> dict[str, bytes]:
    """Everything the trainer would write, as bytes."""
    path = trainer.save(root)
    return {
        f"{part}.safetensors": (path / f"{part}.safetensors").read_bytes()
        for part in checkpoints.PARTS
    }


@pytest.mark.parametrize("orientation", ["mover", "white"])
def test_one_batch_of_real_positions_is_overfitted(orientation: Orientation) -> None:
    trainer = make_trainer(
        replace(NET, channels=32, orientation=orientation), replace(FAST, learning_rate=5e-3)
    )
    batch = random_batch(32, seed=1, orientation=trainer.net.config.orientation)
    first = trainer.step(batch)
    assert first["policy_kl"] > 0.5
    assert first["piece_loss"] == pytest.approx(math.log(13), abs=0.5)
    for _ in range(150):
        metrics = trainer.step(batch)
        if metrics["policy_kl"] < 0.04 and metrics["value_loss"] < 0.05:
            break
    assert metrics["policy_kl"] < 0.05
    assert metrics["value_loss"] < 0.05
    assert metrics["policy_top1"] > 0.7
    assert metrics["piece_loss"] < 1.5


def mates_at_once(position: Position) -> bool:
    moves = np.zeros(256, np.uint16)
    return gives_mate(position, moves, legal_moves(position, moves)) >= 0


def test_the_positions_of_the_value_test_are_what_they_claim() -> None:
    for fens in (MATE_IN_ONE, tuple(map(colour_flipped, MATE_IN_ONE))):
        assert all(mates_at_once(from_fen(fen)) for fen in fens)
    for fen in (*MATED_NEXT, *map(colour_flipped, MATED_NEXT)):
        position, child, moves = from_fen(fen), np.zeros(8, np.uint64), np.zeros(256, np.uint16)
        count = legal_moves(position, moves)
        assert count > 0
        for move in moves[:count]:
            make_move(position, int(move), child)
            assert mates_at_once(child), fen


@pytest.mark.parametrize("orientation", ["mover", "white"])
def test_who_mates_has_won_and_who_is_mated_next_has_lost_for_either_colour(
    orientation: Orientation,
) -> None:
    """Two boards stand in both lists: there only the side to move tells win from loss."""
    fens = [*MATE_IN_ONE, *MATED_NEXT]
    is_won = np.array([True] * len(MATE_IN_ONE) + [False] * len(MATED_NEXT))
    positions = positions_of([*fens, *map(colour_flipped, fens)])
    is_won = np.concatenate((is_won, is_won))
    wdl = np.where(is_won[:, None], [1, 0, 0], [0, 0, 1]).astype(np.float32)
    batch = uniform_batch(positions, wdl, orientation)
    trainer = make_trainer(replace(NET, orientation=orientation), ssl=SslConfig(enabled=False))
    for _ in range(80):
        trainer.step(batch)

    evaluate = Inference(trainer.net, trainer.device)
    _, answer = evaluate(
        positions, batch.policy_index.astype(np.int16), batch.num_moves.astype(np.int16)
    )
    score = answer[:, 0] - answer[:, 2]
    assert (score[is_won] > 0.5).all(), score
    assert (score[~is_won] < -0.5).all(), score


@pytest.mark.parametrize("drop_path", [0.0, 0.3])
def test_training_twenty_and_resuming_for_twenty_equals_forty_bit_for_bit(
    tmp_path: Path, drop_path: float
) -> None:
    batches = [random_batch(16, seed=seed) for seed in range(4)]
    config = replace(FAST, drop_path=drop_path)
    straight = make_trainer(config=config)
    for step in range(40):
        last = straight.step(batches[step % 4])

    first = make_trainer(config=config)
    for step in range(20):
        first.step(batches[step % 4])
    path = first.save(tmp_path / "middle", data_position={"cursor": 20})
    second = make_trainer(config=config)
    second.step(batches[0])  # Whatever it was before must not matter.
    second.restore(checkpoints.load(path))
    assert second.num_steps == 20
    assert second.num_samples == 20 * 16
    for step in range(20, 40):
        resumed = second.step(batches[step % 4])

    assert state_bytes(straight, tmp_path / "a") == state_bytes(second, tmp_path / "b")
    last.pop("samples_per_s")
    resumed.pop("samples_per_s")
    assert last == resumed


def poisoned(batch: Batch) -> Batch:
    weight = batch.value_weight.copy()
    weight[0] = np.nan
    return replace(batch, value_weight=weight)


def test_a_step_with_a_loss_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    trainer = make_trainer()
    batch = random_batch(8, seed=2)
    trainer.step(batch)
    before = state_bytes(trainer, tmp_path / "before")
    with pytest.raises(NonFiniteError, match="step 2 was not taken") as refused:
        trainer.step(poisoned(batch))
    assert refused.value.step == 2
    assert {"loss", "value_loss", "grad_norm"} <= refused.value.values.keys()
    assert state_bytes(trainer, tmp_path / "after") == before
    assert trainer.num_steps == 1
    assert trainer.step(batch)["loss"] > 0


def test_branches_left_out_change_training_and_a_step_not_taken_draws_them_again() -> None:
    batch = random_batch(8, seed=2)
    plain, dropped, twice = (
        make_trainer(config=replace(FAST, drop_path=chance)) for chance in (0.0, 0.5, 0.5)
    )
    with pytest.raises(NonFiniteError):
        twice.step(poisoned(batch))
    losses = [trainer.step(batch)["loss"] for trainer in (plain, dropped, twice)]
    assert losses[0] != losses[1]
    assert losses[1] == losses[2]


def test_one_gradient_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    trainer = make_trainer()
    batch = random_batch(8, seed=2)
    trainer.step(batch)
    before = state_bytes(trainer, tmp_path / "before")
    weight = trainer.net.stem[0].weight
    hook = weight.register_hook(lambda gradient: gradient.fill_(torch.inf))
    with pytest.raises(NonFiniteError, match="grad_norm") as refused:
        trainer.step(batch)
    assert refused.value.values == {"grad_norm": torch.inf, "gradient of stem.0.weight": torch.inf}
    hook.remove()
    assert state_bytes(trainer, tmp_path / "after") == before


def test_every_trained_part_gets_a_gradient_from_the_loss_it_belongs_to() -> None:
    trainer = make_trainer()
    before = {name: p.detach().clone() for name, p in trainer.net.named_parameters()}
    trainer.step(random_batch(8, seed=2))
    unmoved = {
        name.split(".")[0]
        for name, p in trainer.net.named_parameters()
        if torch.equal(p, before[name])
    }
    assert unmoved == {"aux_from_square", "aux_move_type"}


def test_without_the_piece_task_its_head_stays_as_it_was() -> None:
    trainer = make_trainer(ssl=SslConfig(enabled=False))
    head = trainer.net.ssl_piece_head
    before = [p.detach().clone() for p in head.parameters()]
    metrics = trainer.step(random_batch(8, seed=2))
    assert "piece_loss" not in metrics
    assert all(map(torch.equal, head.parameters(), before))


def test_norms_biases_and_position_tables_do_not_decay() -> None:
    trainer = make_trainer()
    decay = {
        id(p): group["weight_decay"]
        for group in trainer._optimizer.param_groups
        for p in group["params"]
    }
    assert len(decay) == len(list(trainer.net.parameters()))
    for name, parameter in trainer.net.named_parameters():
        is_kernel = name.endswith("weight") and parameter.dim() >= 2
        assert decay[id(parameter)] == (FAST.weight_decay if is_kernel else 0), name


def test_the_average_follows_the_weights_and_copies_batch_norm_statistics() -> None:
    trainer = make_trainer()
    batch = random_batch(8, seed=2)
    old = trainer.ema.stem[0].weight.clone()
    trainer.step(batch)
    new = trainer.net.stem[0].weight
    decay = 2 / 11  # (1 + step) / (10 + step) at step 1
    torch.testing.assert_close(trainer.ema.stem[0].weight, decay * old + (1 - decay) * new)
    assert torch.equal(trainer.ema.tower[0].bn1.running_mean, trainer.net.tower[0].bn1.running_mean)
    assert trainer.ema.tower[0].bn1.running_mean.abs().max() > 0
    assert not any(p.requires_grad for p in trainer.ema.parameters())


def test_gradients_are_clipped_to_the_norm_of_the_configuration() -> None:
    trainer = make_trainer(config=replace(FAST, clip_norm=1e-3))
    metrics = trainer.step(random_batch(8, seed=2))
    assert metrics["grad_norm"] > 1e-2
    # AdamW's first moment after one step is (1 - beta1) times the clipped gradient.
    moments = [state["exp_avg"] for state in trainer._optimizer.state.values()]
    norm = math.sqrt(sum(float(m.square().sum()) for m in moments)) / 0.1
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_a_checkpoint_of_another_shape_is_refused_with_nothing_changed(tmp_path: Path) -> None:
    other = make_trainer(replace(NET, value_hidden=16))
    path = other.save(tmp_path)
    trainer = make_trainer()
    before = state_bytes(trainer, tmp_path / "before")
    with pytest.raises(CheckpointError, match="value_hidden=16"):
        trainer.restore(checkpoints.load(path))
    assert state_bytes(trainer, tmp_path / "after") == before


def test_the_saved_average_is_the_network_that_plays(tmp_path: Path) -> None:
    trainer = make_trainer()
    batch = random_batch(8, seed=2)
    for _ in range(3):
        trainer.step(batch)
    path = trainer.save(tmp_path)
    played = load_network(path).state_dict()
    assert all(torch.equal(t, played[name]) for name, t in trainer.ema.state_dict().items())
    assert not torch.equal(played["stem.0.weight"], trainer.net.stem[0].weight)
