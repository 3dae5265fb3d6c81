"""The application: keys, routing between link and dashboard, leaving. It draws nothing."""

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from backend.clock import wall
from backend.events import Level
from backend.rundir import RunDirectory
from backend.state import RunState
from tui import format as fmt
from tui import themes
from tui.action import CHARTS, Context, Place
from tui.actions import ACTIONS, BY_ID
from tui.client import Link
from tui.copying import copy_focused
from tui.glyphs import ASCII, UNICODE
from tui.keymap import keymap, shown_keys
from tui.orders import Orders
from tui.pace import REFRESH_S
from tui.panes.alerts import unseen
from tui.panes.bars import Strip
from tui.remembered import THEME, keep, kept
from tui.screens.above import Above
from tui.screens.pages import cycles_page, help_page

# Other screens are imported when they are opened: nothing of them is needed to start.
if TYPE_CHECKING:
    from tui.screens.play import PlayScreen

WIDTHS = [(0, "-narrow"), (110, "-wide"), (160, "-broad")]
HEIGHTS = [(0, "-short"), (34, "-tall"), (52, "-high")]
"""From this many cells on the screen has this class; app.tcss lays it out accordingly."""

SETTLED_S = 3.0
"""After its first drawing the screen has all that it is going to keep."""
OPENING_S = 0.05
"""A screen is made within so much, on a machine that is not overloaded."""
MAX_TOASTS = 3
"""New alerts shown as toasts at once; the others are in the pane."""


