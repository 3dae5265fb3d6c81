"""The trainer's arithmetic: one optimiser step at a time, exactly resumable.

A step whose loss or gradient is not finite changes nothing: not the weights, not the moments, not
the moving average, not the BatchNorm statistics. It raises, and whoever runs the trainer decides.

The masked-piece task rides along: a share of the batch is shown a second time, with squares
blanked, in the same forward pass. Policy and value are learned from the open boards only, pieces
from the masked ones only. (One pass keeps one set of BatchNorm statistics, in training and play.)

Shapes: B batch, R rows shown masked.
"""

import copy
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from backend import checkpoints
from backend.checkpoints import Arrays, Checkpoint
from backend.commit import OS, FileSystem
from backend.config import TrainingConfig
from backend.device import Device
from backend.errors import CheckpointError, DeviceError, NonFiniteError
from backend.replay.batch import Batch
from backend.weights import arrays_of, load_arrays, require_names, to_array
from model.config import ModelConfig, SslConfig
from model.encoding import encode_planes
from model.losses import PieceLoss, piece_loss, policy_loss, scalar_value_loss, wdl_loss
from model.net import ChessNet, Head
from model.ssl.masking import blank, choose_masked, piece_targets

MASKED_BATCH_FRAC: Final = 0.25
"""Share of a batch that is shown a second time, masked; the step costs about this much more."""

IMPORTED_SAMPLES: Final = "imported_samples"
"""In a checkpoint's data position: how many of its samples were from imported games."""

