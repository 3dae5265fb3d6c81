"""Options that several commands share, so that they mean and say the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

PRESET_HELP = "Starting point for the settings: tiny, small or flagship."

RunOption = Annotated[Path, typer.Option("--run", help="Run directory.", show_default=False)]
PresetOption = Annotated[str | None, typer.Option("--preset", help=PRESET_HELP)]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file of settings; only what it changes.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="K=V", help="One setting, as in search.simulations=32; may be repeated."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Output for machines.")]
