"""`matrix0 verify`: whether a run on disk is whole."""

from pathlib import Path
from typing import Annotated

import typer

from backend.errors import ExitCode
from matrix0.commands.options import JsonOption

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Run directory.", show_default=False)
]


def verify(
    run: RunArgument,
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare hashes and counts only; play no game again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a whole run: database against files, every hash, every game. It may be at work.

    One line for each problem: the file, and what is wrong with it. Exit code 65 if there is any.
    """
    import msgspec

    from backend.audit.run import examine
    from backend.rundir import RunDirectory
    from backend.wire import clean

    audit = examine(RunDirectory(run), replays=not quick)
    if as_json:
        typer.echo(msgspec.json.encode(audit))
    else:
        for problem in sorted(audit.problems):
            typer.echo(clean(str(problem)))
        for note in sorted(audit.notes):
            typer.echo(clean(f"(note) {note}"))
        typer.echo(f"{run}: {audit.in_words()}")
    if not audit.is_whole:
        raise typer.Exit(ExitCode.BAD_DATA)
