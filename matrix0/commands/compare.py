"""`matrix0 compare`: runs side by side in plain text, and their curves as CSV."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import ConfigError
from matrix0.commands.options import echo

if TYPE_CHECKING:
    from backend.compare.side import Side

DEFAULT_METRICS = ("policy_loss", "value_loss")


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN…", help="Run directories, two to six.", show_default=False),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="A curve for --csv; may be repeated.", show_default=False),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the curves there.", show_default=False),
    ] = None,
) -> None:
    """Compare runs: best and final values, settings that differ, what happened.

    Nothing is written to the runs; they may be at work. --csv writes policy_loss and value_loss
    unless --metric names others. On the screen: matrix0-tui --compare.
    """
    from backend.commit import commit_file
    from backend.compare.export import csv_of
    from backend.compare.side import rated, read_side
    from backend.compare.table import LETTERS
    from backend.rundir import RunDirectory

    if not 2 <= len(runs) <= len(LETTERS):
        raise ConfigError(f"two to {len(LETTERS)} runs are compared, not {len(runs)}")
    directories = [RunDirectory(run) for run in runs]
    for directory in directories:
        if not directory.exists:
            raise ConfigError(f"{directory.path}: there is no such run")
    sides = [rated(read_side(directory)) for directory in directories]
    wanted = list(dict.fromkeys(metric or DEFAULT_METRICS))
    known = sorted({name for side in sides for name in side.metrics})
    for name in metric or ():
        if name not in known:
            raise ConfigError(f"--metric {name!r}: no run has it; there are {', '.join(known)}")
    for line in _text(sides):
        echo(line)
    if csv is not None:
        commit_file(csv.absolute(), csv_of(sides, wanted).encode())
        echo(f"{csv}: {', '.join(wanted)}")


def _text(sides: "list[Side]") -> list[str]:
    from backend.compare.settings import differences
    from backend.compare.table import LETTERS, printed, table

    letters = list(LETTERS[: len(sides)])
    lines = []
    for letter, side in zip(letters, sides, strict=True):
        state = f"{side.state} {side.detail}".strip()
        lines.append(f"{letter}  {side.run.name}  {state}")
        if side.problem:
            lines.append(f"   {side.problem}")
    rows = table(sides)
    heads = ["final (best)", *letters, "ahead"]
    cells = [[row.name, *row.cells, row.leader] for row in rows]
    lines += ["", *printed(list(zip(heads, *cells, strict=True)))]
    changed = differences([side.settings for side in sides])
    lines += ["", "settings that differ" if changed else "no setting differs"]
    if changed:
        columns = list(zip(*([key, *values] for key, values in changed), strict=True))
        lines += printed(
            [["", *columns[0]], *([n, *c] for n, c in zip(letters, columns[1:], strict=True))]
        )
    happened = sorted(
        (h.step, letter, h.text)
        for letter, side in zip(letters, sides, strict=True)
        for h in side.happenings
    )
    if happened:
        lines += ["", "events"]
        lines += [f"step {step:>9,.0f}  {letter}  {text}" for step, letter, text in happened]
    return lines
