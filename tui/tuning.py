"""Actions that change a run at work: its settings, and single workers."""

from typing import Final

from backend import commands as c
from backend.views import WorkerView
from tui import format as fmt
from tui.action import Action, Context, unreachable


def _no_settings(context: Context) -> str:
    if reason := unreachable(context):
        return reason
    return "" if context.state.settings else "its supervisor is of an earlier version"


def _worker(context: Context) -> WorkerView | None:
    return context.state.workers.get(context.worker)


def _no_worker(context: Context) -> str:
    if reason := unreachable(context):
        return reason
    return "" if _worker(context) else "no worker is selected"


def _no_rest(context: Context) -> str:
    if reason := _no_worker(context):
        return reason
    view = _worker(context)
    if view is not None and view.state == "failed" and not view.held:
        return f"{view.worker} was given up: restart it first"
    return ""


def _pause_or_resume(context: Context) -> c.ClientCommand:
    view = _worker(context)
    if view is not None and view.held:
        return c.ResumeWorker(worker=context.worker)
    return c.PauseWorker(worker=context.worker)


def _ask_restart(context: Context) -> str:
    """A question where something is lost by it; none for a worker that does not run."""
    view = _worker(context)
    if view is None or view.state not in ("starting", "running", "paused"):
        return ""
    lost = {
        "selfplay": "Games on its boards begin anew; finished ones are kept.",
        "trainer": "It saves a checkpoint first; no step is lost.",
        "evaluator": "Its match goes on with the games that have ended.",
    }[view.role]
    return f"Restart {fmt.line(view.worker)}?\n{lost}"


TUNING: Final = (
    Action(
        id="tune",
        key="u",
        title="Change a setting of the run at work",
        help="Learning rate, simulations, workers and more, from the next step or move on.",
        refused=_no_settings,
    ),
    Action(
        id="worker-pause",
        key="w",
        title="Pause or resume the selected worker",
        help="It finishes its step or move and rests; the others go on.",
        places=("dashboard",),
        refused=_no_rest,
        command=_pause_or_resume,
    ),
    Action(
        id="worker-restart",
        key="W",
        title="Restart the selected worker",
        help="It ends in order and starts again; one that was given up gets a clean slate.",
        places=("dashboard",),
        refused=_no_worker,
        command=lambda context: c.RestartWorker(worker=context.worker),
        confirm=_ask_restart,
    ),
)
