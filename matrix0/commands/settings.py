"""`matrix0 config`: the settings."""

from matrix0.commands.options import ConfigOption, PresetOption, SetOption, echo


def config(
    preset: PresetOption = None, file: ConfigOption = None, overrides: SetOption = None
) -> None:
    """Print every setting as TOML, each with its sentence."""
    from backend.settings import build_config
    from backend.settings_text import dump_config

    echo(dump_config(build_config(preset, file, overrides or ())), nl=False)
