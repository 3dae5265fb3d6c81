"""Hidden commands by which Matrix0 starts processes of its own, from `worker` to `visit`."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from backend.events import Role
from matrix0.commands.options import RunOption


def worker(
    role: Annotated[str, typer.Argument(metavar="ROLE")],
    run: RunOption,
    name: Annotated[str, typer.Option("--worker")],
) -> None:
    """One worker: orders on stdin, events on stdout, log on stderr."""
    from backend.workers.frame import launch

    for known in get_args(Role):
        if role == known:
            raise typer.Exit(launch(known, run, name))
    raise typer.BadParameter(f"{role!r} is none of {', '.join(get_args(Role))}", param_hint="ROLE")


def supervise(
    run: RunOption,
    cycles: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """The supervisor of a prepared run, for a screen to join; never loads torch."""
    from backend.conducting import supervise as conduct_run
    from backend.text import clean_standard_streams

    clean_standard_streams()
    raise typer.Exit(conduct_run(run, cycles))


def relay(run: RunOption) -> None:
    """What speaks to Ray for the supervisor: orders on stdin, reports on stdout."""
    from backend.cluster.relay import main
    from backend.rundir import RunDirectory

    raise typer.Exit(main(RunDirectory(run)))


def follow(
    store: Annotated[Path, typer.Option("--store")],
    rank: Annotated[int, typer.Option("--rank", min=1)],
    size: Annotated[int, typer.Option("--of", min=2)],
) -> None:
    """One of the processes that train together with a trainer, which starts them."""
    from backend.training.gathering import follow as train_along

    raise typer.Exit(train_along(store, rank, size))


def labeller(
    run: RunOption,
    engine: Annotated[str, typer.Option("--engine")],
    multipv: Annotated[int, typer.Option("--multipv", min=1)],
) -> None:
    """One of the processes that label for `matrix0 label` on a cluster."""
    from backend.teacher.labeller import main

    raise typer.Exit(main(run, engine, multipv))


def hall(run: RunOption) -> None:
    """One of the processes in which games of a match are played: orders in, games out."""
    from backend.hall.hall import main

    raise typer.Exit(main(run))


def think() -> None:
    """The engine process of a person's game: orders on stdin, thoughts on stdout."""
    from backend.play.thinker import main

    main()


def visit(
    run: RunOption,
    read_only: Annotated[bool, typer.Option("--read-only")] = False,
    refresh_s: Annotated[float, typer.Option("--refresh")] = 0.5,
) -> None:
    """The screen behind one page in a browser; `matrix0-tui --serve` starts it."""
    from tui.web.visitor import visit as show

    raise typer.Exit(show(run, read_only=read_only, refresh_s=refresh_s))
