"""`matrix0 report`: a run as one HTML page, or as Markdown."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from matrix0.commands.options import echo


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run directory.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write; without it NAME.html or NAME.md here.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Literal["html", "md"] | None,
        typer.Option(
            "--format",
            help="md: tables in text, to be pasted. Without it as the file is named, else html.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a run as one HTML page: curves, ratings, cycles, games, settings, versions.

    It loads nothing from outside and needs no script. The run may be at work.
    """
    from backend.clock import wall
    from backend.commit import commit_file
    from backend.report.facts import gather
    from backend.report.markdown import markdown
    from backend.report.page import page
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    facts = gather(directory)
    versions = [("Matrix0, at the last start of the run", facts.version or "-"), *_versions()]
    if form is None:
        form = "md" if output is not None and output.suffix.lower() == ".md" else "html"
    path = output if output is not None else Path(f"{directory.name}.{form}")
    write = markdown if form == "md" else page
    commit_file(path.absolute(), write(facts, versions, wall()).encode())
    echo(f"{path}: {path.stat().st_size / 1024:,.0f} KiB")


def _versions() -> list[tuple[str, str]]:
    import platform
    import sqlite3
    from importlib.metadata import version

    from matrix0 import __version__
    from matrix0.commands.doctor import LIBRARIES

    here = [("Matrix0, for this report", __version__), ("Python", platform.python_version())]
    return [*here, ("SQLite", sqlite3.sqlite_version), *((n, version(n)) for n in LIBRARIES)]
