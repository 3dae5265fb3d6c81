"""The outermost frame of every program: how its command line looks, and its last words."""

import sys
import traceback
from typing import Any, Final

import typer

from backend.errors import ExitCode, Matrix0Error
from backend.text import clean

PLAIN: Final[dict[str, Any]] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}


def run(command_line: typer.Typer, name: str) -> None:
    """Does what the command line says; an error is one line on stderr and an exit code."""
    try:
        command_line(prog_name=name)
    except Matrix0Error as error:
        print(f"{name}: {clean(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the outermost frame: a bug is shown whole
        print(clean(traceback.format_exc(), limit=100_000), file=sys.stderr)
        what = f"{type(error).__name__}: {error}"
        print(f"{name}: internal error, please report it: {clean(what)}", file=sys.stderr)
        sys.exit(ExitCode.INTERNAL)
