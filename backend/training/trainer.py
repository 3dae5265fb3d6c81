"""The trainer: one optimiser step at a time, exactly resumable.

A step whose loss or gradient is not finite changes nothing: not the weights, not the moments, not
the moving average, not the BatchNorm statistics. It raises, and whoever runs the trainer decides.
"""

import copy
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from backend import checkpoints
from backend.checkpoints import Arrays, Checkpoint
from backend.commit import OS, FileSystem
from backend.config import TrainingConfig
from backend.device import Device
from backend.errors import CheckpointError, DeviceError, NonFiniteError
from backend.replay.batch import Batch
from backend.training.objective import Objective, terms_of
from backend.training.optimizer import make_optimizer, moments_from_arrays, moments_to_arrays
from backend.training.schedule import learning_rate
from backend.weights import arrays_of, load_arrays, require_names, to_array
from model.config import ModelConfig, SslConfig
from model.net import ChessNet

IMPORTED_SAMPLES: Final = "imported_samples"
"""In a checkpoint's data position: how many of its samples were from imported games."""

_MASK_RNG: Final = "rng.mask"


class Trainer:
    """Owns a network, its optimiser and its moving average."""

    def __init__(
        self,
        model: ModelConfig,
        ssl: SslConfig,
        config: TrainingConfig,
        device: Device,
        *,
        seed: int,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.config = config
        self.device = device
        self.objective = Objective(terms_of(model, ssl, config), model.orientation, ssl.mask_frac)
        self.net = device.place(ChessNet(model, generator)).train()
        self.ema = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.num_steps = 0
        """Optimiser steps taken."""
        self.num_samples = 0
        """Positions presented."""
        self._mask_generator = torch.Generator().manual_seed(seed + 1)
        self._optimizer = make_optimizer(self.net, config, device)

    def step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step; returns finite metrics.

        policy_loss, policy_kl, policy_entropy (nats), policy_top1 (0-1), value_loss, piece_loss,
        piece_accuracy (0-1; both only with the piece task), loss, grad_norm (before clipping),
        learning_rate, samples_per_s.

        NonFiniteError, with nothing changed, when the loss or the gradient is not finite.
        DeviceError when the device has no memory for the batch.
        """
        start_s = time.perf_counter()
        rate = learning_rate(self.config, self.num_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        statistics = [buffer.clone() for buffer in self.net.buffers()]
        mask_rng = self._mask_generator.get_state()

        examples = self.objective.hide(self.objective.prepare(batch), self._mask_generator)
        self._optimizer.zero_grad(set_to_none=True)
        try:
            metrics = self.objective.backward(self.net, self.device, examples, self.num_steps)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"no memory on the device for a step of {len(batch)} positions; lower "
                f"training.batch_size or raise device.memory_limit_gib: {error}"
            ) from error
        metrics["grad_norm"] = nn.utils.clip_grad_norm_(
            self.net.parameters(), self.config.clip_norm
        )
        values = dict(zip(metrics, torch.stack(list(metrics.values())).tolist(), strict=True))
        unfit = {name: value for name, value in values.items() if not math.isfinite(value)}
        if unfit:
            for buffer, before in zip(self.net.buffers(), statistics, strict=True):
                buffer.copy_(before)
            self._mask_generator.set_state(mask_rng)
            self._optimizer.zero_grad(set_to_none=True)
            raise NonFiniteError(f"step {self.num_steps + 1} was not taken: {unfit!r}")

        self._optimizer.step()
        self.num_steps += 1
        self.num_samples += len(batch)
        self._update_ema()
        values["learning_rate"] = rate
        values["samples_per_s"] = len(batch) / (time.perf_counter() - start_s)
        return values

    def save(
        self,
        root: Path,
        *,
        parent: str = "",
        data_position: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        fs: FileSystem = OS,
    ) -> Path:
        """Commits the whole state as a checkpoint under `root`; returns its directory."""
        return checkpoints.save(
            root,
            step=self.num_steps,
            model=self.net.config,
            parts={
                "model": arrays_of(self.net),
                "ema": arrays_of(self.ema),
                "optimizer": self._optimizer_arrays(),
            },
            parent=parent,
            data_position=data_position,
            trainer={"num_samples": self.num_samples},
            metrics=metrics,
            versions={"torch": str(torch.__version__)},
            fs=fs,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes over the state of a checkpoint loaded with all parts; on a CPU, bit for bit.

        CheckpointError, with nothing changed, when it belongs to a network of another shape.
        """
        if checkpoint.manifest.model != self.net.config:
            raise CheckpointError(
                f"{checkpoint.path}: made for {checkpoint.manifest.model!r}, "
                f"this run trains {self.net.config!r}"
            )
        where = f"{checkpoint.path}/optimizer.safetensors"
        arrays = dict(checkpoint.optimizer)
        require_names(set(arrays) & {_MASK_RNG}, {_MASK_RNG}, where)
        mask_rng = arrays.pop(_MASK_RNG)
        moments = moments_from_arrays(self._optimizer, self.net, arrays, where, self._is_trained)
        load_arrays(self.net, checkpoint.model, f"{checkpoint.path}/model.safetensors")
        load_arrays(self.ema, checkpoint.ema, f"{checkpoint.path}/ema.safetensors")
        self._optimizer.state.clear()
        for parameter, state in moments.items():
            self._optimizer.state[parameter] = state
        self._mask_generator.set_state(torch.from_numpy(mask_rng))
        self.num_steps = checkpoint.manifest.step
        self.num_samples = int(checkpoint.manifest.trainer["num_samples"])

    @torch.no_grad()
    def _update_ema(self) -> None:
        # A short memory at first: else the untrained weights would linger in the average.
        decay = min(self.config.ema_decay, (1 + self.num_steps) / (10 + self.num_steps))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.net.parameters()), 1.0 - decay)
        for averaged, buffer in zip(self.ema.buffers(), self.net.buffers(), strict=True):
            averaged.copy_(buffer)

    def _optimizer_arrays(self) -> Arrays:
        rng = {_MASK_RNG: to_array(self._mask_generator.get_state())}
        return rng | moments_to_arrays(self._optimizer, self.net)

    def _is_trained(self, name: str) -> bool:
        """Whether the parameter belongs to the trunk or to a head that has a term."""
        head = self.net.head_of(name)
        return head is None or head in self.objective.heads
