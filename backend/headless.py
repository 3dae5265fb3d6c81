"""A run without a screen: the supervisor in the foreground, and what it does in words.

On a terminal a live display, in a pipe plain lines (facts at once, progress every ten seconds), for
machines one JSON event a line. All three read the same events and states as the control centre.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from backend import ssl_readings, wording
from backend.conducting import conduct
from backend.config import Config
from backend.events import (
    Alert,
    CheckpointRetired,
    CheckpointSaved,
    CycleFinished,
    Event,
    GamesTuned,
    GateDecided,
    InferenceChosen,
    LossSpiked,
    MatchFinished,
    MatchStarted,
    PauseChanged,
    PhaseBegan,
    Promoted,
    Recovered,
    RolledBack,
    RunStarted,
    RunStopped,
    RunStopping,
    SettingChanged,
    ShardRejected,
    TrainingHalted,
    WorkerBackoff,
    WorkerExited,
    WorkerFailed,
    WorkerGivenUp,
    WorkerHeld,
    WorkerReady,
    WorkerRetired,
)
from backend.forecast import Progress, progress, steps_frac
from backend.inference.words import in_words
from backend.ledger import Ledger
from backend.rundir import SUPERVISOR, RunDirectory
from backend.selfplay.readings import policy_surprise, remarks
from backend.selfplay.words import games_in_words
from backend.state import RunState
from backend.summary import conclusion, cycles_table
from backend.supervisor import INTERRUPTED, Mission
from backend.wire import encode

PROGRESS_S: Final = 10.0
"""Plain progress lines are at least so far apart."""
REFRESH_S: Final = 0.25


def run_headless(
    directory: Path, config: Config | None, preset: str, cycles: int, as_json: bool
) -> int:
    """Runs until `cycles` are done (0: until stopped) and returns the exit code.

    `config` is what is asked for; a run that exists keeps its own, and differences are named. None
    asks for nothing. Raises Matrix0Error when the run cannot be used or is in use.
    """
    run = RunDirectory(directory)
    run.create()
    with run.lock(SUPERVISOR):
        kept, differences = run.settle(config, preset)
        mission = Mission(
            run=run,
            config=kept,
            preset=run.read_preset(),
            cycles=cycles,
            exit_when_stuck=True,
            remarks=tuple(differences),
        )
        printer = _choose_printer(as_json)
        try:
            return asyncio.run(conduct(mission, watch=lambda ledger: _watch(ledger, printer)))
        except KeyboardInterrupt:  # Before the supervisor could answer signals itself.
            return INTERRUPTED


class Printer(Protocol):
    """Shows a run to somebody."""

    def happened(self, event: Event, state: RunState) -> None: ...
    def tick(self, state: RunState) -> None:
        """Called a few times a second, also when nothing happens."""

    def end(self, state: RunState) -> None: ...


def _choose_printer(as_json: bool) -> Printer:
    if as_json:
        return JsonPrinter(sys.stdout.buffer.write, sys.stdout.flush)
    if sys.stdout.isatty():
        return LivePrinter(Console())
    return PlainPrinter(Console(width=120, markup=False, highlight=False, emoji=False))


async def _watch(ledger: Ledger, printer: Printer) -> None:
    listener = ledger.listen()
    try:
        while True:
            try:
                async with asyncio.timeout(REFRESH_S):
                    happened = await listener.next()
            except TimeoutError:
                printer.tick(ledger.state)
                continue
            if happened is None:
                break
            printer.happened(happened.event, ledger.state)
            printer.tick(ledger.state)
        printer.end(ledger.state)
    except BrokenPipeError:
        # Whoever read us is gone: stop in order, and keep Python from writing again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        ledger.leave(listener)


class JsonPrinter:
    """Every event as one JSON line, as in docs/protocol.md."""

    def __init__(self, write: Callable[[bytes], object], flush: Callable[[], None]) -> None:
        self._write = write
        self._flush = flush

    def happened(self, event: Event, state: RunState) -> None:
        self._write(encode(event))
        self._flush()

    def tick(self, state: RunState) -> None:
        pass

    def end(self, state: RunState) -> None:
        pass


class PlainPrinter:
    """Lines for a log file."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._last = clock()

    def happened(self, event: Event, state: RunState) -> None:
        text = describe(event)
        if text:
            self._say(event.at, text)

    def tick(self, state: RunState) -> None:
        if self._clock() - self._last >= PROGRESS_S and state.phase in ("running", "paused"):
            self._last = self._clock()
            self._say(state.now, progress_line(state))

    def end(self, state: RunState) -> None:
        if state.run:
            for line in (*cycles_table(state, self._console.width), conclusion(state)):
                self._console.print(Text(line), soft_wrap=True)

    def _say(self, at: float, text: str) -> None:
        stamp = time.strftime("%H:%M:%S", time.localtime(at))
        self._console.print(Text(f"{stamp}  {text}"), soft_wrap=True)


