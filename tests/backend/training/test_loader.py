"""Batches made ahead in a thread are the ones that would have been made in place."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend import checkpoints
from backend.config import DeviceConfig
from backend.device import choose_device
from backend.errors import NonFiniteError, ReplayError
from backend.replay.sampler import Sampler
from backend.replay.window import Window
from backend.training.config import TrainingConfig
from backend.training.loader import Loader
from backend.training.trainer import Trainer
from model.config import ModelConfig, SslConfig
from tests.backend.replay.games import black_mates, cut_game, white_mates, write

NET = ModelConfig(
    channels=16,
    blocks=1,
    board_features=False,
    attention_every=0,
    policy_head="conv",
    value_channels=8,
    value_hidden=32,
    aux_policy_heads=False,
)
CONFIG = TrainingConfig(precision="float32", micro_batch=8, checkpointing="none", warmup_steps=0)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return write(tmp_path, [white_mates(), cut_game(), black_mates()])


def make_loader(shard: Path, *, mirror_frac: float = 0.5) -> tuple[Loader, Trainer, Window]:
    window = Window(shard.parent, 1000)
    window.add(shard.name)
    device = choose_device(DeviceConfig(kind="cpu"))
    trainer = Trainer(NET, SslConfig(), CONFIG, device, seed=1, say=lambda *_: None)
    sampler = Sampler(window, np.random.default_rng(9), 0.25, mirror_frac)
    return Loader(sampler, trainer, 8), trainer, window


def weights(trainer: Trainer) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in trainer.net.state_dict().values()]


def test_resuming_from_what_was_learned_equals_going_on_bit_for_bit(
    shard: Path, tmp_path: Path
) -> None:
    straight, trainer, _ = make_loader(shard)
    for _ in range(6):
        straight.step()
    expected = weights(trainer)

    first, trainer, _ = make_loader(shard)
    for _ in range(3):
        first.step()  # A fourth batch lies ready when the state is taken.
    position = json.loads(json.dumps(first.state()))
    saved = trainer.save(tmp_path / "checkpoints")
    second, trainer, _ = make_loader(shard)
    second.step()
    trainer.restore(checkpoints.load(saved))
    second.restore(position)
    for _ in range(3):
        second.step()
    assert weights(trainer) == expected


def test_it_gives_the_batches_of_the_sampler_in_order(shard: Path) -> None:
    loader, trainer, window = make_loader(shard)
    seen = []
    step = trainer.step
    trainer.step = lambda examples: (seen.append(examples), step(examples))[1]  # type: ignore[method-assign, assignment]
    for _ in range(4):
        metrics = loader.step()
    assert 0 <= metrics["data_wait_frac"] <= 1
    sampler = Sampler(window, np.random.default_rng(9), 0.25, 0.5)
    for examples in seen:
        expected = trainer.objective.prepare(sampler.sample(8))
        for view, rows in expected.views.items():
            assert (examples.views[view].planes_RC88 == rows.planes_RC88).all()


def test_a_batch_that_was_not_learned_from_is_not_counted(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader, trainer, _ = make_loader(shard)
    loader.step()
    before = loader.state()

    def fail(examples: object) -> None:
        raise NonFiniteError("no")

    monkeypatch.setattr(trainer, "step", fail)
    with pytest.raises(NonFiniteError):
        loader.step()
    assert loader.state() == before


def test_a_batch_that_lay_ready_when_the_window_changes_is_drawn_again(shard: Path) -> None:
    loader, trainer, window = make_loader(shard)
    loader.step()
    more = write(shard.parent, [white_mates()], seq=1)
    with loader.changing():
        window.add(more.name)
    loader.step()
    # As if nothing had lain ready when the window grew.
    other, expected, window = make_loader(shard)
    other.step()
    position = other.state()
    other, _, window = make_loader(shard)
    window.add(more.name)
    other._trainer = expected
    other.restore(position)
    other.step()
    assert weights(trainer) == weights(expected)


def test_an_error_of_the_thread_reaches_the_caller(shard: Path) -> None:
    loader, _, window = make_loader(shard)
    window._columns["num_moves"].view()[:] = 0
    with pytest.raises(ReplayError, match="num_moves"):
        loader.step()
