"""Everything a key can do, once: the footer, the palette and the help page read this table."""

from backend import commands as c
from tui import format as fmt
from tui.action import CHARTS, PLACES, Action, Context, unreachable
from tui.checkpoint_actions import CHECKPOINTS
from tui.client import REPLAYED
from tui.past_actions import PAST
from tui.tuning import TUNING
from tui.viewing import VIEWING


def _no_checkpoint_now(context: Context) -> str:
    if reason := unreachable(context):
        return reason
    trainers = [w for w in context.state.workers.values() if w.role == "trainer"]
    if not any(w.state in ("running", "paused") for w in trainers):
        return "no trainer is running"
    return ""


def _no_evaluation_now(context: Context) -> str:
    if reason := unreachable(context):
        return reason
    state = context.state
    if state.phase == "paused":
        return "the run is paused: resume it first"
    if state.match is not None:
        return f"a match is being played already ({state.match.played}/{state.match.games} games)"
    if not state.checkpoints:
        return "there is no checkpoint yet"
    if (context.checkpoint or state.checkpoints[-1].name) == state.best:
        return f"{fmt.network(state.best)} is the best network itself"
    return ""


def _no_promotion_now(context: Context) -> str:
    if reason := unreachable(context):
        return reason
    if not context.checkpoint:
        return "there is no checkpoint to promote"
    if context.checkpoint == context.state.best:
        return f"{fmt.network(context.checkpoint)} is the best network already"
    return ""


def _no_rollback_now(context: Context) -> str:
    return unreachable(context) or ("" if context.state.best else "there is no best network yet")


def _ask_rollback(context: Context) -> str:
    return (
        f"Make the best network what it was before {fmt.network(context.state.best)}?\n"
        "Self-play will use it from its next move on. Again, and it goes one further back."
    )


def _pause_or_resume(context: Context) -> c.ClientCommand:
    return c.ResumeRun() if context.state.phase == "paused" else c.PauseRun()


def _promote(context: Context) -> c.ClientCommand:
    return c.Promote(name=context.checkpoint, reason="promoted by hand")


def _ask_promotion(context: Context) -> str:
    state = context.state
    text = f"Make checkpoint {fmt.network(context.checkpoint)} the best network"
    if state.best:
        text += f" instead of {fmt.network(state.best)}"
    view = next((v for v in state.checkpoints if v.name == context.checkpoint), None)
    if view is None or view.elo is None:
        measured = "It has not been measured in a match."
    else:
        rating = fmt.elo(view.elo, view.elo_low, view.elo_high)
        measured = f"Its match gave {rating} Elo against {fmt.network(view.versus)}."
    return f"{text}?\n{measured} Self-play will use it from its next move on."


def _nobody_to_play(context: Context) -> str:
    if context.link.is_replay:
        return REPLAYED
    return "" if context.state.checkpoints else "there is no checkpoint yet"


def _no_other_board(context: Context) -> str:
    return "" if len(context.state.boards) > 1 else "there is one board at most"


def _ask_stop(context: Context) -> str:
    return (
        "Stop the run?\nSelf-play and training end, the trainer saves a checkpoint, no finished "
        "game is lost. Starting again goes on from there.\nTo leave the screen only, use q."
    )


PANES: tuple[tuple[str, str], ...] = (
    ("charts", "Charts"),
    ("workers", "Workers"),
    ("board", "Board"),
    ("checkpoints", "Checkpoints"),
    ("log", "Log"),
    ("alerts", "Alerts"),
)

