"""`matrix0 overfit`: whether every head of the network learns one batch by heart."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from matrix0.commands.options import (
    JsonOption,
    PresetOption,
    SetOption,
    echo,
    measured_settings,
    say,
)
from matrix0.commands.progress import Meter, interruptible

if TYPE_CHECKING:
    from backend.config import Config
    from backend.replay.batch import Batch
    from backend.rundir import RunDirectory
    from backend.training.overfit import Lesson

DOES_NOT_LEARN: Final = 1
"""Exit code: the question was answered, and the answer is no."""


def overfit(
    preset: PresetOption = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Take settings and positions of this run, instead of made-up ones."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Positions in the batch.")] = 64,
    steps: Annotated[int, typer.Option(min=2, help="Steps to take on it.")] = 200,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a fresh network on one batch; exit code 1 names what does not learn it by heart."""
    config, directory = measured_settings(run, preset, overrides or [])

    from backend.device import choose_device
    from backend.training.overfit import for_overfitting
    from backend.training.overfit import overfit as learn_by_heart
    from backend.training.trainer import Trainer

    config = for_overfitting(config, steps)
    fixed = _batch(config, directory, batch)
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        choose_device(config.device),
        seed=config.seed,
        say=lambda text, level: say(text),
    )
    with interruptible() as should_stop, Meter() as meter:

        def on_step(step: int, metrics: Mapping[str, float]) -> None:
            losses = [f"{head} {metrics[f'{head}_loss']:.4g}" for head in trainer.objective.heads]
            meter.show(f"step {step:,}", step / steps, ", ".join(losses))

        lessons = learn_by_heart(trainer, fixed, steps, on_step=on_step, should_stop=should_stop)
    if as_json:
        echo(json.dumps([_as_data(lesson) for lesson in lessons]))
    else:
        _show(lessons, len(fixed), trainer.num_steps)
    if any(lesson.fault for lesson in lessons):
        raise typer.Exit(DOES_NOT_LEARN)


def _batch(config: "Config", run: "RunDirectory | None", size: int) -> "Batch":
    import numpy as np

    from backend.replay.sources import sampler_of, window_of_run
    from backend.training.overfit import distinct_batch
    from backend.training.synthetic import synthetic_batch

    rng = np.random.default_rng(config.seed)
    if run is None:
        return synthetic_batch(size, config.model.orientation, rng)
    window = window_of_run(run, config)
    return distinct_batch(window, sampler_of(window, config, rng), size, rng)


def _as_data(lesson: "Lesson") -> dict[str, object]:
    return {**dataclasses.asdict(lesson), "way": lesson.way, "fault": lesson.fault}


def _show(lessons: "list[Lesson]", size: int, steps: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    table.add_column("head", no_wrap=True)
    for heading in ("first loss", "last loss", "floor", "guessing", "way"):
        table.add_column(heading, justify="right", no_wrap=True)
    for lesson in lessons:
        table.add_row(
            lesson.head,
            f"{lesson.first:.4f}",
            f"{lesson.last:.4f}",
            f"{lesson.floor:.4f}",
            "-" if lesson.guess is None else f"{lesson.guess:.4f}",
            f"{lesson.way:.0%}" if lesson.is_asked else "not asked",
        )
    echo(f"{steps:,} steps on the same {size} positions")
    Console().print(table)
    faults = [f"{lesson.head} does not learn: {lesson.fault}" for lesson in lessons if lesson.fault]
    for line in faults or ["every head that is asked learns"]:
        echo(line)
