"""What this machine does with each preset, measured within a time that is given."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import psutil
import torch

from backend.advice.memory import memory_need
from backend.advice.rule import Machine, Speed
from backend.config import Config
from backend.device import Device, choose_device
from backend.errors import DeviceError
from backend.inference.choose import Chooser
from backend.search.warmup import warm_up
from backend.selfplay.groups import batch_size, num_groups
from backend.selfplay.tuning import tune_games
from backend.training.synthetic import synthetic_batch
from backend.training.trainer import Trainer
from model.net import ChessNet, describe

BATCHES: Final = (1, 2, 4)
"""Times the preset's batch, while there is time and memory; on a CPU the first alone."""
_COMPARED: Final = 128
"""Positions for choosing a runtime: here its speed is asked for, not its last digits."""
_STEPS: Final = 2
_GROWTH: Final = 0.7
"""Measuring a network takes so much longer: (its weights / those of the one before) to this."""

Say = Callable[[str], None]


def measure_machine(presets: Mapping[str, Config], seconds: float, say: Say) -> Machine:
    """Measures preset by preset, smallest network first, until the next would not fit the time.

    The first is always measured, kernels that must be compiled before are not counted.
    """
    warm_up(
        lambda kernel, done, needed: say("compiled the chess kernels") if done == needed else None
    )
    ends_at = time.monotonic() + seconds
    memory_gib = psutil.virtual_memory().total / 2**30
    device = choose_device(next(iter(presets.values())).device)
    speeds: list[Speed] = []
    left_out = ""
    taken_s = 0.0
    for name, config in presets.items():
        weights = sum(part.parameters for part in describe(config.model))
        left_s = ends_at - time.monotonic()
        if speeds and taken_s * (weights / speeds[-1].weights) ** _GROWTH > left_s:
            left_out = f"{name} and larger: no time was left for them"
            break
        say(f"measuring {name}")
        began = time.monotonic()
        speeds.append(_measure(name, config, weights, device, memory_gib, left_s))
        taken_s = time.monotonic() - began
    return Machine(
        device=device.kind,
        reason=device.reason,
        cores=_cores(),
        memory_gib=memory_gib,
        speeds=speeds,
        left_out=left_out,
    )


def _measure(
    name: str, config: Config, weights: int, device: Device, memory_gib: float, left_s: float
) -> Speed:
    """A third of the time for games, a third for training; runtimes take what they need."""
    inference = replace(
        config.inference, agreement_positions=_COMPARED, calibration_positions=_COMPARED
    )
    groups = num_groups(config.selfplay, device.kind)
    batch = batch_size(config.selfplay, groups)
    chooser = Chooser(inference, device, batch=batch, replay=None, seed=config.seed)
    choice = chooser.choose(ChessNet(config.model))
    games_end = time.monotonic() + left_s / 3
    tuned = tune_games(
        config.selfplay,
        config.search,
        choice.inference,
        groups,
        lambda games: time.monotonic() < games_end,
    )
    need = memory_need(config, memory_gib, games=tuned.games)
    return Speed(
        preset=name,
        weights=weights,
        runtime=f"{choice.candidate}",
        games=tuned.games,
        evaluations_per_s=tuned.evaluations_per_s[tuned.tried.index(tuned.games)],
        samples_per_s=_train(config, device, left_s / 3),
        worker_gib=need.worker,
        others_gib=need.trainer + need.evaluator,
    )


def _train(config: Config, device: Device, seconds: float) -> dict[int, float]:
    """Samples a second by batch size, while there is time, memory and gain."""
    ends_at = time.monotonic() + seconds
    on_cpu = device.kind == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    rng = np.random.default_rng(config.seed)
    rates: dict[int, float] = {}
    for times in BATCHES[:1] if on_cpu else BATCHES:
        size = times * config.training.batch_size
        if rates and time.monotonic() > ends_at:
            break
        training = replace(config.training, batch_size=size)
        trainer = Trainer(
            config.model,
            config.ssl,
            training,
            device,
            seed=config.seed,
            say=lambda text, level: None,
        )
        batch = synthetic_batch(size, config.model.orientation, rng)
        try:
            trainer.step(batch)  # Settles precision and memory; may compile.
            device.accelerator.synchronize()
            began, taken = clock(), 0
            while taken < _STEPS and (taken == 0 or time.monotonic() < ends_at):
                trainer.step(batch)
                taken += 1
            device.accelerator.synchronize()
        except DeviceError:
            if not rates:
                raise
            break
        threads = torch.get_num_threads() if on_cpu else 1
        rates[size] = taken * size * threads / (clock() - began)
    return rates


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