_MOMENTS: Final = ("exp_avg", "exp_avg_sq", "step")
_MASK_RNG: Final = "rng.mask"
_UNTRAINED: Final = ("aux_from_square.", "aux_move_type.")
"""Heads of the earlier program that have no loss here; they are carried along unchanged."""


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
        self.ssl = ssl
        self.device = device
        self.net = device.place(ChessNet(model, generator)).train()
        self.ema = copy.deepcopy(self.net).eval().requires_grad_(False)
        self.num_steps = 0
        """Optimiser steps taken."""
        self.num_samples = 0
        """Positions presented."""
        self._mask_generator = torch.Generator().manual_seed(seed + 1)
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(self.net, config.weight_decay),
            lr=config.learning_rate,
            fused=True if device.kind in ("cpu", "cuda") else None,
        )

    @property
    def has_piece_task(self) -> bool:
        return self.ssl.enabled and self.ssl.piece_weight > 0 and self.net.config.ssl_piece_head

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

        self._optimizer.zero_grad(set_to_none=True)
        try:
            metrics, loss = self._losses(batch)
            metrics["loss"] = loss.detach()
            loss.backward()  # type: ignore[no-untyped-call]
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
        moments = self._moments_of(checkpoint.optimizer, where)
        load_arrays(self.net, checkpoint.model, f"{checkpoint.path}/model.safetensors")
        load_arrays(self.ema, checkpoint.ema, f"{checkpoint.path}/ema.safetensors")
        self._optimizer.state.clear()
        for parameter, state in moments.items():
            self._optimizer.state[parameter] = state
        self._mask_generator.set_state(torch.from_numpy(checkpoint.optimizer[_MASK_RNG]))
        self.num_steps = checkpoint.manifest.step
        self.num_samples = int(checkpoint.manifest.trainer["num_samples"])

    def _losses(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """Detached readings, and the total loss with its gradient."""
        config, target = self.config, self.device.torch_device
        open_planes = torch.from_numpy(encode_planes(batch.positions, self.net.config.orientation))
        planes, pieces_RS, masked_RS = self._with_masked_rows(open_planes)
        num_open = len(open_planes)
        planes = planes.to(target).contiguous(memory_format=self.device.memory_format)
        value_weight = torch.from_numpy(batch.value_weight).to(target)
        wdl_target = torch.from_numpy(batch.wdl_target).to(target)
        heads: tuple[Head, ...] = ("policy", "value")
        with self.device.autocast(self.device.training_precision):
            trunk = self.net.trunk(planes)
            output = self.net.read(trunk[:num_open], heads)
            hidden = self.net.read(trunk[num_open:], ("piece",)) if len(pieces_RS) else None

        assert output.policy_logits_BM is not None
        policy = policy_loss(
            output.policy_logits_BM,
            torch.from_numpy(batch.policy_index).to(target),
            torch.from_numpy(batch.policy_prob).to(target),
            torch.from_numpy(batch.num_moves).to(target),
            torch.from_numpy(batch.policy_weight).to(target),
        )
        if output.wdl_logits_B3 is not None:
            value = wdl_loss(output.wdl_logits_B3, wdl_target, value_weight)
        else:
            assert output.value_B is not None
            value = scalar_value_loss(output.value_B, wdl_target, value_weight)
        loss = config.policy_weight * policy.cross_entropy + config.value_weight * value
        metrics = {
            "policy_loss": policy.cross_entropy.detach(),
            "policy_kl": policy.kl,
            "policy_entropy": policy.entropy,
            "policy_top1": policy.top1,
            "value_loss": value.detach(),
        }
        if hidden is not None:
            assert hidden.piece_logits_B13S is not None
            piece: PieceLoss = piece_loss(
                hidden.piece_logits_B13S, pieces_RS.to(target), masked_RS.to(target)
            )
            loss = loss + self.ssl.piece_weight * piece.cross_entropy
            metrics["piece_loss"] = piece.cross_entropy.detach()
            metrics["piece_accuracy"] = piece.accuracy
        return metrics, loss

    def _with_masked_rows(self, planes_BC88: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The planes and masked copies of the first R; int64[R, S] pieces; bool[R, S] masks."""
        num_masked = 0
        if self.has_piece_task:
            num_masked = math.ceil(len(planes_BC88) * MASKED_BATCH_FRAC)
        shown = planes_BC88[:num_masked]
        masked_RS = choose_masked(num_masked, self.ssl.mask_frac, self._mask_generator)
        together = torch.cat((planes_BC88, blank(shown, masked_RS)))
        return together, piece_targets(shown), masked_RS

    @torch.no_grad()
    def _update_ema(self) -> None:
        # A short memory at first: else the untrained weights would linger in the average.
        decay = min(self.config.ema_decay, (1 + self.num_steps) / (10 + self.num_steps))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.net.parameters()), 1.0 - decay)
        for averaged, buffer in zip(self.ema.buffers(), self.net.buffers(), strict=True):
            averaged.copy_(buffer)

    def _optimizer_arrays(self) -> Arrays:
        arrays = {_MASK_RNG: to_array(self._mask_generator.get_state())}
        for name, parameter in self.net.named_parameters():
            for moment, tensor in self._optimizer.state.get(parameter, {}).items():
                arrays[f"{moment}.{name}"] = to_array(tensor)
        return arrays

    def _moments_of(self, arrays: Arrays, where: str) -> dict[nn.Parameter, dict[str, Tensor]]:
        """The optimiser's state in `arrays`, for this network; checked against it."""
        parameters = dict(self.net.named_parameters())
        names = {name.split(".", 1)[1] for name in arrays if name != _MASK_RNG}
        if names:
            trained = {name for name in parameters if self._is_trained(name)}
            require_names(names, trained, where)
        expected = {f"{moment}.{name}" for name in names for moment in _MOMENTS}
        require_names(set(arrays), {_MASK_RNG, *expected}, where)
        state: dict[nn.Parameter, dict[str, Tensor]] = {}
        for name in names:
            parameter = parameters[name]
            state[parameter] = {}
            for moment in _MOMENTS:
                tensor = torch.from_numpy(arrays[f"{moment}.{name}"])
                shape = torch.Size() if moment == "step" else parameter.shape
                if tensor.shape != shape:
                    raise CheckpointError(f"{where}: {moment}.{name} has shape {tensor.shape!r}")
                if moment == "step":
                    # The fused optimiser counts where the weights are, the others on the CPU.
                    fused = self._optimizer.defaults["fused"]
                    state[parameter][moment] = tensor.to(parameter.device if fused else "cpu")
                else:
                    # The parameter's memory format, as the optimiser itself would have made it.
                    state[parameter][moment] = torch.empty_like(parameter).copy_(tensor)
        return state

    def _is_trained(self, name: str) -> bool:
        if name.startswith("ssl_piece_head."):
            return self.has_piece_task
        return not name.startswith(_UNTRAINED)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Rate of the step after `step` steps: linear warm-up, then a cosine, then constant."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = min(1.0, (step - config.warmup_steps) / config.decay_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return config.learning_rate * (config.final_lr_frac + (1 - config.final_lr_frac) * cosine)


def _parameter_groups(net: ChessNet, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; norms, biases and learned position tables do not."""
    decayed = [layer.weight for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    chosen = {id(parameter) for parameter in decayed}
    rest = [parameter for parameter in net.parameters() if id(parameter) not in chosen]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
