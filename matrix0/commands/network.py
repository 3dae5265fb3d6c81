"""`matrix0 model` and `matrix0 import checkpoint`: networks, and those of the earlier program."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matrix0.commands.options import (
    ConfigOption,
    JsonOption,
    PresetOption,
    RunOption,
    SetOption,
    echo,
    say_differences,
)

if TYPE_CHECKING:
    from model.net import Part


def model(preset: PresetOption = None, as_json: JsonOption = False) -> None:
    """Show what the networks of the presets are made of."""
    from backend.presets import PRESETS
    from backend.settings import build_config
    from model.legacy import earlier_parameters
    from model.net import describe

    names = list(PRESETS) if preset is None else [preset]
    configs = {name: build_config(name).model for name in names}
    networks = {
        name: (describe(config), earlier_parameters(config)) for name, config in configs.items()
    }
    if as_json:
        echo(json.dumps({name: _as_data(*network) for name, network in networks.items()}))
    else:
        for name, network in networks.items():
            _show(name, *network)


def import_checkpoint(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .pt file of the earlier program.")
    ],
    run: RunOption,
    preset: PresetOption = None,
    config_file: ConfigOption = None,
    overrides: SetOption = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The weights as trained, not their moving average.")
    ] = False,
) -> None:
    """Make a network of the earlier program the first of a run; sizes are read from the file."""
    from backend.earlier import commit_earlier, read_earlier
    from backend.rundir import RunDirectory
    from backend.settings import build_config

    if preset is None and config_file is None:
        preset = "flagship"
    config = build_config(preset, config_file, overrides or [])
    earlier = read_earlier(file, config.model, raw=raw, limits=config.limits)
    weights = earlier.weights
    config = replace(config, model=weights.config)
    directory = RunDirectory(run)
    directory.create()
    with directory.lock("matrix0 import checkpoint"):
        kept, differences = directory.settle(config, preset or "")
        say_differences(directory, differences)
        imported = commit_earlier(earlier, directory, kept)
    size = weights.config
    echo(
        f"{imported.path.name}: {len(weights.tensors)} tensors and {weights.num_aliases} second "
        f"names, the {earlier.source} weights of its step {earlier.step:,}; "
        f"{size.channels} channels, {size.blocks} blocks"
    )
    echo(f"initialised anew: {', '.join(imported.fresh) or 'nothing'}")


def _as_data(parts: "list[Part]", earlier: int | None) -> dict[str, object]:
    return {
        "parameters": sum(part.parameters for part in parts),
        "of_the_earlier_program": earlier,
        "parts": [
            {"name": part.name, "copies": part.copies, "parameters": part.parameters}
            for part in parts
        ],
    }


def _show(name: str, parts: "list[Part]", earlier: int | None) -> None:
    """`earlier`: parameters of the earlier program's network inside this one, None without one."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    total = sum(part.parameters for part in parts)
    table = Table(title=f"{name}: {total:,} parameters", box=box.SIMPLE, title_justify="left")
    table.add_column("part", no_wrap=True)
    for heading in ("copies", "parameters", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in parts:
        share = f"{part.parameters / total:.1%}"
        table.add_row(part.name, str(part.copies), f"{part.parameters:,}", share)
    if earlier is not None:
        table.add_section()
        for what, number in (("earlier program's", earlier), ("added here", total - earlier)):
            table.add_row(what, "", f"{number:,}", f"{number / total:.1%}")
    Console().print(table)
