"""Actions that look at a run and change nothing: charts, the log, the stored games, alerts."""

from typing import Final

from tui.action import CHARTS, CURVES, Action, Context, Place


def _no_history(context: Context) -> str:
    if context.has_history or context.place == "compare":
        return ""
    return "the run's database has no curves yet"


def _nothing_unseen(context: Context) -> str:
    return "" if context.unseen_alerts else "every alert is acknowledged"


_ON_CHARTS: Final = (
    Action(
        id="zoom",
        key="z",
        title="Maximise the chart",
        short="Zoom",
        footer={"chart": "Back"},
        minor=True,
        help="One chart over the whole screen, and back. So does a double click.",
        places=CHARTS,
    ),
    Action(
        id="next-chart",
        key="right",
        key_label="→",
        title="Next chart; with one alone, cursor to the right",
        help="The next chart gets the focus; in small terminals one is shown at a time.",
        places=CURVES,
    ),
    Action(
        id="previous-chart",
        key="left",
        key_label="←",
        title="Previous chart; with one alone, cursor to the left",
        footer={"chart": "→ Cursor"},
        help="The chart before it.",
        places=CURVES,
    ),
    Action(
        id="chart-below",
        key="down",
        key_label="↓",
        title="Next chart, staying maximised",
        footer={"chart": "Next"},
        help="The same part of the axis of another chart.",
        places=("chart", "replay"),
    ),
    Action(
        id="chart-above",
        key="up",
        key_label="↑",
        title="Previous chart, staying maximised",
        help="",
        places=("chart", "replay"),
    ),
    Action(
        id="cursor-left",
        key="h",
        title="Cursor to the left, in all charts",
        help="Titles then read out the values under the cursor; a click puts it there. Esc takes "
        "it away.",
        places=CURVES,
    ),
    Action(
        id="cursor-right",
        key="l",
        title="Cursor to the right, in all charts",
        help="",
        places=CURVES,
    ),
    Action(
        id="nearer",
        key="plus",
        key_label="+",
        title="Zoom in",
        footer={"chart": "Zoom"},
        help="Around the cursor, or at the newest values; so does the mouse wheel.",
        places=CURVES,
    ),
    Action(
        id="farther",
        key="minus",
        key_label="-",
        title="Zoom out",
        help="",
        places=CURVES,
    ),
    Action(
        id="pan-left",
        key="left_square_bracket",
        key_label="[",
        title="Move the window to the left",
        footer={"chart": "] Pan"},
        help="By a quarter of its width; so does dragging.",
        places=CURVES,
    ),
    Action(
        id="pan-right",
        key="right_square_bracket",
        key_label="]",
        title="Move the window to the right",
        help="",
        places=CURVES,
    ),
    Action(
        id="whole",
        key="0",
        title="Show the whole axis",
        help="Undoes zoom and pan.",
        places=CURVES,
    ),
    Action(
        id="no-cursor",
        key="escape",
        key_label="Esc",
        title="Take the cursor away; without one, leave the maximised chart",
        footer={"replay": "Back"},
        help="In a replay then back to where it was opened.",
        places=CHARTS,
    ),
    Action(
        id="axis",
        key="x",
        title="x axis: steps, time, games",
        footer={"chart": "Axis", "compare": "Axis"},
        minor=True,
        help="What the curves are drawn over.",
        places=CURVES,
        refused=_no_history,
    ),
    Action(
        id="log-x",
        key="X",
        title="Logarithmic x axis",
        help="The beginning in detail, the rest in short.",
        places=CURVES,
    ),
    Action(
        id="log-axis",
        key="Y",
        title="Logarithmic y axis",
        footer={"chart": "Log", "compare": "Log"},
        minor=True,
        help="Switches the y axis of the loss charts between linear and logarithmic.",
        places=CURVES,
    ),
    Action(
        id="smooth",
        key="s",
        title="Cycle the smoothing",
        footer={"chart": "Smooth", "compare": "Smooth"},
        minor=True,
        help="Moving average with decay 0, 0.6, 0.9, 0.97 over the band of the raw data.",
        places=CURVES,
    ),
    Action(
        id="next-task",
        key="m",
        title="Next of the charts that share a place",
        help="The self-supervised tasks: piece, threat, pin, fork, control; memory, learning rate, "
        "norm of the gradient.",
        places=CHARTS,
    ),
)

_LOG: Final[tuple[Place, ...]] = ("log",)

