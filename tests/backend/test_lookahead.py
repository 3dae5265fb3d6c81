"""Heads that look ahead learn from games in the window, and only they do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend import checkpoints
from backend.config import DeviceConfig
from backend.device import choose_device
from backend.replay import records
from backend.replay.sampler import Sampler
from backend.replay.window import Window
from backend.training.config import TrainingConfig
from backend.training.trainer import Trainer
from model.config import ModelConfig, SslConfig
from tests.backend.replay.games import SHUFFLE, black_mates, cut_game, game_of, white_mates, write

NET = ModelConfig(
    channels=16,
    blocks=2,
    board_features=False,
    attention_every=0,
    policy_head="conv",
    value_channels=8,
    value_hidden=32,
    aux_policy_heads=False,
    ssl_piece_head=False,
    plies_left_head=True,
    short_value_head=True,
    reply_head=True,
)
CONFIG = TrainingConfig(learning_rate=5e-3, warmup_steps=5, ema_decay=0.9)
METRICS = ("plies_left_loss", "short_value_loss", "reply_loss")


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    window = Window(tmp_path, 1000)
    games = [white_mates(), cut_game(), black_mates(), game_of(SHUFFLE, 5, records.DRAW)]
    window.add(write(tmp_path, games).name)
    return Sampler(window, np.random.default_rng(0), 0.25, looks_ahead=True)


def make_trainer(model: ModelConfig) -> Trainer:
    device = choose_device(DeviceConfig(kind="cpu"))
    return Trainer(model, SslConfig(), CONFIG, device, seed=1)


def test_what_follows_in_a_handful_of_games_is_learned(sampler: Sampler) -> None:
    trainer = make_trainer(NET)
    batch = sampler.gather(np.array([0, 1, 2, 3, 4, 5, 6, 11, 12, 13]))
    first = trainer.step(batch)
    for _ in range(80):
        last = trainer.step(batch)
    assert last["plies_left_error"] < first["plies_left_error"] / 5
    assert last["plies_left_error"] < 1.5
    assert last["reply_kl"] < first["reply_kl"] / 4
    assert last["short_value_loss"] < first["short_value_loss"] - 0.1


@pytest.mark.parametrize(
    ("head", "metric"),
    [*zip(("plies_left_head", "short_value_head", "reply_head"), METRICS, strict=True)],
)
def test_each_can_be_left_out_by_itself(head: str, metric: str, sampler: Sampler) -> None:
    metrics = make_trainer(replace(NET, **{head: False})).step(sampler.sample(8))
    assert {name for name in METRICS if name in metrics} == set(METRICS) - {metric}


def test_a_game_without_an_end_or_a_next_position_changes_no_such_head(sampler: Sampler) -> None:
    trainer = make_trainer(replace(NET, short_value_head=False))
    batch = sampler.gather(np.array([9]))  # The last position of the cut game.
    before = {name: p.clone() for name, p in trainer.net.named_parameters()}
    metrics = trainer.step(batch)
    assert metrics["plies_left_loss"] == metrics["reply_loss"] == 0
    for name, parameter in trainer.net.named_parameters():
        if name.startswith(("plies_left_head", "reply_head")):
            assert (parameter - before[name]).abs().max() < 1e-5, name  # Weight decay alone.


def test_training_with_every_option_resumes_bit_for_bit(sampler: Sampler, tmp_path: Path) -> None:
    every = replace(
        NET,
        knowledge_planes=True,
        attention_every=1,
        attention_heads=2,
        smolgen=True,
        ssl_piece_head=True,
        board_features=True,
        aux_policy_heads=True,
    )
    batches = [sampler.sample(16) for _ in range(6)]
    straight = make_trainer(every)
    for batch in batches[:3]:
        straight.step(batch)
    path = straight.save(tmp_path / "checkpoints")
    resumed = make_trainer(every)
    resumed.restore(checkpoints.load(path))
    for batch in batches[3:]:
        assert straight.step(batch)["loss"] == resumed.step(batch)["loss"]