class LivePrinter:
    """A display at the bottom of a terminal, facts scroll above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._plain = PlainPrinter(console, clock=lambda: 0.0)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._drawn = -REFRESH_S

    def happened(self, event: Event, state: RunState) -> None:
        self._live.start()
        self._plain.happened(event, state)

    def tick(self, state: RunState) -> None:
        if state.run and time.monotonic() - self._drawn >= REFRESH_S:
            self._drawn = time.monotonic()
            self._live.update(display(state), refresh=True)

    def end(self, state: RunState) -> None:
        self._live.stop()
        self._plain.end(state)


# Words ------------------------------------------------------------------------------------------


def describe(event: Event) -> str:
    """A fact in one line; empty for what a person need not read."""
    match event:
        case RunStarted():
            until = f"until cycle {event.cycles}" if event.cycles else "until stopped"
            preset = f" (preset {event.preset})" if event.preset else ""
            return f"run {event.run}{preset} in {event.directory}, {until}, process {event.pid}"
        case Recovered():
            if not event.checkpoints and not event.shards:
                return "a new run: it starts from random weights"
            return (
                f"resumed at cycle {event.cycle}: best {event.best or '—'}, "
                f"{wording.plural(event.games, 'game')}, "
                f"{wording.plural(event.positions, 'position')}, "
                f"{wording.plural(event.shards, 'shard')} ({event.adopted_shards} adopted), "
                f"{wording.plural(event.checkpoints, 'checkpoint')}"
            )
        case InferenceChosen():
            return f"{event.worker}: {in_words(event)}"
        case GamesTuned():
            return f"{event.worker}: {games_in_words(event)}"
        case PhaseBegan():
            return event.sentence
        case WorkerReady():
            return f"{event.worker} runs on {event.device} ({event.reason})"
        case WorkerFailed():
            return f"{event.worker} failed: {event.error}"
        case WorkerExited():
            return "" if event.expected else f"{event.worker} ended: {event.reason}"
        case WorkerBackoff():
            delay = f"in {event.delay_s:.1f} s" if event.delay_s else "at once"
            return (
                f"{event.worker} is started again {delay}, abnormal exits so far: {event.crashes}"
            )
        case WorkerGivenUp():
            return f"{event.worker} is given up: {event.reason}"
        case ShardRejected():
            return f"shard {event.name} is refused and set aside: {event.reason}"
        case CheckpointSaved(reason="timed") | CheckpointRetired(reason="timed"):
            return ""
        case CheckpointSaved():
            return f"checkpoint {event.name} ({event.reason}, {event.size_mib:.1f} MiB)"
        case CheckpointRetired():
            return event.sentence
        case MatchStarted():
            most = "" if event.llr_low is None else "at most "
            return f"match {event.candidate} against {event.opponent}, {most}{event.games} games"
        case MatchFinished():
            return (
                f"match {event.candidate} against {event.opponent}: +{event.wins} ={event.draws} "
                f"-{event.losses}, {_elo(event)}"
            )
        case GateDecided():
            return f"{event.candidate} {event.verdict}: {event.reason}"
        case Promoted(is_rollback=True):
            return f"best network is again {event.name}: {event.reason}"
        case Promoted():
            return f"best network is now {event.name}"
        case CycleFinished():
            return (
                f"cycle {event.cycle} finished in {wording.duration(event.seconds)}: "
                f"{event.games:,} games, {event.positions:,} positions, "
                f"policy loss {wording.loss(event.policy_loss)}, "
                f"value loss {wording.loss(event.value_loss)}, "
                f"{event.verdict}, {_elo(event)}"
            )
        case PauseChanged():
            return "paused" if event.paused else "resumed"
        case SettingChanged():
            return f"{event.name} is {event.new}, was {event.old}: changed by {event.by}"
        case WorkerHeld():
            return f"{event.worker} {'paused' if event.held else 'resumed'} by {event.by}"
        case WorkerRetired():
            return f"{event.worker} has ended for good: fewer workers are wanted"
        case Alert():
            return f"{event.level}: {event.text}"
        case LossSpiked() | RolledBack() | TrainingHalted():
            return f"{event.level}: {event.sentence}"
        case RunStopping():
            return f"stopping: {event.reason}"
        case RunStopped():
            return f"stopped: {event.reason}"
        case _:
            return ""


def progress_line(state: RunState) -> str:
    """The whole run in one line."""
    done = progress(state, state.now)
    parts = [
        f"cycle {state.cycle + 1}" + (f"/{state.cycles}" if state.cycles else ""),
        f"games {state.totals.games:,}",
        f"positions {state.totals.positions:,} ({state.positions_per_s:.0f}/s)",
        f"surprise {wording.loss(policy_surprise(state))}",
        f"step {state.step:,} ({done.evaluation or f'{steps_frac(state):.0%}'})",
        f"loss policy {wording.loss(state.latest('policy_loss'))} "
        f"value {wording.loss(state.latest('value_loss'))}",
        *filter(None, (ssl_readings.in_words(state.latest),)),
    ]
    parts += remarks(state)
    if state.phase_of_training is not None:
        parts.append(state.phase_of_training.name)
    if state.match is not None and (state.match.llr is not None or not done.evaluation):
        parts.append(f"match {wording.match(state.match)}")
    elif state.trainer is not None and state.trainer.waiting:
        parts.append(f"trainer waits: {state.trainer.waiting}")
    parts.append(_left(done))
    return ("paused, " if state.phase == "paused" else "") + " | ".join(parts)


def display(state: RunState) -> Group:
    """The live display: a bar for the cycle's steps and one for a match, numbers beside them."""
    grid = Table.grid(padding=(0, 2))
    done = progress(state, state.now)
    grid.add_row(
        Text(f"cycle {state.cycle + 1}" + (f" of {state.cycles}" if state.cycles else "")),
        ProgressBar(total=1.0, completed=steps_frac(state), width=30),
        Text(", ".join(filter(None, (f"step {state.step:,}", done.evaluation, _left(done))))),
    )
    if state.match is not None:
        match = state.match
        grid.add_row(
            Text("match"),
            ProgressBar(total=match.games, completed=match.played, width=30),
            Text(f"{match.candidate} against {match.opponent}: {wording.match(match)}"),
        )
    waiting = state.trainer.waiting if state.trainer else ""
    numbers = Text(
        f"{state.totals.games:,} games, {state.totals.positions:,} positions, "
        f"{state.positions_per_s:.0f} positions/s, "
        f"policy surprise {wording.loss(policy_surprise(state))}, "
        f"policy loss {wording.loss(state.latest('policy_loss'))}, "
        f"value loss {wording.loss(state.latest('value_loss'))}, best {state.best or '—'}"
    )
    lines: list[RenderableType] = [Text(state.phase, style="bold"), grid, numbers]
    if tasks := ssl_readings.in_words(state.latest):
        lines.append(Text(tasks))
    if waiting:
        lines.append(Text(f"trainer waits: {waiting}"))
    return Group(*lines)


def _left(done: Progress) -> str:
    return f"{'left' if done.whole_run else 'left in the cycle'} {wording.duration(done.eta_s)}"


def _elo(event: MatchFinished | CycleFinished) -> str:
    return f"Elo {event.elo:+z.0f} [{event.elo_low:+z.0f}, {event.elo_high:+z.0f}]"
