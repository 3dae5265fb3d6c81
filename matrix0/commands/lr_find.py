"""`matrix0 lr-find`: the learning-rate range test, with its curve in the terminal."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from matrix0.commands.options import (
    JsonOption,
    PresetOption,
    SetOption,
    echo,
    has_ascii_alone,
    measured_settings,
    say,
)
from matrix0.commands.progress import Meter, interruptible

if TYPE_CHECKING:
    from backend.training.range_test import RangeTest

HEIGHT: Final = 16
MAX_WIDTH: Final = 100
"""Of the curve, cells."""


def lr_find(
    run: Annotated[Path, typer.Option(help="Run with games to learn from; it stays as it is.")],
    preset: PresetOption = None,
    lowest: Annotated[float, typer.Option("--from", help="First rate.")] = 1e-5,
    highest: Annotated[float, typer.Option("--to", help="Last rate.")] = 1.0,
    steps: Annotated[int, typer.Option(min=10, help="Steps between them.")] = 200,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a fresh network while the rate rises exponentially; show the loss, suggest a rate."""
    if not 0 < lowest < highest < math.inf:
        raise typer.BadParameter(f"{highest:g} must be above {lowest:g}", param_hint="--to")
    config, directory = measured_settings(run, preset, overrides or [])
    assert directory is not None

    import numpy as np

    from backend.device import choose_device
    from backend.replay.sources import sampler_of, window_of_run
    from backend.training.range_test import range_test
    from backend.training.trainer import Trainer

    window = window_of_run(directory, config)
    sampler = sampler_of(window, config, np.random.default_rng(config.seed))
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        choose_device(config.device),
        seed=config.seed,
        say=lambda text, level: say(text),
    )
    with interruptible() as should_stop, Meter() as meter:
        found = range_test(
            trainer,
            lambda: sampler.sample(config.training.batch_size),
            lowest=lowest,
            highest=highest,
            steps=steps,
            on_step=lambda step, rate, loss: meter.show(
                f"step {step:,}", step / steps, f"rate {rate:.1e}, loss {loss:.4g}"
            ),
            should_stop=should_stop,
        )
    if as_json:
        echo(json.dumps(_as_data(found)))
        return
    for line in _curve(found):
        echo(line)
    if found.ended:
        echo(f"ended {found.ended}")
    echo(found.verdict)


def _as_data(found: "RangeTest") -> dict[str, object]:
    return {
        "rates": found.rates,
        "losses": found.losses,
        "smoothed": found.smoothed,
        "ended": found.ended,
        "suggestion": found.suggestion,
    }


def _curve(found: "RangeTest") -> list[str]:
    import numpy as np
    from rich.console import Console

    from tui.figure import Curve, Figure, Mark
    from tui.glyphs import ASCII, UNICODE
    from tui.plot import PlotStyle, plot

    rates = np.log10(np.array(found.rates))
    marks = () if found.suggestion is None else (Mark(math.log10(found.suggestion), "best"),)
    figure = Figure(
        curves=(Curve("loss", rates, np.array(found.smoothed)),), marks=marks, x_unit="rate"
    )
    style = PlotStyle(glyphs=ASCII if has_ascii_alone() else UNICODE, smoothing=0.0)
    rows = plot(figure, min(Console().width, MAX_WIDTH), HEIGHT, style).rows
    return ["".join(text for text, _ in row).rstrip() for row in rows]
