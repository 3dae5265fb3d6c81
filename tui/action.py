"""What a key can do, as the table in `actions.py` holds it, and what decides whether it may."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from backend import commands as c
from backend.state import RunState
from tui.client import READ_ONLY, REPLAYED, LinkView

if TYPE_CHECKING:
    from tui.playing import Playing

Place = Literal["dashboard", "chart", "log", "games", "compare", "replay"]
"""Where one is: all panes, one chart alone, and the screens above them."""
PLACES: Final[Mapping[Place, str]] = {
    "dashboard": "on the dashboard",
    "chart": "with one chart alone (z)",
    "log": "on the log screen (L)",
    "games": "among the stored games (b)",
    "compare": "on the compare screen (C)",
    "replay": "in a replay",
}
CHARTS: Final[tuple[Place, ...]] = ("dashboard", "chart", "replay")
CURVES: Final[tuple[Place, ...]] = (*CHARTS, "compare")


@dataclass(frozen=True)
class Context:
    """What decides whether an action makes sense now."""

    state: RunState
    link: LinkView
    checkpoint: str = ""
    """The one under the cursor."""
    worker: str = ""
    """The one under the cursor."""
    place: Place = "dashboard"
    has_history: bool = False
    """The run's database could be read: its curves know times and games."""
    unseen_alerts: int = 0
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of the user's own as they are shown, by id of the action."""
    play: "Playing | None" = None
    """The game of the play screen, for the actions of that screen."""

    def key_of(self, action: "Action") -> str:
        """As it is shown."""
        return self.keys.get(action.id) or action.shown_key


def in_words(places: tuple[Place, ...]) -> str:
    """`on the dashboard, with one chart alone (z) and in a replay`; empty for everywhere."""
    *most, last = [PLACES[place] for place in places] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def unreachable(context: Context) -> str:
    """Why no order can be given to the supervisor now; empty when one can."""
    state, link = context.state, context.link
    if link.is_replay:
        return REPLAYED
    if link.read_only:
        return READ_ONLY
    if state.phase == "stopped":
        return "the run has ended"
    if link.status != "connected":
        return "not connected to the supervisor"
    if state.phase == "stopping":
        return "the run is stopping"
    return ""


def _always(context: Context) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Action:
    id: str
    key: str
    key_label: str = ""
    """As shown; the key itself when empty."""
    title: str
    short: str = ""
    """Word in the footer of the dashboard; not in that footer when empty."""
    footer: Mapping[Place, str] = field(default_factory=dict)
    """The same for other places."""
    brief: str = ""
    """The same for a narrow terminal; `short` when empty."""
    minor: bool = False
    """Left out of the footer first."""
    help: str
    """A sentence; empty where the title says it all."""
    places: tuple[Place, ...] = ()
    """Where the key works; empty for everywhere."""
    not_in: tuple[Place, ...] = ()
    """Where it does not although it works everywhere: there the key has another meaning."""
    refused: Callable[[Context], str] = _always
    """Why it cannot be done now; empty when it can."""
    command: Callable[[Context], c.ClientCommand] | None = None
    """The order for the supervisor; None for what concerns the screen alone."""
    confirm: Callable[[Context], str] | None = None
    """Question to be answered first; empty for none."""

    @property
    def shown_key(self) -> str:
        return self.key_label or self.key

    def works_in(self, place: Place) -> bool:
        return (not self.places or place in self.places) and place not in self.not_in

    def why_not(self, context: Context) -> str:
        """Why it cannot be done here and now; empty when it can."""
        if context.link.is_replay and self.command is not None:
            return REPLAYED
        if context.place in self.not_in:
            return f"not {PLACES[context.place]}"
        if not self.works_in(context.place):
            return f"works {in_words(self.places)}"
        return self.refused(context)
