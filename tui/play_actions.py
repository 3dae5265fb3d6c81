"""What a key can do on the play screen; footer, palette and help read this table as the other one.

No key is a letter that a move can begin with (a to h, N B R Q K O): those go to the entry line.
"""

from collections.abc import Callable

from tui.action import Action, Context
from tui.playing import Playing


def _about(refused: Callable[[Playing], str]) -> Callable[[Context], str]:
    """A reason that only the game decides."""

    def decide(context: Context) -> str:
        assert context.play is not None, "the play screen gives its game"
        return refused(context.play)

    return decide


def _no_take_back(play: Playing) -> str:
    return "" if play.game.can_take_back else "you have not moved yet"


def _no_resignation(play: Playing) -> str:
    if play.analysing:
        return "nobody plays: this is analysis"
    return "the game is over" if play.game.ending is not None else ""


def _no_draw(play: Playing) -> str:
    if reason := _no_resignation(play):
        return reason
    return "" if play.game.is_humans_turn else "wait for your turn"


def _no_watcher(play: Playing) -> str:
    return "" if play.watcher is not None else "no network watches: start with --run or --network"


def _no_earlier(play: Playing) -> str:
    return "" if play.ply > 0 else "this is the first position"


def _no_later(play: Playing) -> str:
    return "" if play.viewed is not None else "this is the last position"


def _nothing_to_save(play: Playing) -> str:
    return "" if play.game.ply else "no move has been made"


PLAY_ACTIONS: tuple[Action, ...] = (
    Action(
        id="take-back",
        key="u",
        title="Take back",
        short="Undo",
        help="Undoes your last move, also while the opponent thinks.",
        refused=_about(_no_take_back),
    ),
    Action(
        id="hints",
        key="i",
        title="Show or hide hints",
        short="Hints",
        help="The network's moves for the position, beside the board and on its squares.",
        refused=_about(_no_watcher),
    ),
    Action(
        id="analyse",
        key="w",
        title="Analyse, or go on playing",
        short="Analyse",
        help="You move both sides and the network watches; again, and the opponent plays on.",
    ),
    Action(
        id="turn-board",
        key="v",
        title="Turn the board",
        short="Flip",
        help="Shows the board from the other side.",
    ),
    Action(
        id="new-game",
        key="n",
        title="New game",
        short="New",
        help="Opponent, colour and simulations; asks before a game is dropped.",
    ),
    Action(
        id="earlier",
        key="comma",
        key_label=",",
        title="One move back in the game",
        help="Looks at the position before; nothing is undone.",
        refused=_about(_no_earlier),
    ),
    Action(
        id="later",
        key="full_stop",
        key_label=".",
        title="One move on in the game",
        help="Looks at the position after it.",
        refused=_about(_no_later),
    ),
    Action(
        id="offer-draw",
        key="o",
        title="Offer a draw",
        help="Accepted after ten moves by an opponent that expects no more than a draw.",
        refused=_about(_no_draw),
    ),
    Action(
        id="resign",
        key="x",
        title="Resign",
        help="Ends the game; asks first.",
        refused=_about(_no_resignation),
    ),
    Action(
        id="save-pgn",
        key="s",
        title="Save the game as PGN",
        short="Save",
        minor=True,
        help="Into games/ of the run, or the directory the program was started in.",
        refused=_about(_nothing_to_save),
    ),
    Action(
        id="copy-position",
        key="y",
        title="Copy the position as FEN",
        help="The one that is shown: to the clipboard, if the terminal allows that, and to a file.",
    ),
    Action(
        id="copy-game",
        key="Y",
        title="Copy the game as PGN",
        help="",
        refused=_about(_nothing_to_save),
    ),
    Action(
        id="load-pgn",
        key="l",
        title="Load a game from PGN",
        help="The first game of a file; it opens in analysis unless you have played it.",
    ),
    Action(
        id="board-size",
        key="z",
        title="Size of the board",
        help="The next smaller of the sizes that fit; then the largest again.",
    ),
    Action(
        id="play-signs",
        key="t",
        title="Unicode or ASCII",
        help="Draws board and panes with letters, for terminals and fonts without chess pieces.",
    ),
    Action(
        id="play-theme",
        key="T",
        title="Dark or light",
        help="Switches between the dark and the light theme.",
    ),
    Action(
        id="play-help",
        key="question_mark",
        key_label="?",
        title="Help",
        short="Help",
        help="This page.",
    ),
    Action(
        id="leave-game",
        key="q",
        title="Leave the game",
        short="Leave",
        help="To the dashboard, where the game waits; or to the shell, if you came from there.",
    ),
)

PLAY_BY_ID = {action.id: action for action in PLAY_ACTIONS}
