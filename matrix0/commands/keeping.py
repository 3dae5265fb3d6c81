"""`matrix0 verify`, `backup` and `restore`: whether a run is whole, and its copies."""

from pathlib import Path
from typing import Annotated

import typer

from backend.errors import ExitCode
from matrix0.commands.options import JsonOption, echo

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

    audit = examine(RunDirectory(run), replays=not quick)
    if as_json:
        echo(msgspec.json.encode(audit))
    else:
        for problem in sorted(audit.problems):
            echo(str(problem))
        for note in sorted(audit.notes):
            echo(f"(note) {note}")
        echo(f"{run}: {audit.in_words()}")
    if not audit.is_whole:
        raise typer.Exit(ExitCode.BAD_DATA)


def backup(
    run: RunArgument,
    destination: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DEST]", help="Folder; without it RUN/backups.", show_default=False
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", metavar="N", help="Older ones are removed; at least 3.", show_default=False
        ),
    ] = None,
) -> None:
    """Back a run up, also one that is at work.

    What several backups have in common is stored once. In RUN/backups files are shared with the
    run and cost no space: that helps against a mistake, a folder on another disk against its loss.
    """
    from backend.backups.make import back_up
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    config = directory.read_config()
    made = back_up(
        directory,
        (destination or directory.backups).absolute(),
        keep=keep or config.supervisor.keep_backups,
    )
    for line in made.left_out:
        echo(f"left out: {line}")
    for name in made.removed:
        echo(f"removed: {name}")
    echo(
        f"{made.path}: {made.files:,} files, {made.new_files:,} of them new "
        f"({made.new_bytes / 2**20:,.1f} MiB)"
    )
    if made.left_out:
        raise typer.Exit(ExitCode.BAD_DATA)


def restore(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="BACKUP",
            help="NAME-TIME.json, or a folder of one run: its newest.",
            show_default=False,
        ),
    ],
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="New run directory; without it nothing is written.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Bring a run back from a backup, or say of each file whether it could be.

    Every file is verified. One that is damaged is named and left out; exit code 65.
    """
    from backend.audit.run import examine
    from backend.backups.restore import check, find_backup
    from backend.backups.restore import restore as bring_back
    from backend.rundir import RunDirectory

    path = find_backup(source)
    found = check(path) if directory is None else bring_back(path, RunDirectory(directory))
    for name, state in sorted(found.states.items()):
        if directory is None or state != "whole":
            echo(f"{state}: {name}")
    problems = examine(RunDirectory(directory), replays=False).problems if directory else []
    for problem in problems:
        echo(f"not as it should be: {problem}")
    whole = len(found.states) - len(found.faults)
    echo(
        f"{path}: {whole:,} of {len(found.states):,} files are whole, "
        f"{found.manifest.games:,} games, best network {found.manifest.best or 'none'}"
    )
    if found.faults or problems:
        raise typer.Exit(ExitCode.BAD_DATA)
