"""The trainer: one optimiser step at a time, exactly resumable.

A step whose loss or gradient is not finite changes nothing: not the weights, not the moments, not
the moving average, not the BatchNorm statistics. It raises, and whoever runs the trainer decides.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from backend import checkpoints
from backend.accelerator import Precision
from backend.checkpoints import Arrays, Checkpoint
from backend.device import Device
from backend.errors import CheckpointError, DeviceError, NonFiniteError
from backend.events import Level
from backend.filesystem import OS, FileSystem
from backend.replay.batch import Batch
from backend.training.averaging import Average
from backend.training.compiling import CompileChoice, choose_compile, compile_tower
from backend.training.config import TrainingConfig
from backend.training.curriculum import PhaseConfig, rate_factor
from backend.training.flattening import to_cpu
from backend.training.footprint import bytes_per_position, standing_bytes
from backend.training.governor import Governor, Plan, Say
from backend.training.objective import Examples, micro_batches, objective_of
from backend.training.optimizer import (
    clip,
    make_optimizer,
    moments_from_arrays,
    moments_to_arrays,
    unfit_gradients,
)
from backend.training.parts import part
from backend.training.precision import (
    TOO_SHORT_S,
    WORTHWHILE,
    LossScale,
    best_seconds,
    choose_precision,
)
from backend.training.prior import Prior
from backend.training.recording import Recorder
from backend.training.schedule import learning_rate
from backend.training.team import Split, StepOrder, Team
from backend.weights import arrays_of, load_arrays, require_names, to_array
from model.checkpointing import Checkpointing
from model.config import ModelConfig, SslConfig
from model.net import ChessNet

IMPORTED_SAMPLES: Final = "imported_samples"
"""In a checkpoint's data position: how many of its samples were from imported games."""

REHEARSED: Final = 16
"""Positions of the first batch on which memory and speed are measured, without a trace."""

_MASK_RNG: Final = "rng.mask"


def _to_stderr(text: str, level: Level) -> None:
    print(f"{level}: {text}", file=sys.stderr)


