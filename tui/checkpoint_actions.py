"""Actions on the checkpoint under the cursor that look at it or remove it."""

from typing import Final

from backend import commands as c
from tui import format as fmt
from tui.action import Action, Context, unreachable


def _no_checkpoint(context: Context) -> str:
    return "" if context.checkpoint else "there is no checkpoint yet"


def _no_verification(context: Context) -> str:
    return unreachable(context) or _no_checkpoint(context)


def _no_other(context: Context) -> str:
    if reason := _no_checkpoint(context):
        return reason
    return "" if len(context.state.checkpoints) > 1 else "there is no other checkpoint"


def _no_deletion(context: Context) -> str:
    """What can be known here; the supervisor knows more."""
    if reason := _no_verification(context):
        return reason
    state, name = context.state, context.checkpoint
    if name == state.best:
        return f"{fmt.network(name)} is the best network"
    if name == state.checkpoints[-1].name:
        return f"{fmt.network(name)} is the newest: training goes on from it after a restart"
    if state.match is not None and name in (state.match.candidate, state.match.opponent):
        return f"{fmt.network(name)} is being measured"
    return ""


def _ask_deletion(context: Context) -> str:
    view = next((v for v in context.state.checkpoints if v.name == context.checkpoint), None)
    size = f", {fmt.memory(view.size_mib)}" if view is not None else ""
    return (
        f"Delete checkpoint {fmt.network(context.checkpoint)} from disk{size}?\n"
        "It cannot be brought back. Its curves, matches and Elo stay in the run's history."
    )


CHECKPOINTS: Final = (
    Action(
        id="verify",
        key="v",
        title="Verify the selected checkpoint",
        help="Reads every byte of it: checksums, and numbers that are none.",
        places=("dashboard",),
        refused=_no_verification,
        command=lambda context: c.VerifyCheckpoint(name=context.checkpoint),
    ),
    Action(
        id="diff",
        key="d",
        title="Compare the selected checkpoint with another",
        help="Losses, Elo, settings of the network, and how far its weights have moved.",
        places=("dashboard",),
        refused=_no_other,
    ),
    Action(
        id="delete",
        key="D",
        title="Delete the selected checkpoint",
        help="From disk; asks first. Never what is the best, the newest or needed otherwise.",
        places=("dashboard",),
        refused=_no_deletion,
        command=lambda context: c.DeleteCheckpoint(name=context.checkpoint),
        confirm=_ask_deletion,
    ),
)
