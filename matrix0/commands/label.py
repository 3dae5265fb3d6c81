"""`matrix0 label`: positions to an engine of others, its opinion into shards to learn from."""

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backend.errors import ConfigError
from matrix0.commands.options import RunOption, echo, say
from matrix0.commands.progress import Meter, interruptible

if TYPE_CHECKING:
    from backend.teacher.labelling import LabelTally

DEFAULT_ENGINE = "stockfish:nodes=5000"


def label(
    run: RunOption,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="EPD or FEN, a position a line; .gz, .zst; - is standard input. "
            "Without it: the run's own games.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        Literal["replay", "imported"],
        typer.Option("--from", help="Games of the run, without FILE."),
    ] = "replay",
    engine: Annotated[
        str,
        typer.Option(help="UCI engine: name or path, then nodes=, depth=, movetime=, its options."),
    ] = DEFAULT_ENGINE,
    multipv: Annotated[int, typer.Option(min=1, max=218, help="Best moves that it tells.")] = 8,
    temperature: Annotated[
        float, typer.Option(help="Of the policy: in expected score, 0 to 1 from loss to win.")
    ] = 0.05,
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            max=256,
            help="Processes of the engine; 0: one for each core (or as set in [cluster]).",
        ),
    ] = 0,
    share: Annotated[
        float, typer.Option(help="Share of all positions, chosen by their hash.")
    ] = 1.0,
    limit: Annotated[int, typer.Option(min=0, help="So many positions in this call; 0: all.")] = 0,
) -> None:
    """Label positions by an engine: its best moves become the policy, its evaluation the value.

    May be interrupted at any time: the same call goes on where it was. See docs/data.md.
    """
    from backend.cluster.pool import pool_of
    from backend.config import Config
    from backend.evaluation.engines import parse_engine
    from backend.evaluation.leash import Leash
    from backend.replay.provenance import Teacher
    from backend.roster import num_selfplay_workers
    from backend.rundir import RunDirectory
    from backend.teacher.engine import TeachingEngine
    from backend.teacher.fleet import PER_LABELLER, TeachingFleet
    from backend.teacher.labelling import IN_FLIGHT, REPORT, Labelling, write_report
    from backend.teacher.labels import Labels
    from backend.teacher.studies import ShardStudies, open_lines, shards_of

    if not 0.001 <= temperature <= 10:
        raise ConfigError(f"--temperature {temperature:g}: must be in 0.001..10")
    if not 0 < share <= 1:
        raise ConfigError(f"--share {share:g}: must be above 0 and at most 1")
    spec = parse_engine(engine)
    processes = workers or os.cpu_count() or 1
    directory = RunDirectory(run)
    config = directory.read_config() if directory.exists else Config()
    directory.create()
    with ExitStack() as stack:
        stack.enter_context(directory.lock("matrix0 label"))
        studies = (
            ShardStudies(shards_of(directory, source))
            if file is None
            else stack.enter_context(open_lines(file, config.limits))
        )
        teaching: TeachingEngine | TeachingFleet
        if config.cluster.pool == "ray":
            processes = workers or num_selfplay_workers(config)
            teaching = TeachingFleet(
                spec,
                labellers=processes,
                multipv=multipv,
                run=directory,
                pool=pool_of(directory, config.cluster, lambda _: None, lambda _, text: say(text)),
                say=say,
            )
            num_asked = processes * PER_LABELLER
        else:
            leash = Leash(limits=config.limits, logs=directory.logs)
            teaching = TeachingEngine(spec, processes=processes, multipv=multipv, leash=leash)
            num_asked = processes * IN_FLIGHT
        stack.callback(teaching.close)
        teacher = Teacher(
            engine=teaching.version,
            limit=spec.budget,
            multipv=multipv,
            temperature=temperature,
            values=teaching.values,
        )
        labels = Labels(directory.imported, teacher, config.model.orientation)
        stack.callback(labels.close)
        say(
            f"{teacher.engine}, {teacher.limit}, {multipv} best moves, {processes} processes; "
            f"win, draw, loss by {teacher.values}"
        )
        should_stop = stack.enter_context(interruptible())
        meter = stack.enter_context(Meter())
        began = time.monotonic()
        tally = Labelling(
            teaching,
            labels,
            in_flight=num_asked,
            temperature=temperature,
            orientation=config.model.orientation,
            share=share,
            limit=limit,
        ).run(
            studies,
            on_progress=lambda tally: meter.show(
                tally.file, tally.share_read, _words(tally, began)
            ),
            should_stop=should_stop,
        )
        if tally.rejects:
            write_report(directory.imported, tally)
    echo(_words(tally, began))
    if tally.resumed:
        echo(f"{tally.resumed:,} were answered before, and are now in shards")
    if tally.refused:
        echo(f"the reasons for what was refused are in {directory.imported / REPORT}")


def _words(tally: "LabelTally", began: float) -> str:
    """'1,024 labelled (93.2 a second), 3 known, 1 refused, 2 processes lost, 4 min left'"""
    seconds = time.monotonic() - began
    parts = [
        f"{tally.labelled:,} labelled ({tally.labelled / max(seconds, 1e-3):.1f} a second)",
        f"{tally.known:,} known",
        f"{tally.refused:,} refused",
    ]
    if tally.lost:
        parts.append(f"{tally.lost:,} processes lost")
    if tally.share_read and tally.share_read < 1:
        left = seconds * (1 / tally.share_read - 1)
        parts.append(f"{left / 60:.0f} min left")
    return ", ".join(parts)
