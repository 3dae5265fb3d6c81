"""`matrix0 profile`: where the time and the memory of a training step go."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matrix0.commands.options import (
    JsonOption,
    PresetOption,
    SetOption,
    echo,
    measured_settings,
    say,
)

if TYPE_CHECKING:
    from backend.config import Config
    from backend.replay.batch import Batch
    from backend.rundir import RunDirectory
    from backend.training.profile import StepProfile


def profile(
    preset: PresetOption = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Positions in a step; default: training.batch_size.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Take settings and positions of this run, instead of made-up ones."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps to measure.")] = 5,
    trace: Annotated[
        Path | None, typer.Option(help="Write a step to this file, for chrome://tracing.")
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where the time and the memory of a training step go."""
    config, directory = measured_settings(run, preset, overrides or [])
    if batch is not None:
        training = dataclasses.replace(config.training, batch_size=batch)
        config = dataclasses.replace(config, training=training)

    from backend.device import choose_device
    from backend.training.profile import profile_step
    from backend.training.trainer import Trainer

    device = choose_device(config.device)
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        device,
        seed=config.seed,
        say=lambda text, level: say(text),
    )
    measured = profile_step(trainer, _draw(config, directory), steps=steps, trace=trace)
    if as_json:
        echo(json.dumps(dataclasses.asdict(measured)))
    else:
        _show(measured, device.reason)


def _draw(config: "Config", run: "RunDirectory | None") -> "Callable[[], Batch]":
    """Batches of the run's games; without a run always the same one, made up."""
    import numpy as np

    from backend.replay.sources import sampler_of, window_of_run
    from backend.training.synthetic import synthetic_batch

    size, rng = config.training.batch_size, np.random.default_rng(config.seed)
    if run is None:
        batch = synthetic_batch(size, config.model.orientation, rng)
        return lambda: batch
    sampler = sampler_of(window_of_run(run, config), config, rng)
    return lambda: sampler.sample(size)


def _show(measured: "StepProfile", device: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    table.add_column("part", no_wrap=True)
    for heading in ("ms", "share", "MiB alive after", "MiB at its peak"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cost in measured.parts:
        table.add_row(
            cost.name,
            f"{1000 * cost.seconds:,.1f}",
            f"{cost.seconds / measured.seconds:.1%}",
            f"{cost.alive_mib:,.1f}",
            f"{cost.peak_mib:,.1f}",
        )
    echo(device)
    echo(
        f"batch {measured.batch_size} in micro-batches of {measured.plan.micro_batch}, "
        f"{measured.precision}, activation checkpointing: {measured.plan.checkpointing}"
    )
    Console().print(table)
    echo(
        f"step: {measured.seconds:.3f} s, {measured.batch_size / measured.seconds:,.0f} samples/s, "
        f"{measured.flops / 1e9:,.1f} GFLOP, {measured.flops / 1e9 / measured.seconds:,.1f} GFLOP/s"
    )
    echo(
        f"FLOP utilisation: {measured.utilisation:.1%} of the "
        f"{measured.peak_flops_per_s / 1e9:,.0f} GFLOP/s of a large product in {measured.precision}"
    )
    held = "" if measured.device_mib is None else f"; the device holds {measured.device_mib:,.0f}"
    echo(f"memory: {measured.peak_rss_mib:,.0f} MiB at the peak of the process{held}")
