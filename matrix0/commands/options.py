"""What several commands share, so that it means and says the same everywhere."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from backend.errors import RunDirectoryError
from backend.text import clean

if TYPE_CHECKING:
    from backend.config import Config
    from backend.rundir import RunDirectory

FIRST_PRESET: Final = "tiny"
"""What a new run takes when nothing is said: it learns on any machine in minutes."""

PRESET_HELP = "Starting point for the settings: tiny, small or flagship."

RunOption = Annotated[Path, typer.Option("--run", help="Run directory.", show_default=False)]
CheckpointArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Checkpoint: step-00001500.", show_default=False)
]
PresetOption = Annotated[str | None, typer.Option("--preset", help=PRESET_HELP)]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="TOML file of settings, only what it changes; or a recipe (matrix0 recipes).",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="K=V", help="One setting, as in search.simulations=32; may be repeated."
    ),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why; it is kept in the run's journal.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Output for machines.")]
AsciiOption = Annotated[
    bool,
    typer.Option("--ascii", help="Draw with ASCII alone, as where the terminal knows no Unicode."),
]


def has_ascii_alone() -> bool:
    """Whether the encoding of the output says that it knows no other signs."""
    return "utf" not in (sys.stdout.encoding or "").lower()


def asked_settings(
    directory: "RunDirectory", preset: str | None, file: Path | None, overrides: list[str]
) -> "tuple[Config, str]":
    """The settings asked for and the name of their preset; what is not said, an old run decides."""
    from backend.settings import build_config, preset_of

    if preset is None and file is not None:
        preset = preset_of(file)
    if preset is None and directory.exists:
        # A file with nothing but keys asks for no other settings than the run has.
        return build_config(file=file, overrides=overrides, base=directory.read_config()), ""
    if preset is None and file is None:
        say(f"a new run without --preset or --config: taking preset {FIRST_PRESET}")
        preset = FIRST_PRESET
    return build_config(preset, file, overrides), preset or ""


def usual_run(preset: str | None, file: Path | None) -> Path:
    """Where a run lies when nobody says where: it has the name of its recipe or preset."""
    from backend.recipes import settings_file

    is_recipe = file is not None and settings_file(file) != file
    return Path("runs") / (file.name if file and is_recipe else preset or FIRST_PRESET)


def measured_settings(
    run: Path | None, preset: str | None, overrides: list[str]
) -> "tuple[Config, RunDirectory | None]":
    """Settings of something that is only measured; of a run, or without one of a preset.

    Nothing is saved. RunDirectoryError when there is no such run.
    """
    from backend.rundir import RunDirectory
    from backend.settings import build_config

    if run is None:
        return build_config(preset or FIRST_PRESET, overrides=overrides), None
    directory = RunDirectory(run)
    if not directory.path.is_dir():
        raise RunDirectoryError(f"{directory.path}: there is no such run")
    return asked_settings(directory, preset, None, overrides)[0], directory


def say_differences(directory: "RunDirectory", differences: list[str]) -> None:
    """How what was asked differs from what an existing run keeps."""
    if differences:
        say(f"{directory.path} keeps its own settings; for others choose another --run")
    for line in differences:
        say(line)


def say(text: str) -> None:
    """A remark, beside the output."""
    echo(f"matrix0: {text}", err=True)


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Prints a line; names and texts of others in it cannot speak to the terminal."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    typer.echo(clean(said, limit=len(said)), err=err, nl=nl)