class ControlCentre(Orders):
    CSS_PATH = "app.tcss"
    TITLE = "Matrix0"
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(a.key, f"act('{a.id}')", a.title, id=f"matrix0.{a.id}", show=False)
            for a in ACTIONS
        ),
        Binding("ctrl+q", "act('detach')", "Leave", show=False, priority=True),
    ]

    def __init__(
        self,
        link: Link,
        *,
        run_dir: Path,
        ascii: bool = False,
        clock: Callable[[], float] = wall,
        refresh_s: float = REFRESH_S,
        rings: bool = True,
        notifies: bool = False,
        keys: Mapping[str, str] = MappingProxyType({}),
        compared: Sequence[Path] | None = None,
        remark: str = "",
    ) -> None:
        """`rings` for a new warning or error: the bell of the terminal; `notifies` of an error on
        the desktop, if the terminal knows how. `keys` are the user's own.

        With `compared` it begins on the compare screen, where these runs are marked; `run_dir` is
        then one of the runs. `remark` is said once. Raises ConfigError for keys that cannot be.
        """
        super().__init__(link, run_dir, ASCII if ascii else UNICODE, clock)
        self.set_class(ascii, "-ascii")
        self.keys = shown_keys(keys)
        self.set_keymap(keymap(keys))
        self.refresh_s = refresh_s
        self.remark = remark
        self.rings = rings
        self.notifies = notifies
        self.compared = compared
        self._drawn = (-1, -1)
        """Version of the link and whole second of the last drawing."""
        self._alerts_seen: tuple[object, ...] | None = None
        self._ending_shown = False
        self._death_shown = False
        self._play: PlayScreen | None = None
        """The board of before."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.defaults(self.current_theme.dark)

    def on_mount(self) -> None:
        themes.dress(self)
        known = kept(THEME)
        self.theme = known if known in self.available_themes else "matrix0-dark"
        self.theme_changed_signal.subscribe(self, lambda theme: keep(THEME, theme.name))
        self.push_screen(self.dashboard)
        if self.compared is not None:
            self.open_compare(self.compared)
        self.run_worker(self.link.run(), group="link", name="link")
        self.set_interval(self.refresh_s, self.tick)
        if self.remark:
            self.toast(self.remark)
        self.call_after_refresh(self.tick)

    def on_ready(self) -> None:
        """Whoever has switched the collector off for the start gets it back a little later."""
        if not gc.isenabled():
            self.set_timer(SETTLED_S, _collect_no_more)

    # Drawing: at most once a tick, always the newest ---------------------------------------------

    def tick(self) -> None:
        if not self.dashboard.is_mounted:
            return
        now = self.clock()
        drawn = (self.link.version, int(now))
        if drawn == self._drawn:
            return
        self._drawn = drawn
        with self.batch_update():
            self.dashboard.show(self.context, now)
            if isinstance(self.screen, Above) and self.screen.is_mounted:
                self.screen.show(self.context, now)
        if not self.link.view.is_replay:
            self._announce(self.link.state)

    def redraw(self) -> None:
        """Draw at the next opportunity although the state has not changed."""
        self._drawn = (-1, -1)
        self.call_after_refresh(self.tick)

    def on_resize(self) -> None:
        self.redraw()

    @property
    def context(self) -> Context:
        return Context(
            self.link.state,
            self.link.view,
            self.dashboard.selected_checkpoint,
            self.dashboard.selected_worker,
            place=self.place,
            keys=self.keys,
            has_history=not self.dashboard.charts.history.is_empty,
            unseen_alerts=len(unseen(self.link.state, self.dashboard.seen_until).alerts),
        )

    @property
    def place(self) -> Place:
        return getattr(self.screen, "place", "dashboard")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key does nothing where its action does not work: another may have the same key."""
        if action == "act" and parameters:
            return BY_ID[str(parameters[0])].works_in(self.place)
        return super().check_action(action, parameters)

    def _announce(self, state: RunState) -> None:
        """Toasts for new alerts, for the end of the run, and for the death of the supervisor."""
        if self.link.view.status == "connected" and self._alerts_seen is None:
            self._alerts_seen = state.alerts
        if self._alerts_seen is not None and state.alerts is not self._alerts_seen:
            known = {id(alert) for alert in self._alerts_seen}
            fresh = [alert for alert in state.alerts if id(alert) not in known]
            for alert in fresh[-MAX_TOASTS:]:
                self.toast(alert.text, alert.level)
            if self.rings and any(alert.level != "info" for alert in fresh):
                self.bell()
            errors = [alert.text for alert in fresh if alert.level == "error"]
            if self.notifies and errors and self._driver is not None:
                self._driver.write(on_desktop(f"{fmt.line(state.run)}: {errors[-1]}"))
            self._alerts_seen = state.alerts
        if state.phase == "stopped" and not self._ending_shown:
            self._ending_shown = True
            if state.cycles_done:
                self.push_screen(cycles_page(state, self.size.width, self.glyphs))
            else:
                self.toast(f"The run has ended: {state.stop_reason}. q leaves.", "info")
        died = self.link.view.status == "died" and state.phase != "stopped"
        if died and state.run and not self._death_shown:
            self.toast(f"{self.link.view.detail}. Its log is logs/supervisor.log.", "error")
        self._death_shown = died

    def toast(self, text: str, level: Level = "info") -> None:
        self.notify(
            fmt.line(text),
            severity="error"
            if level == "error"
            else "warning"
            if level == "warning"
            else "information",
            markup=False,
        )

    # Actions -------------------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        if self._play is not None and screen is self._play:
            yield from self._play.commands()
            return
        context = self.context
        for action in ACTIONS:
            key = context.key_of(action)
            text = f"{key}  {action.help}" if action.help else key
            yield SystemCommand(action.title, text, partial(self.action_act, action.id))
        for name, value in self.link.state.settings.items():
            now = f"It is {value} now"
            yield SystemCommand(f"Change {name}", now, partial(self.change_setting, name))
        yield SystemCommand("Theme", "Choose one of all themes", self.action_change_theme)
        yield from self.checkpoint_commands()
        if self.place in CHARTS:
            yield from self.run_commands()

    @on(Strip.Picked)
    def _picked(self, event: Strip.Picked) -> None:
        if event.action == "palette":
            self.action_command_palette()
        else:
            self.action_act(event.action)

    def action_act(self, id: str) -> None:
        """Do an action, or say why not; on a screen that is just being opened, once it is there."""
        if isinstance(self.screen, Above) and not self.screen.is_mounted:
            self.set_timer(OPENING_S, lambda: self.action_act(id))
            return
        action = BY_ID[id]
        context = self.context
        if reason := action.why_not(context):
            self.toast(f"{action.title}: {reason}", "warning")
        elif action.command is not None:
            self.order(action, context)
        else:
            self._do(id)
            self.redraw()

    def save_picture(self) -> None:
        """Once the palette is gone. Without a path Textual takes the user's downloads, which need
        not exist."""
        self.set_timer(0.1, lambda: self.deliver_screenshot(path=str(Path.cwd())))

    def action_help_quit(self) -> None:
        """Ctrl-C: nothing is lost by mistake."""
        self.toast("q leaves the screen and training goes on; Q stops the run")

    def _do(self, id: str) -> None:
        if id.startswith("pane-"):
            self.dashboard.go_to(id.removeprefix("pane-"))
            return
        if isinstance(self.screen, Above) and BY_ID[id].places:
            if id == "back":
                self.screen.back()
            else:
                self.screen.do(id)
            return
        if self.dashboard.do(id):
            return
        match id:
            case "acknowledge":
                self.dashboard.seen_until = self.link.state.alerts[-1].at
            case "log":
                self._open_log()
            case "find":
                self._open_log(searching=True)
            case "games":
                from tui.screens.games import GamesScreen

                self.push_screen(GamesScreen(self.run_dir, self.glyphs))
            case "palette":
                self.action_command_palette()
            case "tune":
                self.change_setting()
            case "diff":
                self.compare_checkpoints()
            case "copy":
                copy_focused(self)
            case "picture":
                self.save_picture()
            case "compare":
                has_run = RunDirectory(self.run_dir).exists
                self.open_compare((self.run_dir,) if has_run else ())
            case "replay-this":
                self.open_replay(self.run_dir)
            case "follow":
                self.dashboard.follow_next(self.link.state)
            case "cycles":
                self.push_screen(cycles_page(self.link.state, self.size.width, self.glyphs))
            case "play":
                self._open_play()
            case "theme":
                self.theme = "matrix0-light" if self.current_theme.dark else "matrix0-dark"
            case "help":
                self.push_screen(help_page(self.context, self.size.width))
            case "detach":
                self.exit(leaving_code(self.link))
            case _:
                raise ValueError(f"no such action: {id!r}")

    def _open_log(self, *, searching: bool = False) -> None:
        from tui.screens.logs import LogScreen

        self.push_screen(LogScreen(self.run_dir, self.glyphs, searching=searching))

    def _open_play(self) -> None:
        """The board of before, or a new one against the best network."""
        if self._play is None:
            from backend.play.opponents import opponents
            from tui.screens.play import new_play

            run = RunDirectory(self.run_dir)
            self._play = new_play(run, self.glyphs, opponents(run)[0])
            self.install_screen(self._play, "play")
        self.push_screen("play")

    def on_play_screen_left(self) -> None:
        self.pop_screen()


def _collect_no_more() -> None:
    """What stands now stays: looking through it for garbage held up keys for 0.1 s."""
    gc.collect()
    gc.freeze()
    gc.enable()


def on_desktop(text: str) -> str:
    """What makes a terminal put a note on the desktop (OSC 9); others take no notice of it."""
    return f"\x1b]9;Matrix0 {fmt.line(text)}\x07"


def leaving_code(link: Link) -> int:
    """0 for a detach or a replay; the run's own exit code once it has ended."""
    return 0 if link.view.is_replay else link.state.exit_code or 0
