"""An order to a run that is at work, its answer, and its end: what `matrix0 ctl` is made of.

Most orders are only begun when they are answered: pausing waits for moves and steps, a checkpoint
for the trainer, an evaluation for its match. `carry_through` stays until the end is heard.
"""

import time
from typing import Final

import msgspec

from backend.commands import (
    SAVED_ALREADY,
    CheckpointNow,
    ClientCommand,
    EvaluateNow,
    PauseRun,
    PauseWorker,
    RestartWorker,
    ResumeRun,
    ResumeWorker,
    StopRun,
)
from backend.cycle import BY_HAND
from backend.dialogue import Dialogue
from backend.errors import OrderError, RunDirectoryError
from backend.events import (
    CheckpointSaved,
    Event,
    LogLine,
    MatchFinished,
    PauseChanged,
    RunStopped,
    WorkerExited,
    WorkerGivenUp,
    WorkerHeld,
    WorkerReady,
    WorkerRetired,
)
from backend.rundir import RunDirectory
from backend.state import RunState

RELEASE_S: Final = 10.0
"""A supervisor that has said its last word lets go of its run within this time."""
_POLL_S: Final = 0.02


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of an order; as JSON, what `matrix0 ctl --json` prints."""

    order: str
    """Type of the command."""
    refused: str = ""
    """Why nothing came of it; empty when it is done or, without waiting, begun."""
    text: str = ""
    """What was done."""
    event: Event | None = None
    """The fact that ended it, if there is one."""


def attend(run: RunDirectory) -> Dialogue:
    """A connection to the run's supervisor. Raises RunDirectoryError when none is at work."""
    run.read_config()
    holder = run.holder()
    if holder is None:
        raise RunDirectoryError(
            f"{run.path}: no supervisor is at work on this run; "
            f"`matrix0-tui --run {run.path}` starts one"
        )
    if not holder.is_supervisor:
        raise holder.refusal(run.path)
    return Dialogue(run)


def carry_through(run: RunDirectory, command: ClientCommand, *, wait: bool) -> Outcome:
    """Gives an order; with `wait`, comes back when it is carried out or cannot be any more."""
    with attend(run) as supervisor:
        pid = supervisor.state.pid
        reply = supervisor.ask(command)
        order = type(command).__name__
        if reply.refused:
            return Outcome(order=order, refused=reply.refused)
        if not wait or not isinstance(command, _LASTING):
            return Outcome(order=order, text=reply.text)
        try:
            text, event = _hear_out(supervisor, command)
        except OrderError as error:
            return Outcome(order=order, refused=str(error))
    if isinstance(command, StopRun):
        _await_release(run, pid)
    return Outcome(order=order, text=text, event=event)


_LASTING: Final = (
    *(PauseRun, ResumeRun, PauseWorker, ResumeWorker, RestartWorker),
    *(CheckpointNow, EvaluateNow, StopRun),
)
"""What goes on after the answer."""


def _hear_out(supervisor: Dialogue, command: ClientCommand) -> tuple[str, Event | None]:
    """Listens until the order has come to its end: what was done, and the fact that says so."""
    if text := _settled(command, supervisor.state):
        return text, None
    for event in supervisor.events():
        if text := _done(command, event):
            return text, event
        if text := _settled(command, supervisor.state):
            return text, None
        if reason := _in_vain(command, event):
            raise OrderError(reason)
    raise OrderError("the supervisor has ended before it was done")


def _settled(command: ClientCommand, state: RunState) -> str:
    """What the state says is done; empty if it is not, or if only an event can say it."""
    at_work = [w for w in state.workers.values() if w.state in ("starting", "running")]
    resting = [w for w in state.workers.values() if w.state == "paused" and not w.held]
    match command:
        case PauseWorker(worker=name) if name in state.workers:
            view = state.workers[name]
            rests = view.held and view.state not in ("starting", "running")
            return f"{name} is paused: it rests" if rests else ""
        case ResumeWorker(worker=name) if name in state.workers:
            view = state.workers[name]
            rests = view.held or view.state == "paused"
            return "" if rests else f"{name} is resumed: it is {view.state}"
        case PauseRun() if state.phase == "paused" and not at_work:
            return "paused: all workers rest"
        case ResumeRun() if state.phase == "running" and not resting:
            return "resumed: all workers go on"
        case _:
            return ""


def _done(command: ClientCommand, event: Event) -> str:
    """What the event says was done; empty if it says nothing of it."""
    match command, event:
        case CheckpointNow(), CheckpointSaved(reason="requested"):
            return f"{event.name} is saved"
        case CheckpointNow(), LogLine(source="trainer") if event.text.endswith(SAVED_ALREADY):
            return event.text
        case EvaluateNow(), MatchFinished() if BY_HAND in event.match:
            # Two evaluations are never at work at once, so the first that ends is this one.
            return (
                f"{event.candidate} against {event.opponent}: "
                f"+{event.wins} ={event.draws} -{event.losses}, "
                f"Elo {event.elo:+z.0f} [{event.elo_low:+z.0f}, {event.elo_high:+z.0f}]"
            )
        case RestartWorker(), WorkerReady() if event.worker == command.worker:
            return f"{event.worker} is at work again, process {event.pid}"
        case StopRun(), RunStopped(exit_code=0):
            return f"stopped: {event.reason}"
        case _:
            return ""


def _in_vain(command: ClientCommand, event: Event) -> str:
    """Why the order will not be carried out any more, if the event says so."""
    match command, event:
        case _, RunStopped():
            return f"the run has ended ({event.exit_code}): {event.reason}"
        case CheckpointNow(), (WorkerExited() | WorkerGivenUp()) if event.worker == "trainer":
            return f"the trainer ended before it saved: {event.reason}"
        case EvaluateNow(), WorkerGivenUp() if event.worker == "evaluator":
            return f"the evaluator was given up: {event.reason}"
        case RestartWorker(), WorkerGivenUp() if event.worker == command.worker:
            return f"{event.worker} was given up: {event.reason}"
        case ((RestartWorker() | PauseWorker() | ResumeWorker()), WorkerRetired()) if (
            event.worker == command.worker
        ):
            return f"{event.worker} has ended: fewer workers are wanted"
        case PauseWorker(), WorkerHeld(held=False) if event.worker == command.worker:
            return "it was resumed meanwhile"
        case ResumeWorker(), WorkerHeld(held=True) if event.worker == command.worker:
            return "it was paused again meanwhile"
        case PauseRun(), PauseChanged(paused=False):
            return "it was resumed meanwhile"
        case ResumeRun(), PauseChanged(paused=True):
            return "it was paused again meanwhile"
        case _:
            return ""


def _await_release(run: RunDirectory, pid: int) -> None:
    """Until the process has let go of the run, so that the next command finds it free."""
    deadline = time.monotonic() + RELEASE_S
    while (holder := run.holder()) is not None and holder.pid == pid:
        if time.monotonic() > deadline:
            raise OrderError(f"process {pid} still holds the run {RELEASE_S:.0f} s after its end")
        time.sleep(_POLL_S)