class Trainer:
    """Owns a network, its optimiser and its average."""

    def __init__(
        self,
        model: ModelConfig,
        ssl: SslConfig,
        config: TrainingConfig,
        device: Device,
        *,
        seed: int,
        curriculum: Sequence[PhaseConfig] = (),
        prior: ChessNet | None = None,
        team: Team | None = None,
        say: Say = _to_stderr,
        before_risk: Callable[[], None] = lambda: None,
    ) -> None:
        """`say` tells people what was decided about precision and memory. The phases of
        `curriculum` change the learning rate. Training is anchored to `prior`, if it is given.
        With a `team` other processes have their part in every step.

        `before_risk` is called when the device ran out of memory, before the step is tried again;
        the state is then that of the last whole step, and may be saved.
        """
        generator = torch.Generator().manual_seed(seed)
        self.config = config
        self._curriculum = curriculum
        self.device = device
        self._prior = None if prior is None else Prior(prior, device)
        self.objective = objective_of(model, ssl, config, is_anchored=prior is not None)
        self.net = device.place(ChessNet(model, generator)).train()
        self.ema = copy.deepcopy(self.net).eval().requires_grad_(False)
        """The averaged network, which plays."""
        self._average = Average(self.ema, self.net, config)
        self._parameters = list(self.net.parameters())
        self._buffers = list(self.net.buffers())
        self.num_steps = 0
        """Optimiser steps taken."""
        self.num_samples = 0
        """Positions presented."""
        self.rate_factor = 1.0
        """Of the scheduled learning rate; not saved: a checkpoint is where it ends."""
        self.governor = Governor(config, device, say)
        self._say = say
        self._before_risk = before_risk
        choice = choose_precision(config.precision, device)
        self._precision_reason = choice.reason
        self._rival = choice.rival
        self.is_settled = False
        """Whether what needs a measurement was decided; the first step does it."""
        self._team = team
        self._team_knows = False
        """Whether the others have our weights and moments."""
        self._compile = choose_compile(config.compile, device)
        if team is not None:
            team.synchronise(self.net)
            self._compile = CompileChoice(False, "not where several processes train together")
        self.precision: Precision = choice.precision
        """The type of the activations; weights, gradients and moments are always float32."""
        self.loss_scale = LossScale.of(self.precision)
        self.recorder: Recorder | None = None
        """Of the micro-batch, where the device records; None: every kernel is launched anew."""
        if config.record == "auto" and device.accelerator.can_record and team is None:
            self.recorder = Recorder(device.accelerator)
        self._mask_generator = torch.Generator().manual_seed(seed + 1)
        self._optimizer = make_optimizer(self.net, config, device)

    def step(self, batch: Batch | Examples) -> dict[str, float]:
        """One optimiser step; returns finite metrics.

        Those of each term (`backend/training/terms.py`, `lookahead.py`, `squares.py`), loss,
        grad_norm (before clipping), learning_rate, samples_per_s, and in float16 loss_scale.

        NonFiniteError, with nothing changed, when the loss or the gradient is not finite.
        DeviceError when the device has no memory even for the smallest part of the batch.
        """
        start_s = time.perf_counter()
        with part("encode"):
            prepared = self.objective.prepare(batch) if isinstance(batch, Batch) else batch
        if not self.is_settled:
            self._settle(prepared)
        rate = self.rate_factor * learning_rate(self.config, self.num_steps)
        rate *= rate_factor(self._curriculum, self.num_steps)
        statistics = [buffer.clone() for buffer in self._buffers]
        mask_rng = self._mask_generator.get_state()
        with part("encode"):
            examples = self.objective.hide(prepared, self._mask_generator)
            examples = self.objective.drop(examples, len(self.net.tower), self._mask_generator)
        next_mask_rng = self._mask_generator.get_state()
        self._mask_generator.set_state(mask_rng)

        values = self._take(self._split(examples, rate), rate, statistics)
        self._mask_generator.set_state(next_mask_rng)
        self.num_samples += examples.size
        with part("average"):
            self._average.update(self.num_steps)
        if self.precision == "float16":
            values["loss_scale"] = self.loss_scale.value
        self.loss_scale.worked()
        self.governor.after_step(0 if self.recorder is None else self.recorder.num_bytes)
        values["learning_rate"] = rate
        values["samples_per_s"] = examples.size / (time.perf_counter() - start_s)
        return values

    def follow(self, order: StepOrder, own: Sequence[Examples]) -> None:
        """Our part of a step that another process of the team leads; errors are those of `step`."""
        self.num_steps = order.step
        self.config = replace(self.config, clip_norm=order.clip_norm)
        self.precision = order.precision
        self.governor.plan = Plan(self.governor.plan.micro_batch, order.checkpointing)
        self.loss_scale = LossScale(order.loss_scale, order.good_steps)
        self._take(lambda: own, order.rate, [buffer.clone() for buffer in self._buffers])

    def _split(self, examples: Examples, rate: float) -> Split:
        """How this process shows the batch; the others of the team are given theirs."""
        if self._team is None:
            return lambda: list(micro_batches(examples, self.governor.plan.micro_batch))
        if not self._team_knows:
            self._team.hand_state(self.num_steps, self.parts())
            self._team_knows = True
        order = StepOrder(
            step=self.num_steps,
            rate=rate,
            clip_norm=self.config.clip_norm,
            precision=self.precision,
            checkpointing=self.governor.plan.checkpointing,
            loss_scale=self.loss_scale.value,
            good_steps=self.loss_scale.good_steps,
        )
        parts = list(micro_batches(examples, self.governor.plan.micro_batch, self._team.size))
        own = self._team.hand_out(order, parts)
        return lambda: own

    def _take(self, split: Split, rate: float, statistics: list[Tensor]) -> dict[str, float]:
        """A step; the metrics of the whole batch."""
        values = self._gradients(split, statistics)
        while unfit := {n: value for n, value in values.items() if not math.isfinite(value)}:
            if set(unfit) != {"grad_norm"} or not self.loss_scale.overflowed():
                unfit |= unfit_gradients(self.net)
                self._undo(statistics)
                text = f"step {self.num_steps + 1} was not taken: {unfit!r}"
                raise NonFiniteError(text, step=self.num_steps + 1, values=unfit)
            self._undo(statistics)
            values = self._gradients(split, statistics)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with part("optimiser"):
            self._optimizer.step()
        self.num_steps += 1
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
        """Commits the whole state as a checkpoint under `root`; returns its directory.

        NonFiniteStateError, with nothing written, when a number of it is none.
        """
        trainer: dict[str, float | str] = {
            "num_samples": self.num_samples,
            "loss_scale": self.loss_scale.value,
            "loss_scale_good_steps": self.loss_scale.good_steps,
        }
        if self.is_settled:
            trainer["precision"] = self.precision
        return checkpoints.save(
            root,
            step=self.num_steps,
            model=self.net.config,
            parts=self.parts(),
            parent=parent,
            data_position=data_position,
            trainer=trainer,
            metrics=metrics,
            versions={"torch": str(torch.__version__)},
            fs=fs,
        )

    def parts(self) -> dict[checkpoints.Part, Arrays]:
        """Copies of the whole state, as a checkpoint holds it."""
        return {
            "model": arrays_of(self.net),
            "ema": arrays_of(self.ema),
            "optimizer": {_MASK_RNG: to_array(self._mask_generator.get_state())}
            | moments_to_arrays(self._optimizer, self.net),
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """Takes over the state of a checkpoint loaded with all parts; on a CPU, bit for bit.

        CheckpointError, with nothing changed, when it belongs to a network of another shape.
        """
        if checkpoint.manifest.model != self.net.config:
            raise CheckpointError(
                f"{checkpoint.path}: made for {checkpoint.manifest.model!r}, "
                f"this run trains {self.net.config!r}"
            )
        manifest = checkpoint.manifest
        parts = {
            "model": checkpoint.model,
            "ema": checkpoint.ema,
            "optimizer": checkpoint.optimizer,
        }
        self.take_over(manifest.step, parts, str(checkpoint.path))
        self._restore_counters(manifest.trainer)

    def take_over(self, step: int, parts: Mapping[str, Arrays], path: str) -> None:
        """The state in `parts`, after `step` steps; errors name `path`."""
        self._team_knows = False
        where = f"{path}/optimizer.safetensors"
        arrays = dict(parts["optimizer"])
        require_names(set(arrays) & {_MASK_RNG}, {_MASK_RNG}, where)
        mask_rng = arrays.pop(_MASK_RNG)
        moments = moments_from_arrays(self._optimizer, self.net, arrays, where, self._is_trained)
        load_arrays(self.net, parts["model"], f"{path}/model.safetensors")
        load_arrays(self.ema, parts["ema"], f"{path}/ema.safetensors")
        self._optimizer.state.clear()
        for parameter, state in moments.items():
            self._optimizer.state[parameter] = state
        self._mask_generator.set_state(torch.from_numpy(mask_rng))
        self.num_steps = step

    def _restore_counters(self, saved: Mapping[str, float | str]) -> None:
        self.num_samples = int(saved["num_samples"])
        self.loss_scale = LossScale.of(self.precision)
        before = saved.get("precision")
        if self._rival is not None and before in (self.precision, self._rival):
            # What was measured once stays, so that the run goes on bit for bit.
            if before == self._rival:
                self.precision = self._rival
            self._rival = None
            self._precision_reason = "as measured when this run began"
        elif before == self.precision == "float16":
            self.loss_scale.value = float(saved["loss_scale"])
            self.loss_scale.good_steps = int(saved["loss_scale_good_steps"])

    def _gradients(self, split: Split, statistics: list[Tensor]) -> dict[str, float]:
        """Leaves the clipped gradients of the batch in the weights; metrics, finite or not.

        Where memory runs out, the governor changes the plan and everything is done once more.
        """
        while True:
            self._clear_gradients()
            try:
                return self._accumulate(split(), statistics)
            except RuntimeError as error:
                if not self.device.is_out_of_memory(error):
                    raise
                reason = str(error)
            # Out here the traceback is gone, and with it what it kept of the network's tensors.
            if self.recorder is not None:
                self.recorder.forget()
            self._undo(statistics)
            if self._team is not None:
                raise DeviceError(
                    "no memory on the device for this process's part of a step; set "
                    f"training.micro_batch below {self.governor.plan.micro_batch}: {reason}"
                )
            self._before_risk()
            if not self.governor.make_room():
                raise DeviceError(
                    f"no memory on the device for a step of {split()[0].size} positions, even one "
                    f"at a time; raise device.memory_limit_gib or take a smaller model: {reason}"
                )

    def _accumulate(self, own: Sequence[Examples], statistics: list[Tensor]) -> dict[str, float]:
        self.net.checkpointing = self.governor.plan.checkpointing
        metrics: dict[str, Tensor] = {}
        parts = [self._anchored(shown) for shown in own]
        if self._records and self.recorder is not None and self.recorder.is_empty:
            self._record(self.recorder, parts[0], statistics)
        with nullcontext() if self._team is None else self._team.together():
            for shown in parts:
                for name, value in self._backward(shown, self.loss_scale.value).items():
                    metrics[name] = metrics[name] + value if name in metrics else value
            parameters = [p for p in self._parameters if p.grad is not None]
            if self._team is not None:
                metrics = self._team.add_up(parameters, metrics)
        with part("optimiser"):
            metrics["grad_norm"] = clip(parameters, self.loss_scale.value, self.config.clip_norm)
        found = self.objective.finish(to_cpu(metrics))
        return {name: float(value) for name, value in found.items()}

    def _anchored(self, shown: Examples) -> Examples:
        return shown if self._prior is None else self._prior.shown(shown, self.precision)

    def _backward(self, shown: Examples, scale: float = 1.0) -> dict[str, Tensor]:
        if self._records and self.recorder is not None and self.recorder.fits(shown):
            with part("replay"):
                importance = self.objective.importance(shown, self.num_steps)
                return self.recorder.play(shown, importance)
        return self.objective.backward(
            self.net, self.device, self.precision, shown, self.num_steps, scale
        )

    @property
    def _records(self) -> bool:
        """Whether the present plan is recorded: not with scaled losses or layers computed twice."""
        plan, scale = self.governor.plan, self.loss_scale.value
        return self.recorder is not None and plan.checkpointing == "none" and scale == 1.0

    def _record(self, recorder: Recorder, shown: Examples, statistics: list[Tensor]) -> None:
        """Take down the micro-batch; nothing of it stays but the recording."""
        importance = self.objective.importance(shown, self.num_steps)
        for name, parameter in self.net.named_parameters():
            if self._is_trained(name):
                parameter.grad = torch.zeros_like(parameter)
        recorder.record(
            lambda examples, counts: self.objective.compute(
                self.net, self.device, self.precision, examples, counts
            ),
            shown,
            importance,
        )
        self._undo(statistics)

    def _clear_gradients(self) -> None:
        """A recording adds to the tensors that were there when it was made."""
        is_recorded = self.recorder is not None and not self.recorder.is_empty
        self._optimizer.zero_grad(set_to_none=not is_recorded)

    def _undo(self, statistics: list[Tensor]) -> None:
        """As if the step had not begun."""
        torch._foreach_copy_(self._buffers, statistics)
        self._clear_gradients()

    def _settle(self, examples: Examples) -> None:
        """Decide, once, what needs a measurement on this network: precision and memory."""
        hidden = self.objective.hide(examples, torch.Generator().manual_seed(0))
        hidden = self._anchored(hidden)
        few = hidden.part(0, max(1, examples.size // REHEARSED))
        if self._rival is not None:
            first = self.precision
            timed, slow_s = few, self._seconds(few)
            if slow_s < TOO_SHORT_S and self._team is None:
                timed, slow_s = hidden, self._seconds(hidden)
            self.precision = self._rival
            gain = slow_s / self._seconds(timed)
            if gain < WORTHWHILE:
                self.precision = first
            else:
                self._precision_reason = f"{gain:.1f} times as fast as {first} on this processor"
            self._rival = None
        self.is_settled = True
        self._say(f"trains in {self.precision}: {self._precision_reason}", "info")
        self.governor.settle(
            standing_bytes(self.net) + (self._prior.num_bytes if self._prior else 0),
            lambda mode: bytes_per_position(
                self.net, self.device, lambda: self._rehearse(few, mode), len(few.views["open"])
            ),
        )
        if self._compile.is_on:
            self._say(f"compiles its layers: {self._compile.reason}", "info")
            compile_tower(self.net)

    def _seconds(self, shown: Examples) -> float:
        return best_seconds(lambda: self._rehearse(shown))

    def _rehearse(self, shown: Examples, mode: Checkpointing | None = None) -> None:
        """Forward and backward, without a trace."""
        self.net.checkpointing = mode or self.net.checkpointing
        statistics = [buffer.clone() for buffer in self._buffers]
        try:
            with torch.random.fork_rng(devices=[]):
                self._backward(shown)
        finally:
            self._undo(statistics)

    def _is_trained(self, name: str) -> bool:
        """Whether the parameter belongs to the trunk or to a head that has a term."""
        head = self.net.head_of(name)
        return head is None or head in self.objective.heads
