"""`matrix0 config` and `matrix0 doctor`: the settings, and the machine they meet."""

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import typer

from matrix0.commands.options import ConfigOption, PresetOption, SetOption

LIBRARIES: Final = (
    "torch",
    "numba",
    "numpy",
    "chess",
    "safetensors",
    "msgspec",
    "aiosqlite",
    "textual",
    "rich",
    "typer",
    "psutil",
    "zstandard",
)


def config(
    preset: PresetOption = None, file: ConfigOption = None, overrides: SetOption = None
) -> None:
    """Print every setting as TOML, each with its sentence."""
    from backend.settings import build_config, dump_config

    typer.echo(dump_config(build_config(preset, file, overrides or ())), nl=False)


def doctor() -> None:
    """Show what Matrix0 finds on this machine."""
    findings = {
        "software": dict(_software()),
        "machine": dict(_machine()),
        "device": dict(_device()),
        "terminal": dict(terminal(os.environ)),
    }
    width = max(len(name) for group in findings.values() for name in group)
    for number, (title, group) in enumerate(findings.items()):
        typer.echo(f"{chr(10) if number else ''}{title}")
        for name, finding in group.items():
            typer.echo(f"  {name:<{width}}  {finding}")


def _software() -> Iterator[tuple[str, str]]:
    from importlib.metadata import version
    from importlib.util import find_spec

    import matrix0

    yield "matrix0", f"{matrix0.__version__} in {Path(matrix0.__file__).parent}"
    yield "python", f"{platform.python_version()} at {sys.executable}"
    yield "sqlite", sqlite3.sqlite_version
    for name in LIBRARIES:
        yield name, version(name)
    has_openvino = find_spec("openvino") is not None
    yield "openvino", version("openvino") if has_openvino else "none: networks run in torch only"


def _machine() -> Iterator[tuple[str, str]]:
    import psutil

    from model.rules.kernel import cache_folder

    yield "system", platform.platform()
    cores = psutil.cpu_count(logical=False)
    yield "cores", f"{os.cpu_count()} logical, {cores or '-'} physical"
    memory = psutil.virtual_memory()
    yield "memory", f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB free"
    here = Path.cwd()
    yield "disk", f"{shutil.disk_usage(here).free / 2**30:.1f} GiB free in {here}"
    kernels = cache_folder()
    yield "kernel cache", str(kernels) if kernels else "none is writable: every start compiles"


def _device() -> Iterator[tuple[str, str]]:
    from backend.config import DeviceConfig
    from backend.device import choose_device
    from backend.training.precision import choose_precision

    device = choose_device(DeviceConfig())
    total = device.memory().total
    yield "chosen", device.reason
    yield "inference", device.inference_precision
    choice = choose_precision("auto", device)
    either = f" or {choice.rival}, whichever is faster" if choice.rival else ""
    yield "training", f"{choice.precision}{either}: {choice.reason}"
    yield "memory of device", f"{total / 2**30:.1f} GiB" if total else "-"


def terminal(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the screen can count on."""
    size = shutil.get_terminal_size()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    enough = "" if size.columns >= 80 and size.lines >= 24 else "; the screen wants 80x24"
    yield "interactive", "yes" if interactive else "no: matrix0-tui needs --no-ui here"
    yield "size", f"{size.columns}x{size.lines}{enough}"
    yield "TERM", environment.get("TERM") or "-"
    yield "colours", _colours(environment)
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    yield "characters", "UTF-8" if encoding == "utf8" else f"{encoding or '-'}: charts need UTF-8"


def _colours(environment: Mapping[str, str]) -> str:
    if environment.get("NO_COLOR"):
        return "none: NO_COLOR is set"
    if environment.get("COLORTERM") in ("truecolor", "24bit"):
        return "16 million"
    if "256color" in environment.get("TERM", ""):
        return "256"
    return "16 or fewer" if environment.get("TERM") not in (None, "", "dumb") else "none"
