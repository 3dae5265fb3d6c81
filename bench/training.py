"""Optimiser steps of preset tiny on one core, and the time to draw a batch from the window."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from _table import Row, rate, show

from backend.config import DeviceConfig
from backend.device import choose_device
from backend.replay.batch import Batch
from backend.replay.sampler import Sampler
from backend.replay.shards import ShardWriter
from backend.replay.window import Window
from backend.search.evaluator import uniform
from backend.selfplay.games import SelfPlay
from backend.settings import build_config
from backend.training.loader import Loader
from backend.training.trainer import Trainer

NUM_GAMES = 64


def main() -> None:
    torch.set_num_threads(1)
    config = build_config("tiny", None, ["search.simulations=2", f"selfplay.games={NUM_GAMES}"])
    games = SelfPlay(config.selfplay, config.search, uniform, orientation="mover", seed=0)
    ended = []
    while len(ended) < NUM_GAMES:
        ended.extend(games.step())
    with tempfile.TemporaryDirectory() as folder:
        writer = ShardWriter(Path(folder), "sp-bench", producer="bench", orientation="mover")
        window = Window(Path(folder), config.replay.window_positions)
        window.add(writer.write(ended).name)
        value_frac = config.training.search_value_frac
        ahead = Sampler(window, np.random.default_rng(0), value_frac)
        alone = Sampler(window, np.random.default_rng(0), value_frac)

        def draw() -> Batch:
            return alone.sample(config.training.batch_size)

        device = choose_device(DeviceConfig(kind="cpu"))
        trainer = Trainer(config.model, config.ssl, config.training, device, seed=0)
        loader = Loader(ahead, trainer, config.training.batch_size)
        waits = []

        def step() -> float:
            waits.append(loader.step()["data_wait_frac"])
            return config.training.batch_size

        step()
        waits.clear()
        what = f"training, all tasks, {trainer.precision}, batch {config.training.batch_size}"
        rows = [
            Row(
                what=what,
                value=rate(step, seconds=15),
                unit="samples/s",
            ),
            Row(what="waiting for a batch", value=100 * float(np.mean(waits)), unit="% of a step"),
            Row(
                what="drawing batches from the window",
                value=rate(lambda: len(draw())),
                unit="samples/s",
            ),
        ]
    show("Training, preset tiny, one core", rows)


if __name__ == "__main__":
    main()
