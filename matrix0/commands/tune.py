"""`matrix0 tune`: measures this machine and proposes settings for it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matrix0.commands.options import JsonOption, echo, say

if TYPE_CHECKING:
    from backend.advice.rule import Machine, Proposal


def tune(
    seconds: Annotated[
        float, typer.Option(min=1, max=600, help="Time to measure; less leaves large networks out.")
    ] = 120,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Settings as TOML, for --config FILE."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure this machine and propose network, workers, games, batch and simulations for it."""
    import msgspec

    from backend.advice.measuring import measure_machine
    from backend.advice.rule import propose
    from backend.advice.toml import as_toml
    from backend.commit import commit_file
    from backend.presets import PRESETS
    from backend.settings import build_config

    presets = {name: build_config(name) for name in PRESETS}
    machine = measure_machine(presets, seconds, say)
    chosen = propose(machine, presets)
    if write is not None:
        commit_file(write, as_toml(machine, chosen).encode())
    if as_json:
        echo(msgspec.json.encode({"machine": asdict(machine), "proposal": asdict(chosen)}))
    else:
        _show(machine, chosen)
        if write is None:
            echo("--write FILE keeps it; matrix0-tui --config FILE starts with it")
        else:
            echo(f"{write} is written; start with: matrix0-tui --config {write} --run runs/NAME")


def _show(machine: "Machine", chosen: "Proposal") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from backend.advice.toml import predictions, proposal_lines

    console = Console()
    measured = Table(title=Text(machine.reason), box=box.SIMPLE, title_justify="left")
    measured.add_column("measured", no_wrap=True)
    for heading in ("weights", "games", "evaluations/s", "samples/s"):
        measured.add_column(heading, justify="right", no_wrap=True)
    measured.add_column("played by")
    for speed in machine.speeds:
        measured.add_row(
            speed.preset,
            f"{speed.weights:,}",
            f"{speed.games:,}",
            f"{speed.evaluations_per_s:,.0f}",
            f"{max(speed.samples_per_s.values()):,.0f}",
            speed.runtime,
        )
    console.print(measured)
    if machine.left_out:
        echo(f"not measured: {machine.left_out}")
    proposed = Table(box=box.SIMPLE)
    for heading in ("proposed", "value", "follows from"):
        proposed.add_column(heading, no_wrap=heading != "follows from")
    proposed.add_row("preset", chosen.preset, "the largest that comes far within a day")
    for table, key, value, why in proposal_lines(machine, chosen):
        proposed.add_row(Text(f"{table}.{key}"), value, Text(why))
    console.print(proposed)
    echo("predicted, not measured:")
    for text in predictions(chosen):
        echo(f"  {text}")
