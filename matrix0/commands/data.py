"""`matrix0 train`: learning from games of others, without a supervisor."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backend import ssl_readings
from matrix0.commands.options import (
    ConfigOption,
    PresetOption,
    RunOption,
    SetOption,
    asked_settings,
    echo,
    say,
    say_differences,
)
from matrix0.commands.progress import Meter, interruptible
from matrix0.commands.starting import FromOption, starting_from

if TYPE_CHECKING:
    from backend.config import Config
    from backend.events import TrainingStep
    from backend.heldout import Measurement
    from backend.rundir import RunDirectory


def train(
    run: RunOption,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps to take.")],
    source: Annotated[
        Literal["imported"], typer.Option(help="Where the positions come from.")
    ] = "imported",
    preset: PresetOption = None,
    file: ConfigOption = None,
    overrides: SetOption = None,
    network: FromOption = None,
) -> None:
    """Train the network of a run on its imported games and measure it on those held out."""
    assert source == "imported"
    from backend.processes import rank_by_torchrun
    from backend.rundir import RunDirectory

    if rank_by_torchrun():
        from backend.training.gathering import follow

        raise typer.Exit(follow())

    directory = RunDirectory(run)
    config, preset = asked_settings(directory, preset, file, overrides or [])
    if network is not None:
        config = starting_from(network, directory, config, preset, "matrix0 train")
    directory.create()
    with directory.lock("matrix0 train"):
        kept, differences = directory.settle(config, preset)
        say_differences(directory, differences)

        measured = _train(directory, kept, steps)
    echo(
        f"step {measured.step:,}: the first choice is the move that was played in "
        f"{measured.top1:.1%} of {measured.positions:,} held-out positions, "
        f"one of the first five in {measured.top5:.1%}"
    )


def _train(directory: "RunDirectory", kept: "Config", steps: int) -> "Measurement":
    """Takes the steps, together with others where there are any."""
    from backend.supervised import SupervisedTraining
    from backend.training.ranks import team_of

    with team_of(directory, kept) as team:
        training = SupervisedTraining(directory, kept, say, team)
        echo(
            f"step {training.step:,}: {training.num_positions:,} positions to learn from, "
            f"{training.num_unseen:,} held out"
        )
        if training.num_left_out:
            say(
                f"{training.num_left_out:,} more are more than "
                f"{kept.replay.imported_positions:,} (replay.imported_positions)"
            )
        steps = training.num_left(steps)
        end = training.step + steps
        dead_heads = ssl_readings.DeadHeads(kept.ssl.dead_after_steps)

        def on_metrics(point: "TrainingStep") -> None:
            _show_training(meter, point, end, steps)
            for sentence in dead_heads.found(point.step, point.metrics):
                say(sentence)

        with interruptible() as should_stop, Meter() as meter:
            return training.train(
                steps,
                on_metrics=on_metrics,
                on_measured=_show_measurement,
                on_trouble=lambda trouble: say(trouble.sentence),
                should_stop=should_stop,
            )


def _show_measurement(measured: "Measurement") -> None:
    echo(
        f"step {measured.step:>7,}  held out: top-1 {measured.top1:6.2%}  "
        f"top-5 {measured.top5:6.2%}  "
        f"policy {measured.policy_loss:.4f}  value {measured.value_loss:.4f}"
    )


def _show_training(meter: Meter, point: "TrainingStep", end: int, steps: int) -> None:
    shown = (
        *("policy_loss", "policy_top1", "value_loss"),
        *("plies_left_error", "short_value_loss", "reply_top1", "anchor_kl", "samples_per_s"),
    )
    readings = [f"{name} {point.metrics[name]:.4g}" for name in shown if name in point.metrics]
    readings += [
        f"{name.removeprefix('share_')} {value:.0%}"
        for name, value in point.metrics.items()
        if name.startswith("share_")
    ]
    readings += filter(None, [ssl_readings.in_words(point.metrics.get)])
    meter.show(f"step {point.step:,}", 1 - (end - point.step) / steps, ", ".join(readings))
