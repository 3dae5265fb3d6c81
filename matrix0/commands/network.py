"""`matrix0 model`: what the networks of the presets are made of."""

import json
from typing import TYPE_CHECKING

import typer

from matrix0.commands.options import JsonOption, PresetOption

if TYPE_CHECKING:
    from model.net import Part


def model(preset: PresetOption = None, as_json: JsonOption = False) -> None:
    """Show what the networks of the presets are made of."""
    from backend.presets import PRESETS
    from backend.settings import build_config
    from model.net import describe

    names = list(PRESETS) if preset is None else [preset]
    networks = {name: describe(build_config(name).model) for name in names}
    if as_json:
        typer.echo(json.dumps({name: _as_data(parts) for name, parts in networks.items()}))
    else:
        for name, parts in networks.items():
            _show(name, parts)


def _as_data(parts: "list[Part]") -> dict[str, object]:
    return {
        "parameters": sum(part.parameters for part in parts),
        "parts": [
            {"name": part.name, "copies": part.copies, "parameters": part.parameters}
            for part in parts
        ],
    }


def _show(name: str, parts: "list[Part]") -> None:
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
    Console().print(table)
