"""Training on imported games, in this process: no self-play, no supervisor, no gate.

The network learns the moves that were played and how the games ended. The import holds some games
out for good; how often the averaged network's first choice is the move that was played there is
measured each cycle, and the curve is kept in logs/held-out.log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from backend import checkpoints
from backend.config import Config
from backend.device import choose_device
from backend.errors import CheckpointError, ReplayError
from backend.events import TrainingStep
from backend.inference import Inference
from backend.replay.imports import HELD_OUT, LEARNED
from backend.replay.sampler import Sampler
from backend.replay.shards import list_shards, read_shard
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.training import Trainer
from backend.wire import encode

MEASURED_POSITIONS: Final = 8192
"""Held-out positions that one measurement looks at, always the same ones."""
MEASURE_BATCH: Final = 512


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The averaged network on held-out positions."""

    step: int
    positions: int
    top1: float
    """Share of positions where its first choice is the move that was played (0 to 1)."""
    policy_loss: float
    """Cross-entropy of the played move over legal moves, nats."""
    value_loss: float
    """Cross-entropy of the result over win, draw and loss, nats; positions with a result only."""


class SupervisedTraining:
    """Goes on from a run's newest checkpoint, or makes its first. The caller holds the lock."""

    def __init__(self, run: RunDirectory, config: Config) -> None:
        """Raises ReplayError when there is not enough to learn from and to hold out."""
        self._run = run
        self._config = config
        self._window = _fill(run.imported, LEARNED, config)
        unseen = _fill(run.imported, HELD_OUT, config)
        rng = np.random.default_rng([config.seed, 2])
        self._rows = rng.permutation(unseen.num_positions)[:MEASURED_POSITIONS]
        self._unseen = Sampler(unseen, rng, 0.0)
        self._sampler = Sampler(self._window, np.random.default_rng([config.seed, 3]), 0.0)
        self._device = choose_device(config.device)
        self._trainer = Trainer(
            config.model, config.ssl, config.training, self._device, seed=config.seed
        )
        self._saved = self._restore()
        self.num_positions = self._window.num_positions
        """Positions to learn from."""
        self.num_unseen = unseen.num_positions
        """Positions held out."""

    @property
    def step(self) -> int:
        """Optimiser steps taken so far."""
        return self._trainer.num_steps

    def train(
        self,
        steps: int,
        *,
        on_metrics: Callable[[TrainingStep], None],
        on_measured: Callable[[Measurement], None],
        should_stop: Callable[[], bool],
    ) -> Measurement:
        """Take `steps` more steps; measure and save each `steps_per_cycle` and at the end."""
        settings = self._config.training
        end = self.step + steps
        measured = self._measure()
        on_measured(measured)
        while self.step < end and not should_stop():
            values = self._trainer.step(self._sampler.sample(settings.batch_size))
            if self.step % settings.metrics_every == 0:
                on_metrics(TrainingStep(step=self.step, metrics=values))
            if self.step % settings.steps_per_cycle == 0 or self.step == end:
                measured = self._measure()
                on_measured(measured)
                self._save(measured)
        if self._saved != checkpoints.checkpoint_name(self.step):
            measured = self._measure()
            on_measured(measured)
            self._save(measured)
        return measured

    def _restore(self) -> str:
        path, faults = checkpoints.newest_valid(self._run.checkpoints)
        if path is None:
            if faults:
                raise CheckpointError(f"no checkpoint of this run is sound: {faults[0]}")
            return self._trainer.save(self._run.checkpoints).name
        checkpoint = checkpoints.load(path)
        self._trainer.restore(checkpoint)
        if "imported" in checkpoint.manifest.data_position:
            self._sampler.restore(checkpoint.manifest.data_position["imported"])
        return path.name

    def _save(self, measured: Measurement) -> None:
        metrics = {
            "held_out_top1": measured.top1,
            "held_out_policy_loss": measured.policy_loss,
            "held_out_value_loss": measured.value_loss,
        }
        self._saved = self._trainer.save(
            self._run.checkpoints,
            parent=self._saved,
            data_position={"imported": self._sampler.state()},
            metrics=metrics,
        ).name
        with self._run.log_file("held-out").open("ab") as log:
            log.write(encode(TrainingStep(step=measured.step, metrics=metrics)))

    def _measure(self) -> Measurement:
        return measure(
            Inference(self._trainer.ema, self._device), self._unseen, self._rows, self.step
        )


def measure(network: Inference, sampler: Sampler, rows: np.ndarray, step: int) -> Measurement:
    """How well `network` foretells moves and results of the positions `rows` of the window."""
    hits = policy_loss = value_loss = 0.0
    judged = 0
    for first in range(0, len(rows), MEASURE_BATCH):
        batch = sampler.gather(rows[first : first + MEASURE_BATCH])
        logits, wdl = network(
            batch.positions, batch.policy_index.astype(np.int16), batch.num_moves.astype(np.int16)
        )
        listed = np.arange(logits.shape[1]) < batch.num_moves[:, None]
        logits = np.where(listed, logits, -np.inf)
        peak = logits.max(axis=1, keepdims=True)
        total = peak + np.log(np.exp(logits - peak).sum(axis=1, keepdims=True))
        hits += float((logits.argmax(axis=1) == batch.policy_prob.argmax(axis=1)).sum())
        surprise = np.where(batch.policy_prob > 0, total - logits, 0.0)
        policy_loss += float((batch.policy_prob * surprise).sum())
        known = batch.wdl_target.max(axis=1) > 0.5
        value_loss -= float((batch.wdl_target * np.log(np.maximum(wdl, 1e-12)))[known].sum())
        judged += int(known.sum())
    return Measurement(
        step=step,
        positions=len(rows),
        top1=hits / len(rows),
        policy_loss=policy_loss / len(rows),
        value_loss=value_loss / max(1, judged),
    )


def _fill(directory: Path, prefix: str, config: Config) -> Window:
    """A window of all shards with this prefix, or of the newest that fill it."""
    paths = list_shards(directory, prefix)
    if not paths:
        raise ReplayError(
            f"{directory}: no shard {prefix}-…; bring in more games: "
            "matrix0 import pgn FILE… --run DIR"
        )
    window = Window(directory, config.replay.window_positions)
    for path in paths:
        orientation = read_shard(path).metadata.orientation
        if orientation != config.model.orientation:
            raise ReplayError(
                f"{path}: written in orientation {orientation!r}, this run has "
                f"{config.model.orientation!r}; import the games into a run of their own"
            )
        window.add(path.name)
    return window