_ON_LOG: Final = (
    Action(
        id="log",
        key="L",
        title="Log screen",
        help="The whole log of the run: levels, sources, search, marks, export.",
        places=CHARTS,
    ),
    Action(
        id="find",
        key="slash",
        key_label="/",
        title="Open the log and search it",
        help="",
        places=CHARTS,
    ),
    Action(
        id="log-search",
        key="slash",
        key_label="/",
        title="Search the log",
        footer={"log": "Search"},
        help="Enter goes to the nearest line before; capitals do not matter.",
        places=_LOG,
    ),
    Action(
        id="log-next",
        key="n",
        title="Next match",
        footer={"log": "N Next"},
        help="",
        places=_LOG,
    ),
    Action(id="log-previous", key="N", title="Previous match", help="", places=_LOG),
    Action(
        id="log-level",
        key="v",
        title="Least level shown",
        footer={"log": "Level"},
        help="All, warnings and errors, errors.",
        places=_LOG,
    ),
    Action(
        id="log-source",
        key="s",
        title="Source shown",
        footer={"log": "Source"},
        help="All, then each in turn.",
        places=_LOG,
    ),
    Action(
        id="log-mark",
        key="m",
        title="Mark the line",
        footer={"log": "Mark"},
        help="Or take its mark away.",
        places=_LOG,
    ),
    Action(
        id="log-to-mark",
        key="apostrophe",
        key_label="'",
        title="Go to the next mark",
        help="",
        places=_LOG,
    ),
    Action(
        id="log-export",
        key="w",
        title="Write the lines that are shown to a file",
        footer={"log": "Write"},
        minor=True,
        help="In the directory matrix0-tui was started in.",
        places=_LOG,
    ),
    Action(
        id="log-follow",
        key="F",
        title="Follow the log",
        footer={"log": "Follow"},
        help="The cursor stays on the newest line; moving up ends it.",
        places=_LOG,
    ),
    Action(
        id="back",
        key="escape",
        key_label="Esc",
        title="Back to the dashboard",
        footer={"log": "Back", "games": "Back", "compare": "Back"},
        help="",
        places=("log", "games", "compare"),
    ),
)

_GAMES: Final[tuple[Place, ...]] = ("games",)

_ON_GAMES: Final = (
    Action(
        id="games",
        key="b",
        title="Browse the stored games",
        help="Self-play and matches, ply by ply, with value and policy of the search.",
        places=CHARTS,
    ),
    Action(
        id="ply-back",
        key="left",
        key_label="←",
        title="One ply back",
        footer={"games": "→ Ply"},
        help="",
        places=_GAMES,
    ),
    Action(
        id="ply-forward", key="right", key_label="→", title="One ply on", help="", places=_GAMES
    ),
    Action(
        id="ply-start",
        key="home",
        key_label="Home",
        title="Start of the game",
        help="",
        places=_GAMES,
    ),
    Action(
        id="ply-end",
        key="end",
        key_label="End",
        title="End of the game",
        footer={"games": "Last"},
        help="",
        places=_GAMES,
    ),
    Action(
        id="games-result",
        key="r",
        title="Results shown",
        footer={"games": "Result"},
        help="All, White won, draws, Black won, no result.",
        places=_GAMES,
    ),
    Action(
        id="games-source",
        key="s",
        title="Games shown",
        footer={"games": "Source"},
        help="All, self-play, matches.",
        places=_GAMES,
    ),
    Action(
        id="copy-fen",
        key="y",
        title="Copy the position as FEN",
        footer={"games": "FEN"},
        minor=True,
        help="To the clipboard, if the terminal allows that.",
        places=_GAMES,
    ),
    Action(
        id="copy-pgn",
        key="Y",
        title="Copy the game as PGN",
        help="",
        places=_GAMES,
    ),
    Action(
        id="write-pgn",
        key="w",
        title="Write the game to a PGN file",
        footer={"games": "Write"},
        help="In the directory matrix0-tui was started in.",
        places=_GAMES,
    ),
)

_ACKNOWLEDGE: Final = Action(
    id="acknowledge",
    key="a",
    title="Acknowledge all alerts",
    help="They stay in the list and no longer count in the status line, on this screen.",
    places=CHARTS,
    refused=_nothing_unseen,
)

VIEWING: Final = (*_ON_CHARTS, *_ON_LOG, *_ON_GAMES, _ACKNOWLEDGE)
