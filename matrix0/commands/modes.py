"""What `matrix0-tui` can be asked for besides the screen of a run, and what goes with each.

An option that would be passed over in silence is refused instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import typer

from backend.errors import ExitCode, Matrix0Error


class UsageError(Matrix0Error):
    """Options that contradict each other, or that this terminal cannot serve."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class Mode:
    flag: str
    goes_with: frozenset[str]
    why: str


_SETTINGS: Final = frozenset({"--run", "--preset", "--config", "--set", "--cycles", "--from"})
_SCREEN: Final = _SETTINGS | {"--refresh", "--ascii"}

MODES: Final = (
    Mode(
        "--list",
        frozenset({"DIR", "--json"}),
        "--list shows runs and starts none: it goes with a directory and --json",
    ),
    Mode(
        "--compare",
        frozenset({"DIR", "--ascii"}),
        "--compare and --replay start nothing: each goes alone",
    ),
    Mode(
        "--replay",
        frozenset({"--ascii"}),
        "--compare and --replay start nothing: each goes alone",
    ),
    Mode(
        "--serve",
        frozenset({"--run", "--port", "--read-only", "--refresh"}),
        "--serve shows a run at work and starts none: it goes with --run",
    ),
    Mode(
        "--detach-after-start",
        _SETTINGS,
        "--detach-after-start starts a run and leaves it: it goes with no screen",
    ),
    Mode("--no-ui", _SETTINGS | {"--json"}, "--no-ui has no screen: it goes with settings"),
    Mode(
        "--read-only",
        frozenset({"--run", "--refresh", "--ascii"}),
        "--read-only starts nothing and changes nothing: it goes with --run alone",
    ),
)
"""The first that is given decides."""

_STRANGE: Final[Mapping[str, str]] = {
    "DIR": "a directory is given with --list or --compare; a run with --run",
    "--json": "--json goes with --no-ui or --list",
    "--port": "--port goes with --serve",
}
"""What the screen of a run does not take."""


def check_options(context: typer.Context) -> None:
    """UsageError when an option was given that does not go with the others."""
    given = _given(context)
    for mode in MODES:
        if mode.flag in given:
            for other in given:
                if other != mode.flag and other not in mode.goes_with:
                    raise UsageError(f"{mode.why}, not with {other}")
            return
    for other in given:
        if other not in _SCREEN:
            raise UsageError(_STRANGE[other])


def _given(context: typer.Context) -> list[str]:
    """Options on the command line, and DIR for arguments."""
    found = []
    for parameter in context.command.params:
        assert parameter.name is not None
        source = context.get_parameter_source(parameter.name)
        if source is not None and source.name == "COMMANDLINE":
            is_option = parameter.param_type_name == "option"
            found.append(parameter.opts[0] if is_option else "DIR")
    return found