ACTIONS: tuple[Action, ...] = (
    Action(
        id="pause",
        key="space",
        title="Pause or resume the run",
        short="Pause",
        help="Workers finish their step or move, then wait. Nothing is lost.",
        not_in=("compare", "replay"),
        refused=unreachable,
        command=_pause_or_resume,
    ),
    Action(
        id="checkpoint",
        key="c",
        title="Save a checkpoint",
        short="Checkpoint",
        brief="Ckpt",
        help="The trainer finishes its step and saves the network.",
        not_in=("compare", "replay"),
        refused=_no_checkpoint_now,
        command=lambda context: c.CheckpointNow(),
    ),
    Action(
        id="evaluate",
        key="e",
        title="Evaluate the selected checkpoint",
        short="Evaluate",
        brief="Eval",
        help="A match of the checkpoint under the cursor against the best network.",
        places=CHARTS,
        refused=_no_evaluation_now,
        command=lambda context: c.EvaluateNow(name=context.checkpoint),
    ),
    Action(
        id="promote",
        key="P",
        title="Promote the selected checkpoint",
        short="Promote",
        help="Makes the checkpoint under the cursor the best network; asks first.",
        places=CHARTS,
        refused=_no_promotion_now,
        command=_promote,
        confirm=_ask_promotion,
    ),
    Action(
        id="rollback",
        key="R",
        title="Roll back the last promotion",
        help="The best network before this one becomes the best again; asks first.",
        refused=_no_rollback_now,
        command=lambda context: c.Rollback(reason=""),
        confirm=_ask_rollback,
    ),
    *CHECKPOINTS,
    *TUNING,
    *(
        Action(
            id=f"pane-{id}",
            key=str(number),
            title=f"Go to {title.lower()}",
            help="",
            places=CHARTS,
        )
        for number, (id, title) in enumerate(PANES, 1)
    ),
    *VIEWING,
    *PAST,
    Action(
        id="follow",
        key="o",
        title="Board of the next worker",
        help="Follows a game of each self-play worker in turn.",
        places=("dashboard",),
        refused=_no_other_board,
    ),
    Action(
        id="flip",
        key="f",
        title="Flip the board",
        help="Shows the board from the other side.",
        places=("dashboard", "games", "replay"),
    ),
    Action(
        id="heat",
        key="i",
        title="Show or hide the policy on the board",
        footer={"games": "Policy"},
        help="The squares that the search would have moved to, with its share for each; the move "
        "that was made is one of them.",
        places=("dashboard", "games", "replay"),
    ),
    Action(
        id="cycles",
        key="t",
        title="Table of cycles",
        help="What every cycle took and brought: games, losses, Elo, verdict.",
        refused=lambda context: "" if context.state.cycles_done else "no cycle is finished yet",
    ),
    Action(
        id="play",
        key="p",
        title="Play against a network",
        help="A board of your own; training goes on meanwhile.",
        not_in=("compare", "replay"),
        refused=_nobody_to_play,
    ),
    Action(
        id="copy",
        key="y",
        title="Copy what has the focus",
        footer={"log": "Copy"},
        minor=True,
        help="Values of a chart, name of a worker or checkpoint, line of the log, position as FEN: "
        "to the clipboard, if the terminal allows that, and to a file.",
        not_in=("games",),
    ),
    Action(
        id="picture",
        key="S",
        title="Save a picture of the screen",
        help="As SVG, in the directory matrix0-tui was started in.",
    ),
    Action(
        id="theme",
        key="T",
        title="Dark or light",
        help="Switches between the dark and the light theme; the palette has all themes.",
    ),
    Action(
        id="help",
        key="question_mark",
        key_label="?",
        title="Help",
        short="Help",
        footer={place: "Help" for place in PLACES if place != "dashboard"},
        help="This page.",
    ),
    Action(
        id="palette",
        key="colon",
        key_label=":",
        title="Palette: every action by name",
        help="So does ctrl+p.",
        not_in=("replay",),
    ),
    Action(
        id="detach",
        key="q",
        title="Leave the screen; the run goes on",
        short="Detach",
        footer={"compare": "Leave", "replay": "Leave"},
        help="Training goes on without a screen; start matrix0-tui again to come back.",
    ),
    Action(
        id="stop",
        key="Q",
        title="Stop the run",
        short="Stop",
        help="Saves and ends all workers; asks first.",
        refused=unreachable,
        command=lambda context: c.StopRun(),
        confirm=_ask_stop,
    ),
)

BY_ID = {action.id: action for action in ACTIONS}
