"""`matrix0 export`: a network as a file for other programs, compared before it is kept."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from backend.errors import ConfigError
from matrix0 import __version__
from matrix0.commands.options import JsonOption, echo, say


def export(
    network: Annotated[
        Path,
        typer.Argument(
            metavar="NETWORK", help="A checkpoint's directory, or a run: its best network."
        ),
    ],
    form: Annotated[
        Literal["safetensors", "onnx", "coreml"],
        typer.Option(
            "--format", help="onnx and coreml need the extras [onnx] and [coreml]; coreml a Mac."
        ),
    ] = "safetensors",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where; default: ./RUN-CHECKPOINT.SUFFIX."),
    ] = None,
    positions: Annotated[
        int, typer.Option(min=1, help="Positions on which it must answer as torch float32 does.")
    ] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Export a network for other programs; it is read back and compared before it is kept.

    A report lies beside it: NAME.json. Exit code 1: it answers otherwise, and nothing was kept.
    """
    from backend.engine.network import find_network
    from backend.export.facts import run_of
    from backend.export.formats import make_format

    made = make_format(form)
    found = find_network(network)
    target = output or Path(f"{run_of(found.path)}-{found.path.name}{made.suffix}")
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"{target}: there is no such folder; make it first")
    if target.is_dir():
        raise ConfigError(f"{target}: exists already; choose another --output")

    import msgspec

    from backend.export.export import export_network, report_path

    report = export_network(
        found.path, target, made, version=__version__, num_positions=positions, say=say
    )
    if as_json:
        echo(msgspec.json.encode(report))
        return
    parity = report.parity
    echo(f"{target}: {found.path.name} ({found.reason}), {report.num_bytes / 2**20:,.1f} MiB")
    echo(f"  read back by {report.runtime}, {parity.positions:,} positions of {report.positions}")
    echo(
        f"  max |Δp| {parity.max_policy_error:.1e}, first choice differs in {parity.top1_flips:,}, "
        f"max |Δv| {parity.max_value_error:.1e}"
    )
    echo(f"  report: {report_path(target)}")
